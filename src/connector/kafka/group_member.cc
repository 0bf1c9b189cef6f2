#include "connector/kafka/group_member.h"

#include <algorithm>
#include <cstring>

namespace sluice::kafka {
namespace {

// What stands beside the offsets we commit, before the pipeline's name.
constexpr std::string_view kMark = "sluice ";
// The session ends this long after a process has died: then its partitions go to others.
constexpr const char* kSessionMs = "10000";
// A member hears by its next heartbeat that others came or went; until then partitions are without a reader.
constexpr const char* kHeartbeatMs = "500";
// How long a queue that was full is left alone; where librdkafka does not have it, see PartitionReader::wake_fetcher().
constexpr const char* kQueueBackoff = "fetch.queue.backoff.ms";
constexpr const char* kQueueBackoffMs = "5";
constexpr Millis kFirstAssignment{2000};
// A broker answers one fetch at a time: while it waits for messages of partitions that have none, it gives none of one
// whose queue was full when it was asked. With the usual 500 ms a partition that lagged alone gave 75,000 messages a
// second.
constexpr const char* kFetchWaitMs = "50";
// How long a broker that is down is left alone, at most.
constexpr const char* kReconnectMs = "2000";
// How soon new partitions, and new topics of a pattern, are noticed.
constexpr const char* kRefreshMs = "10000";

struct EventDeleter {
  void operator()(rd_kafka_event_t* event) const { api().event_destroy(event); }
};
struct GroupMetadataDeleter {
  void operator()(rd_kafka_consumer_group_metadata_t* metadata) const {
    api().consumer_group_metadata_destroy(metadata);
  }
};

std::vector<TopicPartition> names_of(const rd_kafka_topic_partition_list_t& list) {
  std::vector<TopicPartition> out;
  for (int i = 0; i < list.cnt; ++i) out.push_back({list.elems[i].topic, list.elems[i].partition});
  return out;
}

PartitionList list_of(std::span<const TopicPartition> partitions) {
  std::vector<PartitionOffset> offsets;
  for (const auto& partition : partitions) offsets.push_back({partition, RD_KAFKA_OFFSET_INVALID});
  return partition_list(offsets);
}

// No topic matches yet: librdkafka names the pattern then, and no topic has a ^ in its name.
bool is_about_pattern(const rd_kafka_message_t& message) {
  return message.payload != nullptr && strchr(static_cast<const char*>(message.payload), '^') != nullptr;
}

// What the user said with rdkafka.… stays.
void set_unless_given(const Cluster& cluster, const char* name, const char* value, Properties& own) {
  const bool given = std::any_of(cluster.properties.begin(), cluster.properties.end(),
                                 [&](const Property& property) { return property.name == name; });
  if (!given) own.push_back({name, Secret(value)});
}

}  // namespace

bool queues_refill_at_once() { return has_property(kQueueBackoff); }

Properties consumer_properties(int64_t queue_bytes) {
  Properties own;
  const auto set = [&](const char* name, std::string value) { own.push_back({name, Secret(std::move(value))}); };
  set("enable.auto.commit", "false");
  set("enable.auto.offset.store", "false");
  set("auto.offset.reset", "error");
  set("isolation.level", "read_committed");
  set("enable.partition.eof", "true");
  set("allow.auto.create.topics", "false");
  if (has_property(kQueueBackoff)) set(kQueueBackoff, kQueueBackoffMs);
  set("queued.max.messages.kbytes", std::to_string(std::max<int64_t>(queue_bytes >> 10, 64)));
  return own;
}

Result<std::unique_ptr<GroupMember>> GroupMember::join(Context& context, const SourceSettings& settings,
                                                       int64_t queue_bytes) {
  TRY(load());
  std::unique_ptr<GroupMember> member(new GroupMember(settings));
  Properties own = consumer_properties(queue_bytes);
  own.push_back({"group.id", Secret(settings.group)});
  own.push_back({"partition.assignment.strategy", Secret(settings.assignor)});
  if (!settings.instance.empty()) own.push_back({"group.instance.id", Secret(settings.instance)});
  if (!settings.pattern.empty() && !settings.pattern.starts_with("__"))
    own.push_back({"topic.blacklist", Secret("^__.*")});
  set_unless_given(settings.cluster, "session.timeout.ms", kSessionMs, own);
  set_unless_given(settings.cluster, "heartbeat.interval.ms", kHeartbeatMs, own);
  set_unless_given(settings.cluster, "fetch.wait.max.ms", kFetchWaitMs, own);
  set_unless_given(settings.cluster, "reconnect.backoff.max.ms", kReconnectMs, own);
  set_unless_given(settings.cluster, "topic.metadata.refresh.interval.ms", kRefreshMs, own);
  Client::Callbacks callbacks;
  callbacks.on_rebalance = [raw = member.get()](rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* list) {
    raw->on_rebalance(code, *list);
  };
  member->client_ = TRY(Client::open(RD_KAFKA_CONSUMER, settings.cluster, own, context.log, std::move(callbacks)));
  api().poll_set_consumer(member->client_->get());
  member->client_->polled_as_consumer();
  TRY(member->subscribe());
  return member;
}

GroupMember::~GroupMember() {
  if (client_ == nullptr) return;
  if (!may_be_destroyed()) {
    api().set_log_level(client_->get(), 0);
    (void)client_.release();
    return;
  }
  std::optional<Change> owed;
  {
    std::lock_guard lock(mutex_);
    leaving_ = true;
    owed = std::exchange(owed_, std::nullopt);
  }
  // rd_kafka_consumer_close() of 2.0.2 waits for ever while a rebalance is unanswered and nothing is assigned.
  if (owed.has_value()) {
    auto answered = owed->kind == Change::Kind::given ? assign({}) : let_go(owed->partitions);
    if (!answered.ok()) client_->log().debug("a rebalance was not answered", {{"error", answered.error().what}});
  }
  auto left = client_->leave_group();
  if (!left.ok()) client_->log().debug("the group was not left", {{"error", left.error().what}});
}

// librdkafka before 2.3 aborts the process when a cooperative consumer is destroyed before its first assignment has
// come (confluentinc/librdkafka#4312). It comes soon; else the client is left alone: the process is about to end.
bool GroupMember::may_be_destroyed() {
  constexpr int kCorrect = 0x020300ff;
  if (given_ || api().version() >= kCorrect || settings_.assignor != "cooperative-sticky") return true;
  const auto until = system_clock().steady() + kFirstAssignment;
  while (!given_ && system_clock().steady() < until) {
    if (!poll(Client::kAttempt / 4).ok()) break;
  }
  return given_;
}

Result<void> GroupMember::subscribe() {
  std::vector<TopicPartition> topics;
  for (const auto& topic : settings_.topics) topics.push_back({topic, RD_KAFKA_PARTITION_UA});
  if (!settings_.pattern.empty()) topics.push_back({"^(" + settings_.pattern + ")$", RD_KAFKA_PARTITION_UA});
  const auto code = api().subscribe(client_->get(), list_of(topics).get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return client_->failure(code, settings_.subject());
  return {};
}

bool GroupMember::is_cooperative() const {
  const char* protocol = api().rebalance_protocol(client_->get());
  return protocol != nullptr && std::string_view(protocol) == "COOPERATIVE";
}

// Runs inside poll(). What is taken in an orderly way is let go of when flow is through with it; librdkafka waits.
void GroupMember::on_rebalance(rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t& partitions) {
  given_ = given_ || code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
  client_->has_answer();
  Change change{Change::Kind::given, names_of(partitions)};
  std::unique_lock lock(mutex_);
  if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !leaving_) {
    owed_ = change;
    changes_.push_back(std::move(change));
    return;
  }
  const bool orderly =
      code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS && !leaving_ && api().assignment_lost(client_->get()) == 0;
  if (orderly) {
    change.kind = Change::Kind::taken;
    owed_ = change;
    changes_.push_back(std::move(change));
    return;
  }
  change.kind = Change::Kind::lost;
  change.loss = ++losses_;
  owed_.reset();
  std::erase_if(changes_, [](const Change& earlier) { return earlier.kind != Change::Kind::lost; });  // they are void
  changes_.push_back(std::move(change));
  lock.unlock();
  if (is_cooperative() && code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    if (auto* error = api().incremental_unassign(client_->get(), &partitions); error != nullptr) {
      api().error_destroy(error);
    }
  } else {
    api().assign(client_->get(), nullptr);
  }
}

Error GroupMember::error_of_message(const rd_kafka_message_t& message) const {
  // Topics are named in what librdkafka says.
  const char* detail = message.payload == nullptr ? "" : static_cast<const char*>(message.payload);
  const bool of_group = message.err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
                        message.err == RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL;
  return client_->failure(message.err, of_group ? fmt::format("group '{}'", settings_.group) : settings_.subject(),
                          detail);
}

Result<void> GroupMember::poll(Millis time, bool only_if_free) {
  std::unique_lock lock(polling_, std::defer_lock);
  if (only_if_free) {
    if (!lock.try_lock()) return {};
  } else {
    lock.lock();
  }
  auto wait = static_cast<int>(time.count());
  while (true) {
    const Message message(api().consumer_poll(client_->get(), wait));
    if (auto error = client_->broken()) return *std::move(error);
    if (message == nullptr) return {};
    wait = 0;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      return transient("{}: a message of {} came another way than expected; reading begins anew", client_->where(),
                       settings_.subject());
    }
    if (message->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && is_about_pattern(*message)) continue;
    Error error = error_of_message(*message);
    if (error.fault != Fault::transient) return error;
    client_->log().debug("the group has trouble", {{"error", error.what}});
  }
}

Result<void> GroupMember::each_change(const std::function<Result<bool>(const Change&)>& answer) {
  std::lock_guard polling(polling_);
  while (true) {
    Change change;
    {
      std::lock_guard lock(mutex_);
      if (changes_.empty()) return {};
      change = changes_.front();
    }
    if (!TRY(answer(change))) return {};
    std::lock_guard lock(mutex_);
    changes_.pop_front();
  }
}

Result<void> GroupMember::assign(std::span<const PartitionOffset> partitions) {
  const PartitionList list = partition_list(partitions);
  const Subject subject = group_at(client_->where(), settings_.group);
  if (is_cooperative()) {
    TRY(result_of(ErrorPtr(api().incremental_assign(client_->get(), list.get())), subject));
  } else if (const auto code = api().assign(client_->get(), list.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return error_of(code, subject);
  }
  std::lock_guard lock(mutex_);
  owed_.reset();
  return {};
}

Result<void> GroupMember::let_go(std::span<const TopicPartition> partitions) {
  // Before the answer: the next change may come at once.
  std::optional<Change> owed;
  {
    std::lock_guard lock(mutex_);
    owed = std::exchange(owed_, std::nullopt);
  }
  const Subject subject = group_at(client_->where(), settings_.group);
  auto answered = [&]() -> Result<void> {
    if (is_cooperative()) {
      return result_of(ErrorPtr(api().incremental_unassign(client_->get(), list_of(partitions).get())), subject);
    }
    const auto code = api().assign(client_->get(), nullptr);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? Result<void>() : Result<void>(error_of(code, subject));
  }();
  if (!answered.ok()) {
    std::lock_guard lock(mutex_);
    if (!owed_.has_value()) owed_ = std::move(owed);
  }
  return answered;
}

Result<void> GroupMember::seek(std::span<const PartitionOffset> partitions, const std::stop_token& stop) {
  if (partitions.empty()) return {};
  const auto until = system_clock().steady() + settings_.cluster.connect_timeout;
  while (true) {
    const PartitionList list = partition_list(partitions);
    TRY(result_of(
        ErrorPtr(api().seek_partitions(client_->get(), list.get(), static_cast<int>(Client::kAttempt.count()))),
        {client_->where(), settings_.subject()}));
    const auto* failed =
        std::find_if(list->elems, list->elems + list->cnt, [](const auto& one) { return one.err != 0; });
    if (failed == list->elems + list->cnt) return {};
    if (stop.stop_requested()) return cancelled();
    Error error =
        client_->failure(failed->err, fmt::format("topic '{}', partition {}", failed->topic, failed->partition));
    if (error.fault != Fault::transient || system_clock().steady() >= until) return error;
  }
}

Result<void> GroupMember::commit(std::span<const PartitionOffset> offsets, const std::stop_token& stop) {
  return commit_offsets(*client_, settings_, offsets, stop);
}

Result<void> commit_offsets(Client& client, const SourceSettings& settings, std::span<const PartitionOffset> offsets,
                            const std::stop_token& stop) {
  if (offsets.empty()) return {};
  const PartitionList list = partition_list(offsets);
  const std::string mark = std::string(kMark) + settings.pipeline;
  for (int i = 0; i < list->cnt; ++i) {
    // Freed with the list, by librdkafka's allocator, which is malloc's.
    list->elems[i].metadata = strdup(mark.c_str());
    list->elems[i].metadata_size = mark.size();
  }
  const Subject subject = group_at(client.where(), settings.group);
  const Queue replies(api().queue_new(client.get()));
  const auto code = api().commit_queue(client.get(), list.get(), replies.get(), nullptr, nullptr);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return error_of(code, subject);
  const auto until = system_clock().steady() + settings.cluster.connect_timeout;
  while (true) {
    const std::unique_ptr<rd_kafka_event_t, EventDeleter> event(
        api().queue_poll(replies.get(), static_cast<int>(Client::kAttempt.count())));
    if (event != nullptr) {
      const auto outcome = api().event_error(event.get());
      return outcome == RD_KAFKA_RESP_ERR_NO_ERROR ? Result<void>()
                                                   : Result<void>(client.failure(outcome, subject.what));
    }
    if (stop.stop_requested()) return cancelled();
    if (system_clock().steady() >= until) return client.failure(RD_KAFKA_RESP_ERR__TIMED_OUT, subject.what);
  }
}

std::string_view pipeline_of_commit(std::string_view metadata) {
  return metadata.starts_with(kMark) ? metadata.substr(kMark.size()) : std::string_view();
}

Result<std::string> GroupMember::metadata() {
  const std::unique_ptr<rd_kafka_consumer_group_metadata_t, GroupMetadataDeleter> metadata(
      api().consumer_group_metadata(client_->get()));
  const Subject subject = group_at(client_->where(), settings_.group);
  if (metadata == nullptr) return error_of(RD_KAFKA_RESP_ERR__UNKNOWN_GROUP, subject);
  void* bytes = nullptr;
  size_t size = 0;
  TRY(result_of(ErrorPtr(api().consumer_group_metadata_write(metadata.get(), &bytes, &size)), subject));
  std::string out(static_cast<const char*>(bytes), size);
  api().mem_free(nullptr, bytes);
  return out;
}

}  // namespace sluice::kafka
