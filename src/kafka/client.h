// A librdkafka client and what can be asked of a cluster through it. Sources, sinks and their tests hold one as a
// value.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "kafka/api.h"
#include "kafka/error.h"
#include "kafka/settings.h"

namespace sluice::kafka {

struct PartitionListDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const { api().topic_partition_list_destroy(list); }
};
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, PartitionListDeleter>;
struct QueueDeleter {
  void operator()(rd_kafka_queue_t* queue) const { api().queue_destroy(queue); }
};
using Queue = std::unique_ptr<rd_kafka_queue_t, QueueDeleter>;
struct MessageDeleter {
  void operator()(rd_kafka_message_t* message) const { api().message_destroy(message); }
};
using Message = std::unique_ptr<rd_kafka_message_t, MessageDeleter>;

struct TopicPartition {
  std::string topic;
  int32_t partition = 0;
  bool operator==(const TopicPartition&) const = default;
  auto operator<=>(const TopicPartition&) const = default;
};
// A partition with an offset of it.
struct PartitionOffset {
  TopicPartition partition;
  int64_t offset = 0;
};
PartitionList partition_list(std::span<const PartitionOffset> offsets);

// Whether this librdkafka has the property; it is loaded.
bool has_property(const char* name);

struct Topic {
  std::string name;
  int partitions = 0;          // they are 0 … partitions - 1
  std::optional<Error> error;  // it is known, but cannot be used (an ACL, no leader)
};

// The first offset that is still there, and the one behind the last that is committed (with isolation.level =
// read_committed: behind the last stable one).
struct Watermarks {
  int64_t low = 0;
  int64_t high = 0;
};

// Owns one rd_kafka_t and receives its logs, errors and callbacks. Thread-safe, as librdkafka is; the callbacks run in
// whoever serves it. Destroying a consumer does not leave its group: leave_group() does. Every question waits at most
// Cluster::connect_timeout, and ends within a second of a stop.
class Client {
 public:
  // How long one attempt at anything may take: a stop is answered within a second.
  static constexpr Millis kAttempt{400};

  struct Callbacks {
    std::function<void(rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* partitions)> on_rebalance;
    std::function<void(const rd_kafka_message_t& message)> on_delivery;
  };

  // `own` comes on top of the cluster's properties and wins. Fault::user for one that librdkafka does not take.
  static Result<std::unique_ptr<Client>> open(rd_kafka_type_t type, const Cluster& cluster, const Properties& own,
                                              Log log, Callbacks callbacks = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] rd_kafka_t* get() const { return handle_; }
  [[nodiscard]] const std::string& where() const { return cluster_.where; }
  [[nodiscard]] const Cluster& cluster() const { return cluster_; }
  [[nodiscard]] const Log& log() const { return log_; }

  // A consumer whose events all come through rd_kafka_consumer_poll(): the questions below then leave them there.
  void polled_as_consumer() { polled_as_consumer_ = true; }
  // Brokers have answered in a way that none of the questions below sees (a group's member was given partitions).
  void has_answer() { answered_ = true; }
  // Calls the callbacks that are due; waits up to `time` for one.
  void serve(Millis time);

  // The error for a call that failed with `code`. Where that only says that nobody answered, and librdkafka has said
  // meanwhile why (a wrong password, an untrusted certificate, a refused connection), it is that.
  [[nodiscard]] Error failure(rd_kafka_resp_err_t code, std::string_view what, std::string_view detail = {}) const;
  // What ends this client for good although no call has failed: credentials that are refused, a fatal error.
  [[nodiscard]] std::optional<Error> broken() const;

  // All topics of the cluster without its internal ones, in the order of their names.
  Result<std::vector<Topic>> topics(const std::stop_token& stop);
  // One topic; Fault::user when it does not exist. A producer's question may create it, where brokers allow that.
  Result<Topic> topic(const std::string& name, const std::stop_token& stop);
  Result<std::string> cluster_id(const std::stop_token& stop);
  Result<std::vector<Watermarks>> watermarks(std::span<const TopicPartition> partitions, const std::stop_token& stop);
  // Per partition the first offset whose message is not older than `time` (milliseconds since 1970), or the end.
  Result<std::vector<int64_t>> offsets_at(std::span<const TopicPartition> partitions, int64_t time_ms,
                                          const std::stop_token& stop);
  struct Committed {
    int64_t offset = 0;
    std::string metadata;  // what was committed with it
  };
  // Of the group this client was opened with (group.id); unset where the group has none. Transactions that may still
  // change them are waited for.
  Result<std::vector<std::optional<Committed>>> committed(std::span<const TopicPartition> partitions,
                                                          const std::stop_token& stop);

  struct NewTopic {
    std::string name;
    int partitions = -1;   // -1: the broker's default
    int replication = -1;  // -1: the broker's default
    std::vector<std::pair<std::string, std::string>> settings;
  };
  // One that exists already is left as it is.
  Result<void> create_topic(const NewTopic& topic, const std::stop_token& stop);
  // One that does not exist is no error; one with members is Fault::refused.
  Result<void> delete_group(const std::string& group, const std::stop_token& stop);
  // A setting of a topic as the broker has it ("max.message.bytes"); unset where it does not say.
  Result<std::optional<std::string>> topic_setting(const std::string& topic, const std::string& setting,
                                                   const std::stop_token& stop);

  // A consumer leaves its group; pending rebalances are answered meanwhile. Nothing else may run.
  Result<void> leave_group();

 private:
  Client(const Cluster& cluster, Log log, Callbacks callbacks);
  Result<void> configure(rd_kafka_conf_t* conf, const Properties& own);
  // Repeats a call with short timeouts until it succeeds, `stop` is requested or the cluster's timeout has passed.
  Result<void> ask(std::string_view what, const std::stop_token& stop,
                   const std::function<rd_kafka_resp_err_t(int timeout_ms, std::string* what)>& call);
  Result<std::vector<int64_t>> list_offsets(std::span<const TopicPartition> partitions, int64_t time_ms,
                                            const std::stop_token& stop);
  void look_for_leaders(const std::string& topic);
  static void on_error(rd_kafka_t* handle, int code, const char* reason, void* opaque);
  static void on_log(const rd_kafka_t* handle, int level, const char* facility, const char* text);
  static void on_rebalance(rd_kafka_t* handle, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions,
                           void* opaque);
  static void on_delivery(rd_kafka_t* handle, const rd_kafka_message_t* message, void* opaque);

  // What librdkafka said on its own about why nobody answers.
  struct Complaint {
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    std::string reason;
  };

  const Cluster cluster_;
  const Log log_;
  const Callbacks callbacks_;
  rd_kafka_t* handle_ = nullptr;
  bool polled_as_consumer_ = false;
  std::atomic<bool> answered_{false};  // some question was answered: it is no wrong port and no wrong protocol
  mutable std::mutex mutex_;           // of complaint_
  Complaint complaint_;
};

}  // namespace sluice::kafka
