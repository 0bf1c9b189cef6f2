// The source of a statement without one (SELECT 1): no columns, no splits.
#pragma once

#include <memory>

#include "port/source.h"

namespace sluice {

std::unique_ptr<Source> nothing_source();

}  // namespace sluice
