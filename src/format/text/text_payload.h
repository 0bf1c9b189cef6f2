// The payload formats "text" and "raw": a payload's bytes as one column.
#pragma once

#include "port/payload.h"

namespace sluice {

PayloadDescriptor text_payload();
PayloadDescriptor raw_payload();

}  // namespace sluice
