// CRC-32C (Castagnoli), as snappy's framing format wants it. Inside src/codec only.
#pragma once

#include <cstdint>

#include "codec/coder.h"

namespace sluice {

uint32_t crc32c(Bytes data);

}  // namespace sluice
