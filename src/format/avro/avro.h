// Apache Avro's object container files, both ways, by the codec of src/avro.
#pragma once

#include "port/format.h"

namespace sluice {

FormatDescriptor avro_format();

}  // namespace sluice
