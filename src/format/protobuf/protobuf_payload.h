// The payload format "protobuf".
#pragma once

#include "port/payload.h"

namespace sluice {

PayloadDescriptor protobuf_payload();

}  // namespace sluice
