// COPY BINARY: any bytes are rows or an error, and what was taken is a valid batch.
#include <cstdint>
#include <string_view>
#include <vector>

#include <arrow/record_batch.h>

#include "postgres/decode.h"

namespace {

using namespace sluice::postgres;  // NOLINT

std::vector<Column> columns() {
  std::vector<Column> out;
  for (const auto kind : {Kind::int4, Kind::text, Kind::numeric, Kind::timestamp, Kind::array, Kind::interval}) {
    Column column;
    column.name = "c" + std::to_string(out.size());
    column.type.kind = kind;
    if (kind == Kind::array) {
      column.type.element = std::make_shared<Type>();
      column.type.element->kind = Kind::numeric;
      column.type.element->typmod = ((12 << 16) | 2) + 4;
    }
    out.push_back(std::move(column));
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto decoder = CopyDecoder::create(columns(), {});
  if (!decoder.ok()) __builtin_trap();
  // The header, so that most inputs get to rows; then rows in pieces, as libpq hands them out.
  static constexpr std::string_view kHeader("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
  if (size > 0 && (data[0] & 1) == 0 && !decoder->add(kHeader).ok()) __builtin_trap();
  if (!decoder->add(bytes.substr(size > 0 ? 1 : 0)).ok()) return 0;
  auto batch = decoder->take();
  if (batch.ok() && !batch.value()->ValidateFull().ok()) __builtin_trap();
  return 0;
}
