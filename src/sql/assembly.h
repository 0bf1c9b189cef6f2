// A row-wise SELECT's output put together from columns that pass through untouched and columns DuckDB computes: what a
// SELECT only picks never enters DuckDB.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sql/field_path.h"
#include "sql/select.h"
#include "sql/splice.h"

namespace sluice::sql {

// Immutable once made.
class Assembly {
 public:
  // `full` is the schema of the whole statement as DuckDB binds it: names and their number come from there. Nothing
  // when no column can pass through, or when it is not certain which one is meant.
  static std::optional<Assembly> make(const Select& select, const std::vector<SchemaPtr>& inputs,
                                      const arrow::Schema& full);

  // What DuckDB has to run: the SELECT list reduced to computed items. False: nothing.
  [[nodiscard]] bool needs_query() const { return numbers_rows_ || computed_ > 0; }
  [[nodiscard]] std::vector<Splice> splices(const Select& select) const;
  // With WHERE, row numbers tell which rows are left: input 0 gets this column at its end, and so does the result.
  [[nodiscard]] bool numbers_rows() const { return numbers_rows_; }
  static constexpr std::string_view kRowColumn = "_sluice_row";

  // The output's schema, given that of the reduced statement.
  [[nodiscard]] SchemaPtr schema(const std::vector<SchemaPtr>& inputs, const arrow::Schema* computed) const;
  // `computed` is the reduced statement's result over `inputs`; null when there is none.
  [[nodiscard]] Result<BatchPtr> assemble(const std::vector<BatchPtr>& inputs, const BatchPtr& computed,
                                          const SchemaPtr& schema) const;
  [[nodiscard]] size_t passed_columns() const;

 private:
  struct Column {
    std::string name;
    bool computed = false;
    int index = 0;     // of the reduced result
    size_t input = 0;  // of a column that passes through
    FieldPath path;
  };
  struct ItemText {
    size_t begin = 0;
    size_t end = 0;
  };
  bool add_item(const SelectItem& item, const Select& select, const std::vector<SchemaPtr>& inputs);
  void add_input(size_t input, const std::vector<SchemaPtr>& inputs);
  bool find_texts(const Select& select);

  std::vector<Column> columns_;
  std::vector<ItemText> texts_;  // of the items, in order
  int computed_ = 0;
  bool numbers_rows_ = false;
};

}  // namespace sluice::sql
