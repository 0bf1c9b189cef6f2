// One partition as the source knows it: its name as a split, its queue, how far it was read.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "kafka/client.h"
#include "port/position.h"
#include "port/source.h"

namespace sluice::kafka {

// "orders/3"
SplitId split_of(const TopicPartition& partition);
Result<TopicPartition> partition_of(const SplitId& split);

// The token of a position is the next offset, in digits.
Position position_of(int64_t next_offset);
Result<int64_t> offset_of(const SplitId& split, const Position& position);

// "orders/3@1207": a message.
Result<PartitionOffset> message_of(std::string_view text);

// A partition that is read. Shared between the member that has it assigned and its reader, which the member outlives.
struct Partition {
  Partition(Client& client, TopicPartition partition);

  const TopicPartition name;
  const SplitId split;
  Queue queue;                // its messages, apart from the client's other events
  std::atomic<int64_t> next;  // what follows the last message a reader has taken; kLost: its queue is behind that
  static constexpr int64_t kLost = -1;
  int64_t began = 0;               // where reading began when it was given to us
  bool beginning_to_tell = false;  // it is not a durable position yet
};

}  // namespace sluice::kafka
