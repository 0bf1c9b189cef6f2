// A sink's location and options, understood.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "connector/kafka/payload_choice.h"
#include "kafka/settings.h"
#include "port/change_details.h"

namespace sluice::kafka {

enum class Envelope { plain, debezium };

struct SinkSettings {
  Cluster cluster;
  std::string where;     // of the statement
  std::string pipeline;  // empty outside of one
  std::string topic;     // may hold {schema} and {table}
  OptionValues options;  // also those of the values' format
  const PayloadDescriptor* format = nullptr;
  PayloadChoice key_format;  // without descriptor: the key column's text
  Envelope envelope = Envelope::plain;
  ChangeOrigin origin{"sluice", {}};
  std::vector<std::string> key;
  bool mode_given = false;
  bool upsert = false;
  std::string headers_column;
  std::string timestamp_column;
  std::string partition_column;
  bool tombstones = true;
  bool create_topic = true;
  int partitions = -1;   // of a topic that is made; -1: as the brokers say
  int replication = -1;  // -1: as the brokers say
  bool refuse_existing = false;
  std::string positions_topic;
  std::string transactional_id;
  Millis transaction_timeout{60'000};
  Properties producer;  // compression, partitioner

  [[nodiscard]] bool many_tables() const { return topic.find('{') != std::string::npos; }
  // Fault::user where the name that comes out is none.
  [[nodiscard]] Result<std::string> topic_for(const TableId& table) const;
};

// What a sink takes beside cluster_option_specs() and the options of its payload formats.
std::span<const OptionSpec> sink_option_specs();
Result<SinkSettings> sink_settings(const Registry& registry, const ConnectorRequest& request);

}  // namespace sluice::kafka
