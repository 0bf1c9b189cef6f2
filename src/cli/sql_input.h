// SQL from files or from -e, planned: what run, check, explain and preview begin with.
#pragma once

#include <vector>

#include "cli/command.h"
#include "cli/session.h"
#include "port/plan.h"

namespace sluice {

Result<std::vector<PipelinePlan>> plan_input(Session& session, const Invocation& invocation);

}  // namespace sluice
