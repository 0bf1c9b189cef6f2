// A stream may be started before there is anything to read.
#pragma once

#include <atomic>

#include "port/context.h"
#include "port/plan.h"

namespace sluice {

// Before Pipeline::open(), which asks for the schema: where only the first rows will tell it, a stream waits for them.
// The source hears that it did. False: it was asked to stop meanwhile.
Result<bool> await_first_rows(Context& context, PipelinePlan& plan, const std::atomic<bool>& draining);

}  // namespace sluice
