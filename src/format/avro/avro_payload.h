// The payload format "avro".
#pragma once

#include "port/payload.h"

namespace sluice {

PayloadDescriptor avro_payload();

}  // namespace sluice
