// Column types from sample rows.
#pragma once

#include <string_view>

#include "format/csv/dialect.h"
#include "port/format.h"

namespace sluice::csv {

// What all values of a column seen so far have in common.
class TypeGuess {
 public:
  // One value, unquoted, that is not NULL; empty for an empty text.
  void add(std::string_view value);
  [[nodiscard]] TypePtr type() const;

 private:
  bool any_ = false;
  bool empty_ = false;  // an empty text was there, which is only a value in VARCHAR
  bool integer_ = true;
  bool number_ = true;    // integer or decimal
  bool inexact_ = false;  // an integer that a double cannot hold
  bool boolean_ = true;
  bool date_ = true;
  bool timestamp_ = true;
  bool zoned_ = false;
  bool unzoned_ = false;
  bool nanos_ = false;
};

Result<SchemaPtr> infer_schema(Context& context, const Dialect& dialect, const Input& input);

}  // namespace sluice::csv
