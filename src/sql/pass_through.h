// A SELECT of plain columns with simple conditions, run on Arrow arrays without DuckDB.
#pragma once

#include <memory>
#include <vector>

#include "port/pushdown.h"
#include "port/transform.h"
#include "sql/field_path.h"
#include "sql/select.h"

namespace sluice::sql {

// Immutable once made; shared by the lanes.
class PassThrough {
 public:
  // Nothing when this SELECT needs DuckDB for the given schema. `exact` are the predicates the source already applies.
  static std::unique_ptr<PassThrough> make(const SelectInfo& info, const SchemaPtr& input,
                                           const std::vector<Predicate>& exact);

  [[nodiscard]] const SchemaPtr& schema() const { return schema_; }
  [[nodiscard]] Result<BatchPtr> apply(const BatchPtr& input) const;
  [[nodiscard]] const std::vector<Predicate>& filter() const { return filter_; }

 private:
  bool add_item(const SelectItem& item, std::string_view alias, const arrow::Schema& input, arrow::FieldVector& fields);

  SchemaPtr schema_;
  std::vector<FieldPath> outputs_;
  std::vector<Predicate> filter_;
  std::vector<FieldPath> filter_paths_;
};

}  // namespace sluice::sql
