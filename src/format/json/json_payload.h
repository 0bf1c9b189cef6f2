// The payload format "json".
#pragma once

#include "port/payload.h"

namespace sluice {

PayloadDescriptor json_payload();

}  // namespace sluice
