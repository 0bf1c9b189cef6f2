// Work on a pipeline that nobody may run meanwhile.
#pragma once

#include <functional>
#include <string>

#include "cli/session.h"

namespace sluice {

// `work` holds the pipeline's lease. Where somebody runs it, nothing is done to it, neither here nor at its ends: they
// fence off whoever writes. `doing` says what for, in one word.
Result<void> while_held(Session& session, const std::string& name, const std::string& doing,
                        const std::function<Result<void>(const Lease&)>& work);

}  // namespace sluice
