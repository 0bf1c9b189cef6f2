// Apache ORC, both ways, over Arrow's adapter.
#pragma once

#include "port/format.h"

namespace sluice {

FormatDescriptor orc_format();

}  // namespace sluice
