// Column lists from arbitrary text: what is understood is printed by type_name() and understood again as the same.
#include <cstdint>
#include <string_view>

#include <arrow/type.h>

#include "batch/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto schema = parse_columns(text); schema.ok()) {
    CHECK(unify(schema.value(), schema.value()).ok());
    for (const auto& field : schema.value()->fields()) {
      CHECK(widen(field->type(), field->type()).value()->Equals(*field->type()));
      auto again = parse_type(type_name(*field->type()));
      CHECK(again.ok() && type_name(*again.value()) == type_name(*field->type()));
    }
  } else {
    CHECK(schema.error().fault == Fault::user && schema.error().what.starts_with("position "));
  }
  return 0;
}
