// Arrow IPC, both ways: files (.arrow, .feather) and streams (.arrows).
#pragma once

#include "port/format.h"

namespace sluice {

FormatDescriptor arrow_format();

}  // namespace sluice
