// Types as tests write them.
#pragma once

#include <string_view>

#include <arrow/type.h>
#include <gtest/gtest.h>

#include "batch/schema.h"

namespace sluice {

inline TypePtr type(std::string_view text) {
  auto result = parse_type(text);
  if (result.ok()) return std::move(result).value();
  ADD_FAILURE() << text << ": " << result.error().what;
  return arrow::null();
}
inline SchemaPtr columns(std::string_view text) {
  auto result = parse_columns(text);
  if (result.ok()) return std::move(result).value();
  ADD_FAILURE() << text << ": " << result.error().what;
  return arrow::schema({});
}

}  // namespace sluice
