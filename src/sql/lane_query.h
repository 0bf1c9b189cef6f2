// One lane's prepared statement over the batch at hand.
#pragma once

#include <memory>
#include <vector>

#include "port/event.h"
#include "sql/assembly.h"
#include "sql/input.h"
#include "sql/output.h"
#include "sql/splice.h"

namespace sluice::sql {

// `full` are the schemas before projection, for errors. With `reduced` only what it leaves to DuckDB is run. Input 0 is
// the driving batch; more follow for lookups, aligned with it row by row.
class LaneQuery {
 public:
  static Result<std::unique_ptr<LaneQuery>> make(const std::shared_ptr<Engine>& engine,
                                                 std::shared_ptr<const Select> select,
                                                 const std::vector<SchemaPtr>& inputs,
                                                 const std::vector<SchemaPtr>& full, const Assembly* reduced);
  [[nodiscard]] const SchemaPtr& schema() const { return schema_; }

  // Runs over `batches` (one per input, of equal length). A failed row makes the whole call fail; see `failure`.
  struct Failure {
    Error error;
    bool of_a_row = false;  // a value did not fit: the other rows may do
  };
  Result<BatchPtr> run(const std::vector<BatchPtr>& batches, Failure* failure);
  // A row of the driving input as JSON, for dead letters.
  Result<std::string> row_as_json(BatchPtr row);

 private:
  LaneQuery(std::shared_ptr<const Select> select, std::unique_ptr<Connection> connection)
      : select_(std::move(select)), connection_(std::move(connection)) {}
  Result<BatchPtr> with_row_numbers(const BatchPtr& batch);
  void failed(const char* message, Failure* failure);

  std::shared_ptr<const Select> select_;
  std::unique_ptr<Connection> connection_;
  std::vector<std::unique_ptr<Input>> inputs_;  // before the statements: those are destroyed first
  std::optional<SplicedSelect> spliced_;
  Owned<duckdb_prepared_statement> statement_;
  Owned<duckdb_prepared_statement> json_statement_;
  std::optional<OutputColumns> output_;
  SchemaPtr schema_;
  std::vector<BatchPtr> current_;
  bool numbers_rows_ = false;
  std::shared_ptr<arrow::Array> numbers_;  // 0, 1, 2, … as many as the largest batch had rows
};

// The SELECT with its connector calls replaced by `calls` and, for lookups, its joins made positional.
Result<std::vector<Splice>> splice_row_wise(const Select& select, const std::vector<std::string>& calls,
                                            const std::vector<std::string>& riding_columns, const Assembly* reduced);

}  // namespace sluice::sql
