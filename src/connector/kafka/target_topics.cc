#include "connector/kafka/target_topics.h"

#include <algorithm>
#include <charconv>

namespace sluice::kafka {
namespace {

// The brokers' default for max.message.bytes.
constexpr int64_t kUsualMessageBytes = 1'048'588;
constexpr Millis kPropagation{10'000};

int64_t number_of(std::string_view text, int64_t otherwise) {
  int64_t number = otherwise;
  (void)std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// Of a topic whose limit may not be read (an ACL): what the statement says that messages may have, else what is usual.
int64_t guessed_message_bytes(const Cluster& cluster) {
  for (const auto& property : cluster.properties) {
    if (property.name == "message.max.bytes") return number_of(property.value.reveal(), kUsualMessageBytes);
  }
  return kUsualMessageBytes;
}

}  // namespace

Result<Client*> TargetTopics::client_locked(Context& context) {
  if (client_ == nullptr) client_ = TRY(Client::open(RD_KAFKA_CONSUMER, settings_.cluster, {}, context.log));
  return client_.get();
}

Result<Client*> TargetTopics::client(Context& context) {
  std::lock_guard lock(mutex_);
  return client_locked(context);
}

Result<TopicPtr> TargetTopics::find(Context& context, const std::string& name) {
  std::lock_guard lock(mutex_);
  return find_locked(context, name);
}

Result<TopicPtr> TargetTopics::find_locked(Context& context, const std::string& name) {
  Client* client = TRY(client_locked(context));
  auto found = client->topic(name, context.stop);
  if (!found.ok()) {
    if (found.error().fault == Fault::user) return TopicPtr();
    return std::move(found).error();
  }
  if (found->error.has_value()) return *std::move(found->error);
  auto limit = client->topic_setting(name, "max.message.bytes", context.stop);
  if (!limit.ok() && limit.error().fault != Fault::refused) return std::move(limit).error();
  TargetTopic topic;
  topic.name = name;
  topic.partitions = found->partitions;
  topic.limit_is_known = limit.ok() && limit->has_value();
  topic.message_bytes_max =
      topic.limit_is_known ? number_of(**limit, kUsualMessageBytes) : guessed_message_bytes(settings_.cluster);
  return std::make_shared<const TargetTopic>(std::move(topic));
}

Result<TopicPtr> TargetTopics::create(Context& context, const std::string& name) {
  Client* client = TRY(client_locked(context));
  Client::NewTopic topic;
  topic.name = name;
  topic.partitions = settings_.partitions;
  topic.replication = settings_.replication;
  TRY(client->create_topic(topic, context.stop).while_doing("making the topic that is missing"));
  // Brokers hear of it one after the other.
  const auto until = context.clock.steady() + kPropagation;
  while (true) {
    auto found = TRY(find_locked(context, name));
    if (found != nullptr && found->partitions > 0) {
      context.log.info("made a topic that was missing", {{"topic", name}, {"partitions", found->partitions}});
      return found;
    }
    if (context.clock.steady() > until) {
      return transient("{}: topic '{}' was made and cannot be seen yet", settings_.cluster.where, name);
    }
    if (!context.clock.sleep(Millis(50), context.stop)) return cancelled();
  }
}

Result<TopicPtr> TargetTopics::open(Context& context, const TableId& table) {
  const TableId id = settings_.many_tables() ? table : TableId{};
  std::lock_guard lock(mutex_);
  if (auto known = topics_.find(id); known != topics_.end()) return known->second;
  const std::string name = TRY(settings_.topic_for(id));
  auto topic = TRY(find_locked(context, name));
  if (topic == nullptr && !settings_.create_topic) {
    return user_error("{}: there is no topic '{}'; create it, or leave out create_topic := false",
                      settings_.cluster.where, name);
  }
  if (topic == nullptr) topic = TRY(create(context, name));
  topics_.emplace(id, topic);
  return topic;
}

Result<TopicPtr> TargetTopics::look_again(Context& context, const TableId& table) {
  std::lock_guard lock(mutex_);
  auto& known = topics_.at(settings_.many_tables() ? table : TableId{});
  auto now = TRY(find_locked(context, known->name));
  if (now != nullptr && now->partitions > known->partitions) {
    context.log.info("the topic has more partitions by now", {{"topic", now->name}, {"partitions", now->partitions}});
    known = std::move(now);
  }
  return known;
}

Result<bool> TargetTopics::has_messages(Context& context, const TargetTopic& topic) {
  Client* client = TRY(this->client(context));
  std::vector<TopicPartition> partitions;
  for (int32_t i = 0; i < topic.partitions; ++i) partitions.push_back({topic.name, i});
  const auto marks = TRY(client->watermarks(partitions, context.stop));
  return std::any_of(marks.begin(), marks.end(), [](const Watermarks& mark) { return mark.high > mark.low; });
}

TargetTopics::Limits TargetTopics::limits() const {
  std::lock_guard lock(mutex_);
  Limits limits;
  for (const auto& [table, topic] : topics_) {
    limits.smallest = std::min(limits.smallest, topic->message_bytes_max);
    limits.largest = std::max(limits.largest, topic->message_bytes_max);
  }
  return limits;
}

}  // namespace sluice::kafka
