// Types as tests write them.
#pragma once

#include <string_view>

#include "batch/schema.h"

namespace sluice {

inline TypePtr type(std::string_view text) { return parse_type(text).value(); }
inline SchemaPtr columns(std::string_view text) { return parse_columns(text).value(); }

}  // namespace sluice
