#include "connector/kafka/producer.h"

#include <algorithm>
#include <vector>

namespace sluice::kafka {
namespace {

// Calls that wait are cut into steps, which librdkafka goes on with where it was: a stop is noticed between two.
constexpr int kStepMs = 400;
constexpr Millis kRoom{10};
constexpr Millis kNewPartition{10'000};  // brokers hear of one that was added one after the other
constexpr Millis kInitPatience{60'000};  // a coordinator that moves, a transaction that is still being completed
constexpr Millis kAbortPatience{10'000};
constexpr size_t kBatch = 1024;  // records handed over together

bool names_fence(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
         code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

rd_kafka_resp_err_t fatal_code(const Client& client) {
  char reason[8] = "";
  return api().fatal_error(client.get(), reason, sizeof reason);
}

bool given(const Cluster& cluster, std::string_view name) {
  return std::any_of(cluster.properties.begin(), cluster.properties.end(),
                     [&](const Property& property) { return property.name == name; });
}

Properties properties_of(const Cluster& cluster, const ProducerShape& shape) {
  Properties own = shape.properties;
  const auto set = [&](const char* name, auto value) { own.push_back({name, Secret(fmt::format("{}", value))}); };
  const auto prefer = [&](const char* name, auto value) {
    if (!given(cluster, name)) set(name, value);
  };
  set("transactional.id", shape.transactional_id);
  set("transaction.timeout.ms", shape.transaction_timeout.count());
  set("delivery.report.only.error", "true");
  prefer("message.max.bytes", shape.message_bytes_max);
  prefer("batch.size", shape.batch_bytes_max);
  prefer("queue.buffering.max.kbytes", std::max<int64_t>(shape.queue_bytes >> 10, 1));
  // librdkafka needs about 250 bytes beside each message, which kbytes does not count.
  prefer("queue.buffering.max.messages", std::clamp<int64_t>(shape.queue_bytes / 250, 1'000, 500'000));
  prefer("linger.ms", 5);
  return own;
}

}  // namespace

Result<std::unique_ptr<Producer>> Producer::open(Context& context, const Cluster& cluster, const ProducerShape& shape) {
  std::unique_ptr<Producer> producer(new Producer(shape));
  Client::Callbacks callbacks;
  callbacks.on_delivery = [failure = producer->failure_.get()](const rd_kafka_message_t& message) {
    // What is purged dies of an abort, not the other way round.
    if (message.err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || message.err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) return;
    std::lock_guard lock(failure->mutex);
    if (failure->code.has_value()) return;
    failure->code = message.err;
    failure->topic = api().topic_name(message.rkt);
  };
  producer->client_ =
      TRY(Client::open(RD_KAFKA_PRODUCER, cluster, properties_of(cluster, shape), context.log, std::move(callbacks)));
  TRY(producer->init(context));
  return producer;
}

Producer::~Producer() {
  // Else readers would wait for it until it times out.
  const auto deadline = system_clock().steady() + Millis(2'000);
  while (began_.has_value() && !fenced_ && system_clock().steady() < deadline) {
    ErrorPtr error(api().abort_transaction(client_->get(), kStepMs));
    if (error == nullptr || api().error_is_retriable(error.get()) == 0) break;
  }
  if (client_ != nullptr) (void)api().purge(client_->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

Result<void> Producer::init(Context& context) {
  const auto began = context.clock.steady();
  while (true) {
    ErrorPtr error(api().init_transactions(client_->get(), kStepMs));
    if (error == nullptr) return {};
    client_->serve(Millis(0));
    if (context.stop.stop_requested()) return cancelled();
    const auto waited = context.clock.steady() - began;
    const rd_kafka_resp_err_t code = api().error_code(error.get());
    const Millis patience = is_silence(code) ? client_->cluster().connect_timeout : kInitPatience;
    if (fatal_code(*client_) == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT) {
      return user_error(
          "{}: the brokers allow no transactions of {} (transaction.max.timeout.ms); give a shorter "
          "transaction_timeout",
          client_->where(), format_duration(shape_.transaction_timeout));
    }
    if (auto broken = client_->broken(); broken.has_value()) return *std::move(broken);
    if (api().error_is_retriable(error.get()) != 0 && waited < patience) {
      context.clock.sleep(Millis(20), context.stop);
      continue;
    }
    return error_of(*error, "taking over");
  }
}

Error Producer::error_of_code(rd_kafka_resp_err_t code, const std::string& what, const std::string& detail) {
  if (names_fence(code)) {
    fenced_ = true;
    return refused("{}: transactional.id '{}' belongs to another process by now", client_->where(),
                   shape_.transactional_id);
  }
  return client_->failure(code, what, detail);
}

Error Producer::error_of(const rd_kafka_error_t& error, const char* doing) {
  const std::string what = fmt::format("transactional.id '{}'", shape_.transactional_id);
  const rd_kafka_resp_err_t code = api().error_code(&error);
  if (names_fence(code)) return error_of_code(code, what, "");
  if (api().error_is_fatal(&error) != 0) {
    char detail[512] = "";
    const rd_kafka_resp_err_t original = api().fatal_error(client_->get(), detail, sizeof detail);
    Error fatal = error_of_code(original == RD_KAFKA_RESP_ERR_NO_ERROR ? code : original, what, detail);
    return std::move(fatal).while_doing(doing);
  }
  client_->serve(Millis(0));  // failed deliveries are reported before the transaction fails of them
  {
    std::lock_guard lock(failure_->mutex);
    if (failure_->code.has_value()) {
      return error_of_code(*failure_->code, fmt::format("topic '{}'", failure_->topic), "").while_doing(doing);
    }
  }
  Error made = error_of_code(code, what, api().error_string(&error));
  // The transaction is undone and can be done again, whatever it was that the coordinator did not like.
  const bool undone = api().error_txn_requires_abort(&error) != 0;
  if (undone && (made.fault == Fault::user || !has_meaning(code))) made.fault = Fault::transient;
  return std::move(made).while_doing(doing);
}

Result<void> Producer::begin(Context& context) {
  CHECK(!began_.has_value());
  {
    std::lock_guard lock(failure_->mutex);
    failure_->code.reset();
  }
  ErrorPtr error(api().begin_transaction(client_->get()));
  if (error != nullptr) return error_of(*error, "beginning a transaction");
  last_began_ = context.clock.steady();
  began_ = last_began_;
  ++transactions_begun_;
  return {};
}

bool Producer::at_rest() const {
  return transactions_committed_ == transactions_begun_ && !fenced_ && !client_->broken();
}

Result<rd_kafka_topic_t*> Producer::topic(const std::string& name) {
  std::lock_guard lock(topics_mutex_);
  auto& handle = topics_[name];
  if (handle == nullptr) handle.reset(api().topic_new(client_->get(), name.c_str(), nullptr));
  if (handle == nullptr) return client_->failure(api().last_error(), fmt::format("topic '{}'", name));
  return handle.get();
}

Error Producer::error_of_send(rd_kafka_resp_err_t code, const std::string& topic) {
  client_->serve(Millis(0));
  char detail[512] = "";
  const rd_kafka_resp_err_t original = api().fatal_error(client_->get(), detail, sizeof detail);
  if (original != RD_KAFKA_RESP_ERR_NO_ERROR) return error_of_code(original, "the producer", detail);
  std::lock_guard lock(failure_->mutex);
  if (failure_->code.has_value()) {
    return error_of_code(*failure_->code, fmt::format("topic '{}'", failure_->topic), "");
  }
  // The transaction has failed in the background; its abort says of what.
  if (code == RD_KAFKA_RESP_ERR__STATE) {
    return transient("{}: the transaction of '{}' was given up", client_->where(), shape_.transactional_id);
  }
  return error_of_code(code, fmt::format("topic '{}'", topic), "");
}

Result<void> Producer::await_room(Context& context) {
  if (context.stop.stop_requested()) return cancelled();
  client_->serve(kRoom);
  if (auto broken = client_->broken(); broken.has_value()) return *std::move(broken);
  return {};
}

Result<void> Producer::send(Context& context, const Piece& piece) {
  rd_kafka_topic_t* handle = TRY(topic(piece.topic->name));
  const bool plain = std::all_of(piece.records.begin(), piece.records.end(), [](const Record& record) {
    return record.headers == Record::kNone && record.timestamp_ms == 0 && record.partition == Record::kNone;
  });
  if (plain) {
    TRY(send_batch(context, handle, piece));
  } else {
    for (const auto& record : piece.records) TRY(send_one(context, handle, piece, record));
  }
  client_->serve(Millis(0));
  return {};
}

// Records whose partition is still to be found. One that says its own goes alone: rd_kafka_produce_batch() of
// librdkafka 2.0.2 adds partition -1 to the transaction while the topic's partitions are not known, which the brokers
// refuse.
Result<void> Producer::send_batch(Context& context, rd_kafka_topic_t* topic, const Piece& piece) {
  std::vector<rd_kafka_message_t> batch(std::min(kBatch, piece.records.size()));
  for (size_t at = 0; at < piece.records.size();) {
    const size_t count = std::min(kBatch, piece.records.size() - at);
    for (size_t i = 0; i < count; ++i) {
      const Record& record = piece.records[at + i];
      const Payload key = piece.key_of(record);
      const Payload value = piece.value_of(record);
      rd_kafka_message_t& message = batch[i];
      message = {};
      // librdkafka takes them as const: it copies.
      message.payload = value.has_value() ? const_cast<char*>(value->data()) : nullptr;
      message.len = value.has_value() ? value->size() : 0;
      message.key = key.has_value() ? const_cast<char*>(key->data()) : nullptr;
      message.key_len = key.has_value() ? key->size() : 0;
    }
    const int taken =
        api().produce_batch(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, batch.data(), static_cast<int>(count));
    if (taken == static_cast<int>(count)) {
      at += count;
      continue;
    }
    // From the first that was not taken on none is: their order would be lost else.
    size_t good = 0;
    while (good < count && batch[good].err == RD_KAFKA_RESP_ERR_NO_ERROR) ++good;
    if (good < count && batch[good].err != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      return error_of_send(batch[good].err, piece.topic->name);
    }
    for (size_t i = good; i < count; ++i) {
      if (batch[i].err == RD_KAFKA_RESP_ERR_NO_ERROR) return bug("librdkafka took a message out of turn");
    }
    at += good;
    TRY(await_room(context));
  }
  return {};
}

Result<void> Producer::send_one(Context& context, rd_kafka_topic_t* topic, const Piece& piece, const Record& record) {
  const Payload key = piece.key_of(record);
  const Payload value = piece.value_of(record);
  std::vector<rd_kafka_vu_t> parts(6);
  parts[0].vtype = RD_KAFKA_VTYPE_RKT;
  parts[0].u.rkt = topic;
  parts[1].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  parts[1].u.i = RD_KAFKA_MSG_F_COPY;
  parts[2].vtype = RD_KAFKA_VTYPE_PARTITION;
  parts[2].u.i32 = record.partition == Record::kNone ? RD_KAFKA_PARTITION_UA : record.partition;
  parts[3].vtype = RD_KAFKA_VTYPE_KEY;
  parts[3].u.mem = {key.has_value() ? const_cast<char*>(key->data()) : nullptr, key.has_value() ? key->size() : 0};
  parts[4].vtype = RD_KAFKA_VTYPE_VALUE;
  parts[4].u.mem = {value.has_value() ? const_cast<char*>(value->data()) : nullptr,
                    value.has_value() ? value->size() : 0};
  parts[5].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
  parts[5].u.i64 = record.timestamp_ms;
  if (record.headers != Record::kNone) {
    for (const auto& header : piece.headers[static_cast<size_t>(record.headers)]) {
      rd_kafka_vu_t& part = parts.emplace_back();
      part.vtype = RD_KAFKA_VTYPE_HEADER;
      part.u.header = {header.name.c_str(), header.value.has_value() ? header.value->data() : nullptr,
                       static_cast<ssize_t>(header.value.has_value() ? header.value->size() : 0)};
    }
  }
  const auto until = context.clock.steady() + kNewPartition;
  while (true) {
    ErrorPtr error(api().produceva(client_->get(), parts.data(), parts.size()));
    if (error == nullptr) return {};
    const rd_kafka_resp_err_t code = api().error_code(error.get());
    // One that was added since: librdkafka hears of it by itself only after minutes.
    if (code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && context.clock.steady() < until) {
      (void)TRY(client_->topic(piece.topic->name, context.stop));
      TRY(await_room(context));
      continue;
    }
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) return error_of_send(code, piece.topic->name);
    TRY(await_room(context));
  }
}

Result<void> Producer::send_offsets(Context& context, GroupOffsets& group, const Positions& upto) {
  std::vector<PartitionOffset> offsets;
  for (const auto& offset : TRY(group.offsets_of(upto))) {
    offsets.push_back({{offset.topic, offset.partition}, offset.next});
  }
  if (offsets.empty()) return {};
  const PartitionList list = partition_list(offsets);
  const std::string serialized = TRY(group.metadata());
  rd_kafka_consumer_group_metadata_t* metadata = nullptr;
  ErrorPtr unread(api().consumer_group_metadata_read(&metadata, serialized.data(), serialized.size()));
  if (unread != nullptr) return bug("the group's metadata cannot be read: {}", api().error_string(unread.get()));
  struct MetadataDeleter {
    void operator()(rd_kafka_consumer_group_metadata_t* held) const { api().consumer_group_metadata_destroy(held); }
  };
  const std::unique_ptr<rd_kafka_consumer_group_metadata_t, MetadataDeleter> owned(metadata);
  const auto deadline = *began_ + shape_.transaction_timeout;
  while (true) {
    ErrorPtr error(api().send_offsets_to_transaction(client_->get(), list.get(), owned.get(), kStepMs * 5));
    if (error == nullptr) return {};
    client_->serve(Millis(0));
    if (context.stop.stop_requested()) return cancelled();
    if (api().error_is_retriable(error.get()) == 0 || context.clock.steady() > deadline) {
      return error_of(*error, "committing the group's offsets in the transaction");
    }
  }
}

Result<void> Producer::commit(Context& context) {
  CHECK(began_.has_value());
  // The coordinator gives an open transaction up by then; a little later nobody can commit it any more.
  const auto deadline = *began_ + shape_.transaction_timeout + Millis(5'000);
  while (true) {
    ErrorPtr error(api().commit_transaction(client_->get(), kStepMs));
    if (error == nullptr) {
      began_.reset();
      ++transactions_committed_;
      return {};
    }
    client_->serve(Millis(0));
    const bool undo = api().error_txn_requires_abort(error.get()) != 0;
    const bool again = api().error_is_retriable(error.get()) != 0 && !undo;
    if (again && !context.stop.stop_requested() && context.clock.steady() < deadline) continue;
    if (undo) {
      Error why = error_of(*error, "committing the transaction");
      // Aborted: it certainly did not happen. Else somebody has to look.
      auto aborted = abort(context);
      if (!aborted.ok() && !fenced_ && why.fault == Fault::transient) why.fault = Fault::outcome_unknown;
      return why;
    }
    began_.reset();
    if (again) {
      return make_error(Fault::outcome_unknown, "{}: no answer to the commit of a transaction ({})", client_->where(),
                        api().error_string(error.get()));
    }
    Error why = error_of(*error, "committing the transaction");
    if (!fenced_ && why.fault == Fault::transient) why.fault = Fault::outcome_unknown;
    return why;
  }
}

Result<void> Producer::abort(Context& context) {
  if (!began_.has_value()) return {};
  began_.reset();
  const auto deadline = context.clock.steady() + kAbortPatience;
  while (true) {
    ErrorPtr error(api().abort_transaction(client_->get(), kStepMs));
    client_->serve(Millis(0));
    if (error == nullptr) return {};
    if (api().error_is_retriable(error.get()) == 0) return error_of(*error, "aborting a transaction");
    if (context.clock.steady() > deadline) return error_of(*error, "aborting a transaction");
    if (context.stop.stop_requested()) return cancelled();
  }
}

}  // namespace sluice::kafka
