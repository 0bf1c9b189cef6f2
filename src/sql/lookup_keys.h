// Join keys as bytes: equal keys of both sides give equal bytes, whatever the width of their types.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "batch/schema.h"

namespace sluice::sql {

// What two types have to share to be compared; none for types a lookup cannot compare.
enum class KeyFamily { none, integer, text, boolean, date, timestamp, decimal, floating };
KeyFamily key_family(const arrow::DataType& type);

// One side's key columns of one batch.
class KeyColumns {
 public:
  // Errors name the type that cannot be a key. `types` are the common types to compare as (see common_key_type).
  static Result<KeyColumns> make(const arrow::ArrayVector& columns, const std::vector<TypePtr>& types);
  // False for a NULL in any column: it equals nothing.
  bool encode(int64_t row, std::string& out) const;
  // The only column is BIGINT (all integers are compared as that): integer() is the shorter way.
  [[nodiscard]] bool is_one_integer() const { return integers_ != nullptr; }
  [[nodiscard]] std::optional<int64_t> integer(int64_t row) const;

 private:
  arrow::ArrayVector columns_;
  const int64_t* integers_ = nullptr;  // values of the only column
};

// The type both sides are cast to, or an error that asks for a CAST.
Result<TypePtr> common_key_type(const arrow::DataType& left, const arrow::DataType& right);

}  // namespace sluice::sql
