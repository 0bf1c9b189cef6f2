#include "flow/guarantee.h"

namespace sluice {

std::string Guarantee::to_string() const {
  switch (level) {
    case Level::exactly_once:
      return "exactly-once";
    case Level::at_least_once:
      return "at-least-once";
    case Level::none:
      return "none";
  }
  return "none";
}

Guarantee derive_guarantee(const SourceTraits& source, const SinkTraits& sink, bool has_dead_letters) {
  Guarantee guarantee;
  if (sink.decision == Decision::none) {
    guarantee.level = Guarantee::Level::none;
    guarantee.reasons.push_back("nothing durable is written");
    return guarantee;
  }
  if (source.replayable) {
    guarantee.reasons.push_back("the source can be read again from any saved position");
  } else {
    guarantee.level = Guarantee::Level::at_least_once;
    guarantee.reasons.push_back(source.not_replayable_because);
  }
  if (sink.at_least_once_because.empty()) {
    guarantee.reasons.push_back(
        sink.decision == Decision::target
            ? "the sink commits rows and positions in one transaction of its own"
            : "the state store decides each epoch, and what was decided is completed after a crash");
  } else {
    guarantee.level = Guarantee::Level::at_least_once;
    guarantee.reasons.push_back(sink.at_least_once_because);
  }
  if (has_dead_letters) guarantee.reasons.push_back("bad rows go to the dead letters in the same epoch");
  return guarantee;
}

}  // namespace sluice
