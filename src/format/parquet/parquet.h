// Apache Parquet, both ways, over Arrow's reader and writer.
#pragma once

#include "port/format.h"

namespace sluice {

FormatDescriptor parquet_format();

}  // namespace sluice
