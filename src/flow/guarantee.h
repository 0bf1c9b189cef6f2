// The delivery guarantee, computed from traits: what `sluice check` prints and every summary repeats.
#pragma once

#include <string>
#include <vector>

#include "port/plan.h"

namespace sluice {

struct Guarantee {
  enum class Level { exactly_once, at_least_once, none };
  Level level = Level::exactly_once;
  std::vector<std::string> reasons;  // why it is what it is, one sentence each

  [[nodiscard]] std::string to_string() const;  // "exactly-once", "at-least-once: …"
};

Guarantee derive_guarantee(const SourceTraits& source, const SinkTraits& sink, bool has_dead_letters);

}  // namespace sluice
