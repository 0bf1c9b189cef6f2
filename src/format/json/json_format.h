// JSON: newline-delimited records, arrays of records, documents one after another, and records inside wrapping
// documents. Reading keeps every value: what does not fit its column is an error (or a reject), never a silent null.
#pragma once

#include "port/format.h"

namespace sluice {

FormatDescriptor json_format();

}  // namespace sluice
