#include "connector/kafka/topic_source.h"

#include <algorithm>
#include <charconv>

namespace sluice::kafka {
namespace {

std::vector<Payload> payloads_of(const std::vector<std::optional<std::string>>& texts) {
  std::vector<Payload> out;
  out.reserve(texts.size());
  for (const auto& text : texts) out.push_back(text ? Payload(*text) : std::nullopt);
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

Result<SchemaPtr> TopicSource::fetch_schema(Context& context) {
  if (format_.schema() != nullptr) return format_.schema();
  const OptionValues& options = settings_.value.options;
  const bool has_columns = declares(*settings_.value.descriptor, "columns");
  const bool declared = has_columns && options.is_given("columns") && settings_.key.descriptor == nullptr;
  ClusterView::Sample sample;
  if (declared) {
    (void)TRY(view_.partitions(context));  // a topic that is missing is noticed now
  } else {
    sample = TRY(view_.sample(context, settings_.sample_messages));
  }
  return format_.describe(context, payloads_of(sample.values), payloads_of(sample.keys));
}

Result<SchemaPtr> TopicSource::adopt_schema(Context& context, const SchemaChange& change) {
  (void)TRY(fetch_schema(context));
  return format_.adopt(change.after, change.before != nullptr);
}

Result<Source::Planned> TopicSource::plan(Context& context, const ReadRequest& request) {
  (void)TRY(fetch_schema(context));
  request_ = request;
  return format_.plan(request);
}

Result<void> TopicSource::drop(Context& context) { return view_.delete_group(context); }

int64_t TopicSource::queue_bytes(const Context& context, size_t share) {
  // Around small messages librdkafka holds about twice as much again, and a fetch overshoots by megabytes.
  constexpr int64_t kMost = 16 << 20;
  constexpr int64_t kLeast = 1 << 20;
  const int64_t all = context.memory.limit() / 16;
  return std::clamp(all / static_cast<int64_t>(std::max<size_t>(share, 1)), kLeast, kMost);
}

Result<void> TopicSource::count_partitions(Context& context) {
  if (!settings_.debezium || !settings_.pattern.empty()) return {};
  one_partition_ = TRY(view_.partitions(context)).size() == 1;
  return {};
}

Result<std::map<SplitId, int64_t>> TopicSource::offsets_in(const Positions& positions) {
  std::map<SplitId, int64_t> out;
  for (const auto& [split, position] : positions) {
    (void)TRY(partition_of(split));
    out[split] = TRY(offset_of(split, position));
  }
  return out;
}

Result<std::vector<PartitionOffset>> TopicSource::resolve(Context& context, const std::string& text) {
  const auto partitions = TRY(view_.partitions(context));
  std::vector<PartitionOffset> out;
  if (text.find('@') == std::string::npos) {
    const auto beginning = TRY(parse_beginning(text));
    const auto marks = TRY(view_.watermarks(context, partitions));
    const auto offsets = TRY(view_.beginnings(context, partitions, marks, beginning));
    for (size_t i = 0; i < partitions.size(); ++i) out.push_back({partitions[i], offsets[i]});
    return out;
  }
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto one = trimmed(rest.substr(0, rest.find(',')));
    rest.remove_prefix(
        std::min(rest.size(), rest.find(',') == std::string_view::npos ? rest.size() : rest.find(',') + 1));
    const auto [partition, offset] = TRY(message_of(one));
    if (std::find(partitions.begin(), partitions.end(), partition) == partitions.end()) {
      return user_error("{}: there is no partition '{}'", settings_.cluster.where, split_of(partition));
    }
    TRY(check_offset(settings_, partition, offset, TRY(view_.watermarks(context, std::span(&partition, 1))).front()));
    out.push_back({partition, offset});
  }
  return out;
}

Result<Positions> TopicSource::resolve_position(Context& context, const std::string& text) {
  const auto offsets = TRY(resolve(context, text));
  std::vector<TopicPartition> partitions;
  Positions positions;
  for (const auto& [partition, offset] : offsets) {
    partitions.push_back(partition);
    positions[split_of(partition)] = position_of(offset);
  }
  const auto committed = TRY(view_.committed(context, partitions));
  const bool group = std::any_of(committed.begin(), committed.end(), [](const auto& one) { return one.has_value(); });
  if (group) {
    TRY(view_.commit(context, offsets)
            .while_doing("moving the group's offsets, for which none of its members may be running"));
  }
  return positions;
}

}  // namespace sluice::kafka
