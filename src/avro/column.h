// What a reader fills.
#pragma once

#include "batch/raw_column.h"

namespace sluice::avro {

using Column = RawColumn;

}  // namespace sluice::avro
