// One column of a batch being decoded: fields of text go in, an Arrow array comes out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "batch/schema.h"
#include "format/csv/dialect.h"

namespace sluice::csv {

// The same field of several records.
struct Fields {
  const char* data;        // readable for kScanPadding bytes behind the last field
  const uint32_t* ends;    // as in Window
  const uint32_t* first;   // per record: number of its first end
  const uint32_t* counts;  // per record: how many fields it has; null: all have this one
  uint32_t records;
  uint32_t index;  // of the field in its record
  bool last;       // a carriage return before the line feed is not part of it
};

// A field that is not a value of its column.
struct Failure {
  uint32_t record;
  uint32_t field;
  std::string reason;
};

class Column {
 public:
  virtual ~Column() = default;
  // Appends one value per record. A field that cannot be read becomes NULL and a failure.
  virtual arrow::Status append(const Fields& fields, std::vector<Failure>* failures) = 0;
  virtual arrow::Status append_nulls(int64_t rows) = 0;
  [[nodiscard]] virtual int64_t rows() const = 0;
  [[nodiscard]] virtual int64_t bytes() const = 0;
  // Forgets all rows behind the first `rows`.
  virtual void truncate(int64_t rows) = 0;
  virtual arrow::Result<std::shared_ptr<arrow::Array>> finish() = 0;
};

// Null when the type is not theirs.
std::unique_ptr<Column> create_fixed_column(const TypePtr& type, const Dialect& dialect);
std::unique_ptr<Column> create_text_column(const TypePtr& type, const Dialect& dialect);
// Fault::user for types that CSV text is not read as (lists, structs, maps).
Result<std::unique_ptr<Column>> create_column(const arrow::Field& field, const Dialect& dialect);

// The text of a field: without quotes, escapes resolved. False when its quotes are not as they have to be.
bool unquote(const Dialect& dialect, std::string_view field, std::string* text);

}  // namespace sluice::csv
