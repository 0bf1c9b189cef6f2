#include "flow/first_rows.h"

#include "flow/placed.h"
#include "port/first_rows.h"

namespace sluice {
namespace {

constexpr Millis kLook{500};
constexpr Millis kAttention{50};
// The first row is seldom alone, and the more there are the better is known what they are like.
constexpr Millis kGather{1'000};

// False when there is a request to stop before `time` is over.
bool wait(Context& context, Millis time, const std::atomic<bool>& draining) {
  const auto until = context.clock.steady() + time;
  while (!draining && context.clock.steady() < until) {
    if (!context.clock.sleep(kAttention, context.stop)) return false;
  }
  return !draining;
}

}  // namespace

Result<bool> await_first_rows(Context& context, PipelinePlan& plan, const std::atomic<bool>& draining) {
  if (plan.kind != PipelineKind::stream || plan.source.connector.empty()) return true;
  auto source = TRY(placed(context.registry.create_source(plan.source.request), plan.source));
  auto* awaits = dynamic_cast<AwaitsFirstRows*>(source.get());
  if (awaits == nullptr) return true;
  bool waited = false;
  while (!TRY(placed(awaits->has_first_rows(context), plan.source))) {
    if (!std::exchange(waited, true)) {
      context.log.warn("there is nothing to tell the schema from yet: waiting for the first messages",
                       {{"source", plan.source.text}});
    }
    if (!wait(context, kLook, draining)) return false;
  }
  plan.source.request.waited = waited;
  return !waited || wait(context, kGather, draining);
}

}  // namespace sluice
