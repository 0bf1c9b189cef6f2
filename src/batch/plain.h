// What decoders over Arrow's own readers share: the types the rest of Sluice works with, projection, and batches of a
// bounded size out of whatever sizes a file holds.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "batch/schema.h"

namespace sluice {

// `type` without large, view, dictionary, half-float, small-decimal, extension and date64 types, also inside nested
// ones. conform() casts to it.
TypePtr plain_type(const TypePtr& type);
// The same for every column, without metadata.
SchemaPtr plain_schema(const arrow::Schema& schema);

// `schema` with only the columns and struct fields that `columns` names, in the schema's order. A path is that of
// ReadRequest::columns: {"user", "city"}.
Result<SchemaPtr> project(const SchemaPtr& schema, const std::vector<std::vector<std::string>>& columns);

// `natural` with only the columns and struct fields whose names `wanted` has, with the types that `natural` gives them.
SchemaPtr narrowed(const arrow::Schema& natural, const arrow::Schema& wanted);

// The type of the field of that name, or null.
const arrow::DataType* type_named(const arrow::FieldVector& fields, std::string_view name);
// Whether `fields` has one, at the top or inside of a struct, that `others` lacks.
bool names_more(const arrow::FieldVector& fields, const arrow::FieldVector& others);

// By name is how columns are asked for, so a name has to mean one of them: an error that begins with `where`.
Result<void> refuse_double_names(std::string_view where, const arrow::Schema& schema);

// Joins small batches and cuts large ones. Usage: while room(), feed(); take() once full.
class BatchAssembler {
 public:
  BatchAssembler(int64_t rows_max, int64_t bytes_max) : rows_max_(rows_max), bytes_max_(bytes_max) {}

  // Whether everything fed is in the batch. Until then refill() goes on, and feed() may not be called.
  [[nodiscard]] bool drained() const { return rest_ == nullptr; }
  [[nodiscard]] bool full() const { return full_; }
  // Takes as many of the rows as fit; returns their number, 0 when the batch is full already.
  Result<int64_t> feed(BatchPtr rows);
  Result<int64_t> refill();
  // Null when there are none.
  Result<BatchPtr> take();
  // Forgets rows that were fed and are not in the batch.
  void forget_rest() { rest_ = nullptr; }
  // How many rows of the kind seen last make a batch; `unmeasured` before any was seen.
  [[nodiscard]] int64_t rows_wanted(int64_t unmeasured) const;

 private:
  const int64_t rows_max_;
  const int64_t bytes_max_;
  double row_bytes_ = 0;  // in memory, of the batch fed last
  BatchPtr rest_;
  std::vector<BatchPtr> ready_;
  int64_t ready_rows_ = 0;
  int64_t ready_bytes_ = 0;
  bool full_ = false;
};

}  // namespace sluice
