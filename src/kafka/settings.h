// What source and sink share of a Kafka location and its options: how to reach the cluster, as librdkafka's properties.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "options/location.h"
#include "options/option.h"

namespace sluice::kafka {

inline constexpr uint16_t kDefaultPort = 9092;

// A property as librdkafka names it. Every value is kept as a secret: which of them are is librdkafka's business.
struct Property {
  std::string name;
  Secret value;
};
using Properties = std::vector<Property>;

struct Cluster {
  std::string where;  // "kafka://b1:9092,b2:9092": begins every error, holds no secret
  Properties properties;
  Millis connect_timeout{10'000};  // how long brokers may be silent at the start and in single questions
};

// A property that `rdkafka.…` may not set, and what to use in its place ("group_id"); empty: it is ours alone.
struct OwnedProperty {
  std::string_view name;
  std::string_view option;
};

// security_protocol, sasl_mechanism, username, password, ca_file, …, rdkafka.…: to be put behind a connector's own.
std::span<const OptionSpec> cluster_option_specs();

// `owned`: what the source or the sink sets itself, beside what the options here stand for.
Result<Cluster> cluster_of(const Location& location, const OptionValues& options, std::string_view pipeline,
                           std::span<const OwnedProperty> owned);

// A legal topic name (letters, digits, '.', '_' and '-', at most 249), or an error that begins with `where`.
Result<void> check_topic_name(std::string_view where, std::string_view topic);

}  // namespace sluice::kafka
