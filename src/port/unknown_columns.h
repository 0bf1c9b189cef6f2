// Columns that a file has and the schema, made from a sample of other files, lacks.
#pragma once

#include <string_view>

#include "port/format.h"

namespace sluice {

// An error that names one of `fields`, at the top or inside of another, that nobody knows, where `options` refuse it.
Result<void> refuse_unknown_columns(const DecoderOptions& options, std::string_view file,
                                    const arrow::FieldVector& fields);

}  // namespace sluice
