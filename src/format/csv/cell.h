// Values as CSV text, one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <arrow/type_fwd.h>

#include "base/result.h"

namespace sluice::csv {

// The values of one array. It must outlive this.
class Cells {
 public:
  virtual ~Cells() = default;
  // The value of a row that is not null; it may lie in `scratch`, which is overwritten.
  virtual std::string_view text(int64_t row, std::string* scratch) const = 0;
};

// Fault::user for types without a text form (intervals, unions). `name` is the column's.
Result<std::unique_ptr<Cells>> create_cells(std::string_view name, const arrow::Array& array);

// The same for lists, structs and maps: JSON, dates and the like in it as strings.
Result<std::unique_ptr<Cells>> create_json_cells(std::string_view name, const arrow::Array& array);

}  // namespace sluice::csv
