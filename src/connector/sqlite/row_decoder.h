// SQLite rows → Arrow. SQLite types values, not columns; a column's declared type says what its values should be:
// INTEGER → BIGINT, BOOLEAN → BOOLEAN, REAL and NUMERIC → DOUBLE, TEXT, DATE, DATETIME → VARCHAR, BLOB → BLOB.
// A row with a value of another kind is rejected, never bent.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "batch/schema.h"
#include "connector/sqlite/catalog.h"

namespace sluice::sqlite {

SchemaPtr schema_of(const std::vector<TableColumn>& columns);

class RowDecoder {
 public:
  // The statement's columns from `first_column` on are `columns`.
  RowDecoder(std::vector<TableColumn> columns, int first_column);

  // Appends the current row, or says why it cannot: "column 'price': the text 'abc' is no INTEGER".
  Result<std::optional<std::string>> append(Statement& statement);
  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] int64_t bytes() const { return bytes_; }
  Result<BatchPtr> take();
  // The current row as JSON, for rejects.
  [[nodiscard]] std::string row_text(const Statement& statement) const;

 private:
  [[nodiscard]] std::optional<std::string> problem(const Statement& statement, size_t column) const;
  Result<void> append_value(const Statement& statement, size_t column);

  std::vector<TableColumn> columns_;
  int first_column_;
  SchemaPtr schema_;
  std::vector<std::unique_ptr<arrow::ArrayBuilder>> builders_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace sluice::sqlite
