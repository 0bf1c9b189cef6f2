// The columns a decoder fills: the tree of nodes the parsers append to, the Arrow buffers behind it, and the batch
// made of them. Single-threaded.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "format/json/parse.h"
#include "format/json/selection.h"

namespace sluice::json {

inline constexpr int64_t kBatchBytesMax = 1 << 30;  // offsets have 31 bits

struct ColumnsOptions {
  SchemaPtr schema;               // everything a record may hold (decoded_schema)
  SchemaPtr planned;              // what comes out: parts of it
  std::vector<Predicate> filter;  // those that are evaluated here (see plan_filter)
  bool refuse_unknown = true;
  int64_t batch_rows = 64 * 1024;
};

class Columns {
 public:
  explicit Columns(const ColumnsOptions& options);
  Columns(const Columns&) = delete;
  Columns& operator=(const Columns&) = delete;

  Column& root() { return *root_; }
  [[nodiscard]] int64_t rows() const { return root_->length; }
  [[nodiscard]] int64_t bytes() const;  // of values, text and offsets appended
  // "user.city"; for messages.
  [[nodiscard]] const std::string& path(const Column& column) const { return paths_[static_cast<size_t>(column.id)]; }
  // The rows as a batch of the planned schema; the columns are empty afterwards. Null when there are none.
  BatchPtr take();

 private:
  friend void grow_values(Column&, int64_t);
  friend void grow_text(Column&, int64_t);
  struct Buffers {
    std::shared_ptr<arrow::ResizableBuffer> values, offsets, validity;
    int64_t values_hint = 0;  // capacity to begin the next batch with
    int64_t bytes_hint = 0;
  };

  Column* add(const std::string& name, const arrow::DataType* type, const Selection& wanted, const Column* parent);
  void add_record(Column& column, const arrow::FieldVector& fields, const Selection& wanted);
  void add_tests(const std::vector<Predicate>& filter);
  void grow(Column& column, int64_t capacity);
  void clear(Column& column);
  std::shared_ptr<arrow::ArrayData> assemble(Column& column, const std::shared_ptr<arrow::DataType>& type);

  SchemaPtr schema_;
  SchemaPtr planned_;
  int64_t batch_rows_;
  std::deque<Column> columns_;
  std::vector<std::string> paths_;
  std::vector<Buffers> buffers_;
  std::deque<std::string> names_;
  std::deque<std::vector<Column*>> lists_;
  std::deque<std::vector<int32_t>> tables_;
  std::deque<Test> tests_;
  std::deque<std::vector<Literal>> literals_;
  Column* root_ = nullptr;
};

// Which predicates a decoder evaluates exactly: comparisons of numbers, strings, booleans, dates and timestamps with
// literals of the same kind, and tests for null, on columns outside of lists.
std::vector<bool> plan_filter(const arrow::Schema& decoded, const std::vector<Predicate>& filter);
// The literal in the units of a column of that type; false when the comparison is not supported.
bool make_literal(const arrow::DataType& type, const arrow::Scalar& scalar, Literal* literal,
                  std::deque<std::string>* texts);

}  // namespace sluice::json
