// Positions: how far a pipeline has durably come in each split of its source.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace sluice {

// One independently readable, ordered part of a source: a file or byte range of one, a Kafka partition, a table chunk.
// Unique within the source and stable across restarts.
using SplitId = std::string;

// Written and understood by the source alone; text (JSON where it has structure), so that `status` can show it and
// `reset --to` can take it. Everything up to it has been delivered, nothing past it has.
struct Position {
  std::string token;
  bool operator==(const Position&) const = default;
};
using Positions = std::map<SplitId, Position>;

using Epoch = uint64_t;       // 1, 2, 3 … within one generation's view of a pipeline; never reused
using Generation = uint64_t;  // fencing token: grows each time somebody takes the pipeline's lease

struct TableId {
  std::string schema;  // empty where the source has none
  std::string name;
  bool operator==(const TableId&) const = default;
  auto operator<=>(const TableId&) const = default;
};

}  // namespace sluice
