// DuckDB's result chunks as Arrow batches.
#pragma once

#include <vector>

#include "sql/engine.h"

namespace sluice::sql {

// The columns of one prepared statement; made once, used for each of its executions, by one thread.
class OutputColumns {
 public:
  // Types without an Arrow counterpart of their own become text (UUID, JSON) or the nearest number (HUGEINT).
  static Result<OutputColumns> make(Connection& connection, duckdb_prepared_statement statement);

  [[nodiscard]] const SchemaPtr& schema() const { return schema_; }
  Result<BatchPtr> convert(duckdb_data_chunk chunk) const;
  // One batch out of several of this schema; an empty one out of none.
  [[nodiscard]] Result<BatchPtr> join(const arrow::RecordBatchVector& batches) const;

 private:
  OutputColumns(Owned<duckdb_arrow_options> options) : options_(std::move(options)) {}

  Owned<duckdb_arrow_options> options_;
  SchemaPtr raw_;     // as DuckDB exports it
  SchemaPtr schema_;  // with dictionaries (ENUM) decoded
};

}  // namespace sluice::sql
