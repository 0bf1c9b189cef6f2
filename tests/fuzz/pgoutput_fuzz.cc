// Messages of the change stream: any bytes are a message or an error, and every row that parses can be walked and
// decoded.
#include <cstdint>
#include <string_view>
#include <vector>

#include <arrow/array.h>
#include <arrow/type.h>

#include "postgres/decode.h"
#include "postgres/pgoutput.h"

namespace {

using namespace sluice::postgres;  // NOLINT

std::vector<std::unique_ptr<ColumnDecoder>> decoders() {
  std::vector<std::unique_ptr<ColumnDecoder>> out;
  for (const auto kind : {Kind::boolean, Kind::int4, Kind::int8, Kind::float8, Kind::numeric, Kind::date, Kind::time,
                          Kind::timestamptz, Kind::interval, Kind::bytea, Kind::text, Kind::jsonb, Kind::uuid}) {
    Type type;
    type.kind = kind;
    out.push_back(create_decoder(type, {}).value());
    if (kind != Kind::int4 && kind != Kind::text) continue;
    Type list;
    list.kind = Kind::array;
    list.element = std::make_shared<Type>(type);
    out.push_back(create_decoder(list, {}).value());
  }
  return out;
}

void decode(pgoutput::Tuple row) {
  static auto all = decoders();
  for (int i = 0; i < row.columns(); ++i) {
    const auto value = row.next();
    auto& decoder = *all[static_cast<size_t>(i) % all.size()];
    if (value.form == 'b') (void)decoder.append_binary(value.bytes);
    if (value.form == 't') (void)decoder.append_text(value.bytes);
    if (value.form == 'n') decoder.append_null();
  }
  for (auto& decoder : all) {
    auto finished = decoder->finish();
    if (!finished.ok()) continue;
    // 24:00:00 is a time in PostgreSQL and none in Arrow's strictest eyes.
    const bool time = finished.value()->type_id() == arrow::Type::TIME64;
    if (!(time ? finished.value()->Validate() : finished.value()->ValidateFull()).ok()) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto parsed = pgoutput::parse(bytes.substr(1), (data[0] & 1) != 0);
  if (!parsed.ok()) return 0;
  if (auto* insert = std::get_if<pgoutput::Insert>(&*parsed)) decode(insert->row);
  if (auto* removed = std::get_if<pgoutput::Delete>(&*parsed)) decode(removed->old);
  if (auto* update = std::get_if<pgoutput::Update>(&*parsed)) {
    if (update->carries != pgoutput::Old::none) decode(update->old);
    decode(update->row);
  }
  return 0;
}
