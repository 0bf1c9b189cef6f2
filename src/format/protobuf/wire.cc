#include "format/protobuf/wire.h"

#include "format/protobuf/schema.h"

namespace sluice::protobuf {
namespace {

constexpr int kGroupDepthMax = 100;

}  // namespace

const uint8_t* skip_field(uint32_t tag, const uint8_t* at, const uint8_t* end, int depth) {
  uint64_t value = 0;
  switch (static_cast<WireType>(tag & 7)) {
    case WireType::varint:
      return get_varint(at, end, &value);
    case WireType::fixed64:
      return end - at < 8 ? nullptr : at + 8;
    case WireType::fixed32:
      return end - at < 4 ? nullptr : at + 4;
    case WireType::length:
      at = get_varint(at, end, &value);
      return at == nullptr || value > static_cast<uint64_t>(end - at) ? nullptr : at + value;
    case WireType::group_begin:
      while (depth < kGroupDepthMax) {
        at = get_varint(at, end, &value);
        if (at == nullptr || value > 0xffff'ffff) return nullptr;
        if ((value & 7) == static_cast<uint32_t>(WireType::group_end)) return value >> 3 == tag >> 3 ? at : nullptr;
        at = skip_field(static_cast<uint32_t>(value), at, end, depth + 1);
        if (at == nullptr) return nullptr;
      }
      return nullptr;
    default:
      return nullptr;
  }
}

}  // namespace sluice::protobuf
