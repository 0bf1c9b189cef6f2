// A transactional producer: what is sent between begin() and commit() becomes visible at once, or never.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "connector/kafka/record.h"
#include "kafka/client.h"
#include "port/context.h"
#include "port/group_offsets.h"

namespace sluice::kafka {

// How a producer is made; the cluster's properties come on top of it.
struct ProducerShape {
  std::string transactional_id;
  Millis transaction_timeout{60'000};
  int64_t queue_bytes = 32 << 20;  // sent by us, not yet taken by the brokers
  int64_t message_bytes_max = 1'000'000;
  int64_t batch_bytes_max = 1'000'000;
  Properties properties;  // the sink's own: compression, partitioner
};

// Owns the client and its open transaction, which ends with it. send() may be called by several threads; everything
// else by one at a time, while nobody sends.
class Producer {
 public:
  // Fences whoever has the transactional id: their open transaction is aborted, one that is being committed is waited
  // for. Returns when nothing of theirs can happen any more.
  static Result<std::unique_ptr<Producer>> open(Context& context, const Cluster& cluster, const ProducerShape& shape);
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  Result<void> begin(Context& context);
  // Waits while the queue is full. The records stand in order: a failure leaves the transaction to be aborted.
  Result<void> send(Context& context, const Piece& piece);
  // These offsets of the group are committed with the transaction; refused by the broker when the member's generation
  // is over.
  Result<void> send_offsets(Context& context, GroupOffsets& group, const Positions& upto);
  // Everything sent is acknowledged, then the transaction is decided. After an error the transaction is over: it did
  // not happen, or (Fault::outcome_unknown) somebody has to look.
  Result<void> commit(Context& context);
  Result<void> abort(Context& context);

  [[nodiscard]] bool in_transaction() const { return began_.has_value(); }
  // Every transaction it ever began is committed. After an abort librdkafka 2.0.2 may number messages as earlier ones
  // that the broker has, which it takes for the same.
  [[nodiscard]] bool at_rest() const;
  // When the open transaction began, or the last one did.
  [[nodiscard]] SteadyTime began() const { return last_began_; }
  // Somebody else has our id by now, or the coordinator gave our transaction up when it timed out.
  [[nodiscard]] bool fenced() const { return fenced_; }
  [[nodiscard]] const ProducerShape& shape() const { return shape_; }

 private:
  struct TopicDeleter {
    void operator()(rd_kafka_topic_t* topic) const { api().topic_destroy(topic); }
  };
  // The first message that could not be delivered: what an aborted transaction died of.
  struct Failure {
    std::mutex mutex;
    std::optional<rd_kafka_resp_err_t> code;
    std::string topic;
  };

  explicit Producer(ProducerShape shape) : shape_(std::move(shape)) {}
  Result<void> init(Context& context);
  Result<rd_kafka_topic_t*> topic(const std::string& name);
  Result<void> send_batch(Context& context, rd_kafka_topic_t* topic, const Piece& piece);
  Result<void> send_one(Context& context, rd_kafka_topic_t* topic, const Piece& piece, const Record& record);
  Result<void> await_room(Context& context);
  Error error_of_send(rd_kafka_resp_err_t code, const std::string& topic);
  Error error_of(const rd_kafka_error_t& error, const char* doing);
  Error error_of_code(rd_kafka_resp_err_t code, const std::string& what, const std::string& detail);

  const ProducerShape shape_;
  std::unique_ptr<Failure> failure_ = std::make_unique<Failure>();
  std::unique_ptr<Client> client_;
  std::mutex topics_mutex_;
  std::map<std::string, std::unique_ptr<rd_kafka_topic_t, TopicDeleter>> topics_;  // go before the client
  std::optional<SteadyTime> began_;
  SteadyTime last_began_;
  uint64_t transactions_begun_ = 0;
  uint64_t transactions_committed_ = 0;
  std::atomic<bool> fenced_{false};
};

}  // namespace sluice::kafka
