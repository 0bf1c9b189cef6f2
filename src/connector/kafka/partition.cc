#include "connector/kafka/partition.h"

#include <charconv>

namespace sluice::kafka {

SplitId split_of(const TopicPartition& partition) { return fmt::format("{}/{}", partition.topic, partition.partition); }

Result<TopicPartition> partition_of(const SplitId& split) {
  const size_t slash = split.rfind('/');
  TopicPartition out;
  if (slash != std::string::npos) {
    out.topic = split.substr(0, slash);
    const auto [end, failed] = std::from_chars(split.data() + slash + 1, split.data() + split.size(), out.partition);
    if (failed == std::errc() && end == split.data() + split.size() && out.partition >= 0 && slash > 0) return out;
  }
  return user_error("'{}' is no partition; one is written topic/number", split);
}

Position position_of(int64_t next_offset) { return {std::to_string(next_offset)}; }

Result<int64_t> offset_of(const SplitId& split, const Position& position) {
  int64_t offset = 0;
  const std::string& text = position.token;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), offset);
  if (failed == std::errc() && end == text.data() + text.size() && offset >= 0) return offset;
  return user_error("'{}' is no offset of {}", text, split);
}

Result<PartitionOffset> message_of(std::string_view text) {
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos) return user_error("'{}' is written topic/partition@offset", text);
  const SplitId split(text.substr(0, at));
  auto partition = TRY(partition_of(split));
  return PartitionOffset{std::move(partition), TRY(offset_of(split, Position{std::string(text.substr(at + 1))}))};
}

// Messages of a partition go to the client's queue unless that is ended before they are fetched.
Partition::Partition(Client& client, TopicPartition partition)
    : name(std::move(partition)),
      split(split_of(name)),
      queue(api().queue_get_partition(client.get(), name.topic.c_str(), name.partition)),
      next(RD_KAFKA_OFFSET_INVALID) {
  CHECK(queue != nullptr);
  api().queue_forward(queue.get(), nullptr);
}

}  // namespace sluice::kafka
