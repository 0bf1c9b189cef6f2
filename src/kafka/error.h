// librdkafka's errors as ours: one sentence that names the cluster and what it is about, and the Fault that says
// whether trying again can help.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "kafka/api.h"

namespace sluice::kafka {

// What an error is about.
struct Subject {
  std::string where;  // Cluster::where
  std::string what;   // "topic 'orders'", "group 'sluice_orders'"; empty: the cluster itself
};

Subject topic_at(std::string_view where, std::string_view topic);
Subject group_at(std::string_view where, std::string_view group);

// `detail`: librdkafka's own words, where it has more to say than the code does.
Error error_of(rd_kafka_resp_err_t code, const Subject& subject, std::string_view detail = {});

// Whether error_of() knows better than to refuse what it has no sentence for.
bool has_meaning(rd_kafka_resp_err_t code);

struct ErrorDeleter {
  void operator()(rd_kafka_error_t* error) const { api().error_destroy(error); }
};
using ErrorPtr = std::unique_ptr<rd_kafka_error_t, ErrorDeleter>;

// What rd_kafka_init_transactions() and its like return: null is success. A retriable one is transient whatever its
// code.
Result<void> result_of(ErrorPtr error, const Subject& subject);

// Nobody could be reached or nobody answered: why is something that librdkafka tells on its error callback.
bool is_silence(rd_kafka_resp_err_t code);

}  // namespace sluice::kafka
