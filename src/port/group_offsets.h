// Offsets of a consumer group that a sink on the same cluster commits inside its own transaction (Kafka, KIP-447): rows
// and positions become visible at once, and the group's generation fences a reader that lost its partitions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "port/context.h"
#include "port/position.h"

namespace sluice {

// Owned by the source; thread-safe; lives as long as the source.
class GroupOffsets {
 public:
  struct Offset {
    std::string topic;
    int32_t partition = 0;
    int64_t next = 0;  // the first offset not yet delivered
  };

  virtual ~GroupOffsets() = default;
  virtual Result<std::string> cluster_id(Context& context) = 0;
  [[nodiscard]] virtual std::string group_id() const = 0;
  // After Source::start(). The member's metadata as of now, as rd_kafka_consumer_group_metadata_write() serializes it.
  // Ask anew for each transaction: it changes with every rebalance.
  virtual Result<std::string> metadata() = 0;
  [[nodiscard]] virtual Result<std::vector<Offset>> offsets_of(const Positions& positions) const = 0;
  [[nodiscard]] virtual Result<Positions> positions_of(const std::vector<Offset>& offsets) const = 0;
};

}  // namespace sluice
