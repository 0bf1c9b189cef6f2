// How Arrow's types are stored in SQLite, losslessly or not at all:
//   integers, booleans → INTEGER     floating point → REAL     binary → BLOB
//   text, decimals (exact), dates, times, timestamps (ISO 8601), nested values (JSON) → TEXT
// What SQLite cannot hold is an error by type (durations, intervals, unions) or by value: an unsigned integer above
// 2^63-1, NaN (SQLite would make it NULL), a time no calendar reaches.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <arrow/type_fwd.h>

#include "base/result.h"
#include "sqlite/database.h"

namespace sluice::sqlite {

enum class Storage { integer, real, text, blob };
std::string_view declared_type(Storage storage);  // "INTEGER"

// Fault::user naming the column and its type.
Result<Storage> storage_of(const arrow::Field& field);

// One column of one batch, ready to be bound row by row. Keeps the text it bound until the next row.
class Cells {
 public:
  static std::unique_ptr<Cells> of(std::shared_ptr<arrow::Array> column);
  virtual ~Cells() = default;
  virtual void bind(int64_t row, Statement& statement, int parameter) = 0;
  // Why the value of this row cannot be stored. Cheap or constant for types whose values all can.
  [[nodiscard]] virtual std::optional<std::string> problem(int64_t row) const = 0;
  [[nodiscard]] virtual bool may_have_problems() const = 0;
};

}  // namespace sluice::sqlite
