#include "connector/kafka/cluster_view.h"

#include <regex.h>

#include <algorithm>

#include "connector/kafka/group_member.h"

namespace sluice::kafka {
namespace {

constexpr Millis kAttempt{200};
constexpr int64_t kSampleQueueBytes = 4 << 20;

class Pattern {
 public:
  explicit Pattern(const std::string& text) {
    const std::string whole = "^(" + text + ")$";
    CHECK(regcomp(&compiled_, whole.c_str(), REG_EXTENDED | REG_NOSUB) == 0);  // the settings have tried it
  }
  ~Pattern() { regfree(&compiled_); }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;
  [[nodiscard]] bool matches(const std::string& text) const {
    return regexec(&compiled_, text.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  regex_t compiled_{};
};

void add_partitions(const Topic& topic, std::vector<TopicPartition>& out) {
  for (int i = 0; i < topic.partitions; ++i) out.push_back({topic.name, i});
}

}  // namespace

Result<void> check_offset(const SourceSettings& settings, const TopicPartition& partition, int64_t offset,
                          const Watermarks& marks) {
  if (offset >= marks.low && offset <= marks.high) return {};
  const std::string place =
      fmt::format("{}: topic '{}', partition {}", settings.cluster.where, partition.topic, partition.partition);
  if (offset < marks.low) {
    return refused(
        "{}: offset {} is not there any more, the oldest is {}: the topic's retention removed {} messages before they "
        "were read; 'sluice reset {} --to earliest' goes on with what is there",
        place, offset, marks.low, marks.low - offset, settings.pipeline);
  }
  return refused(
      "{}: offset {} is behind the end, {}: the topic was deleted and made anew, or lost messages; 'sluice reset {} "
      "--to "
      "earliest' reads what is there",
      place, offset, marks.high, settings.pipeline);
}

Result<Client*> ClusterView::client(Context& context) {
  if (client_ != nullptr && client_->broken()) client_.reset();
  if (client_ == nullptr) {
    TRY(load());
    Properties own = consumer_properties(kSampleQueueBytes);
    own.push_back({"group.id", Secret(settings_.group)});
    client_ = TRY(Client::open(RD_KAFKA_CONSUMER, settings_.cluster, own, context.log));
  }
  return client_.get();
}

Error ClusterView::missing(const std::string& topic, const std::vector<Topic>& there) const {
  std::vector<std::string_view> names;
  for (const auto& one : there) names.push_back(one.name);
  const auto near = nearest(topic, names);
  const std::string hint = near.empty() ? "create it or correct the name" : fmt::format("did you mean '{}'?", near);
  return user_error("{}: topic '{}' does not exist; {}", settings_.cluster.where, topic, hint);
}

Result<std::vector<TopicPartition>> ClusterView::partitions(Context& context) {
  auto* asked = TRY(client(context));
  const auto there = TRY(asked->topics(context.stop));
  std::vector<TopicPartition> out;
  for (const auto& name : settings_.topics) {
    auto found = std::find_if(there.begin(), there.end(), [&](const Topic& topic) { return topic.name == name; });
    if (found != there.end() && found->error) return *found->error;
    if (found != there.end()) {
      add_partitions(*found, out);
      continue;
    }
    // Without the right to describe it a topic is left out of the list; asked for by name the brokers say so.
    auto topic = asked->topic(name, context.stop);
    if (!topic.ok()) return topic.error().fault == Fault::user ? missing(name, there) : std::move(topic).error();
    add_partitions(topic.value(), out);
  }
  if (settings_.pattern.empty()) return out;
  const Pattern pattern(settings_.pattern);
  for (const auto& topic : there) {
    if (!pattern.matches(topic.name)) continue;
    if (topic.error) return *topic.error;
    add_partitions(topic, out);
  }
  return out;
}

Result<std::vector<Watermarks>> ClusterView::watermarks(Context& context, std::span<const TopicPartition> partitions) {
  return TRY(client(context))->watermarks(partitions, context.stop);
}

Result<std::vector<int64_t>> ClusterView::beginnings(Context& context, std::span<const TopicPartition> partitions,
                                                     std::span<const Watermarks> marks, const Beginning& beginning) {
  if (beginning.kind == Beginning::Kind::time) {
    return TRY(client(context))->offsets_at(partitions, beginning.time_ms, context.stop);
  }
  std::vector<int64_t> out;
  for (const auto& mark : marks) out.push_back(beginning.kind == Beginning::Kind::earliest ? mark.low : mark.high);
  return out;
}

Result<std::vector<std::optional<int64_t>>> ClusterView::committed(Context& context,
                                                                   std::span<const TopicPartition> partitions) {
  const auto found = TRY(TRY(client(context))->committed(partitions, context.stop));
  std::vector<std::optional<int64_t>> out;
  for (const auto& one : found) {
    out.push_back(one ? std::optional(one->offset) : std::nullopt);
    const auto pipeline = one ? pipeline_of_commit(one->metadata) : std::string_view();
    if (pipeline.empty() || pipeline == settings_.pipeline) continue;
    return refused("{}: group '{}' belongs to pipeline '{}'; name another with group_id, or 'sluice drop {}' it first",
                   settings_.cluster.where, settings_.group, pipeline, pipeline);
  }
  return out;
}

Result<std::vector<ClusterView::Standing>> ClusterView::standings(Context& context,
                                                                  std::span<const TopicPartition> partitions,
                                                                  const std::map<SplitId, int64_t>& durable) {
  // In this order: what is committed meanwhile would seem to lie behind the end.
  const auto group = TRY(committed(context, partitions));
  const auto marks = TRY(watermarks(context, partitions));
  const bool begun =
      !durable.empty() || std::any_of(group.begin(), group.end(), [](const auto& one) { return one.has_value(); });
  const auto first = TRY(beginnings(context, partitions, marks, begun ? Beginning{} : settings_.beginning));
  std::vector<Standing> out;
  for (size_t i = 0; i < partitions.size(); ++i) {
    const auto ours = durable.find(split_of(partitions[i]));
    Standing one{partitions[i], marks[i], first[i], ours != durable.end() || group[i].has_value(), group[i]};
    if (one.begun) {
      one.next = std::max(ours != durable.end() ? ours->second : 0, group[i].value_or(0));
      TRY(check_offset(settings_, one.partition, one.next, one.marks));
    }
    out.push_back(std::move(one));
  }
  return out;
}

Result<std::map<TopicPartition, ClusterView::First>> ClusterView::firsts(Context& context,
                                                                         std::span<const Standing> standings) {
  constexpr size_t kAtOnce = 32;  // partitions: each is fetched ahead for as long as it is assigned
  std::map<TopicPartition, First> out;
  for (; !standings.empty(); standings = standings.subspan(std::min(kAtOnce, standings.size()))) {
    std::vector<PartitionOffset> from;
    std::vector<int64_t> until;
    for (const auto& one : standings.first(std::min(kAtOnce, standings.size()))) {
      from.push_back({one.partition, one.next});
      until.push_back(one.marks.high);
    }
    TRY(read_some(context, from, until, 1, [&](const rd_kafka_message_t& message) {
      rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
      const int64_t time = api().message_timestamp(&message, &type);
      out[{api().topic_name(message.rkt), message.partition}] = {
          message.offset, type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? std::nullopt : std::optional(time)};
    }));
  }
  return out;
}

Result<std::string> ClusterView::cluster_id(Context& context) { return TRY(client(context))->cluster_id(context.stop); }

Result<void> ClusterView::delete_group(Context& context) {
  return TRY(client(context))->delete_group(settings_.group, context.stop);
}

Result<void> ClusterView::commit(Context& context, std::span<const PartitionOffset> offsets) {
  return commit_offsets(*TRY(client(context)), settings_, offsets, context.stop);
}

// Messages from `from` until `until`, at most `each` of a partition.
Result<void> ClusterView::read_some(Context& context, std::span<const PartitionOffset> from,
                                    std::span<const int64_t> until, int64_t each, const Take& take) {
  Client& reader = *TRY(client(context));
  std::map<TopicPartition, std::pair<int64_t, int64_t>> open;  // → messages wanted, end
  std::vector<PartitionOffset> begins;  // of those alone: elsewhere `from` may lie behind the end
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i].offset >= until[i]) continue;
    open[from[i].partition] = {each, until[i]};
    begins.push_back(from[i]);
  }
  if (open.empty()) return {};
  const auto code = api().assign(reader.get(), partition_list(begins).get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return reader.failure(code, settings_.subject());
  const auto give_up = context.clock.steady() + settings_.cluster.connect_timeout;
  Result<void> outcome;
  while (!open.empty() && outcome.ok()) {
    const Message message(api().consumer_poll(reader.get(), static_cast<int>(kAttempt.count())));
    if (context.stop.stop_requested()) outcome = cancelled();
    if (message == nullptr) {
      if (context.clock.steady() < give_up) continue;
      outcome = reader.failure(RD_KAFKA_RESP_ERR__TIMED_OUT, settings_.subject());
      continue;
    }
    const auto found =
        message->rkt == nullptr ? open.end() : open.find({api().topic_name(message->rkt), message->partition});
    const bool at_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && !at_end) {
      Error error = reader.failure(message->err, settings_.subject());
      if (error.fault != Fault::transient) outcome = std::move(error);
      continue;
    }
    if (found == open.end()) continue;
    auto& [wanted, end] = found->second;
    if (!at_end && message->offset < end) {
      take(*message);
      --wanted;
    }
    if (at_end || wanted == 0 || message->offset + 1 >= end) open.erase(found);
  }
  api().assign(reader.get(), nullptr);
  return outcome;
}

Result<ClusterView::Sample> ClusterView::sample(Context& context, int64_t most) {
  Sample out;
  const auto there = TRY(partitions(context));
  if (there.empty()) return out;
  const auto marks = TRY(watermarks(context, there));
  const int64_t each = std::max<int64_t>(2, most / static_cast<int64_t>(there.size()));
  const int64_t head = each - each / 2;
  std::vector<PartitionOffset> first;
  std::vector<PartitionOffset> last;
  std::vector<int64_t> ends;
  for (size_t i = 0; i < there.size(); ++i) {
    first.push_back({there[i], marks[i].low});
    last.push_back({there[i], std::max(marks[i].low + head, marks[i].high - each / 2)});
    ends.push_back(marks[i].high);
  }
  const auto copy = [](const void* bytes, size_t size) -> std::optional<std::string> {
    if (bytes == nullptr) return std::nullopt;
    return std::string(static_cast<const char*>(bytes), size);
  };
  const auto take = [&](const rd_kafka_message_t& message) {
    out.values.push_back(copy(message.payload, message.len));
    out.keys.push_back(copy(message.key, message.key_len));
  };
  // Old messages and new ones may differ.
  TRY(read_some(context, first, ends, head, take).while_doing("reading a sample of messages"));
  TRY(read_some(context, last, ends, each / 2, take).while_doing("reading a sample of messages"));
  return out;
}

}  // namespace sluice::kafka
