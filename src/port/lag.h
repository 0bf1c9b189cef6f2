// How far a source has gone on beyond what a pipeline has delivered, for `sluice status`.
#pragma once

#include <map>
#include <optional>

#include "port/context.h"
#include "port/position.h"

namespace sluice {

// What is not set cannot be known.
struct Lag {
  std::optional<int64_t> bytes;
  std::optional<int64_t> messages;
  std::optional<Millis> time;         // since the newest moment of which everything is delivered; 0 when nothing waits
  std::map<SplitId, int64_t> splits;  // messages of each
};

// Implemented beside Source by those that can tell. The pipeline may be running elsewhere, or not at all.
class ReportsLag {
 public:
  virtual ~ReportsLag() = default;
  virtual Result<Lag> lag(Context& context, const Positions& durable) = 0;
};

}  // namespace sluice
