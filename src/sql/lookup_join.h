// The lookups of one SELECT, bound to schemas: driving batch in, aligned batches of all inputs out.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "sql/field_path.h"
#include "sql/lookup.h"
#include "sql/select.h"

namespace sluice::sql {

// Thread-safe after bind().
class LookupJoin {
 public:
  explicit LookupJoin(std::shared_ptr<const Select> select) : select_(std::move(select)) {}

  // Loads the right sides. `driving` is the schema of the batches to come.
  Result<void> bind(Context& context, const SchemaPtr& driving);
  Result<void> refresh(Context& context);

  // Of every input, in the order of SelectInfo::inputs, as the SELECT sees them. One without columns (all are USING's)
  // is left out of the SELECT.
  [[nodiscard]] const std::vector<SchemaPtr>& schemas() const { return schemas_; }
  // Of equal length; row i of each belongs to row i of the others.
  Result<std::vector<BatchPtr>> apply(const BatchPtr& driving) const;
  [[nodiscard]] std::string describe() const;
  // The first lookup that has a key in several rows, for an error: "lookup file('tags') on customer = customer"; empty:
  // a row comes out once at most.
  [[nodiscard]] std::string repeats() const;

 private:
  struct Key {
    size_t input = 0;  // where the left column is
    FieldPath path;
  };
  struct Step {
    const Lookup* lookup = nullptr;
    std::vector<Key> left;
    LookupTable::Request request;
    std::vector<int> exposed;  // columns of the table that the SELECT sees: all but USING's
    std::shared_ptr<const LookupTable> table;
  };
  Result<void> bind_step(Context& context, const Lookup& lookup);
  [[nodiscard]] Result<void> refuse_whole_row(const Lookup& lookup, const arrow::Schema& full) const;
  static std::string shown_keys(const Step& step);
  Result<Key> find_left(const Names& names, const Lookup& lookup) const;

  std::shared_ptr<const Select> select_;
  std::vector<SchemaPtr> schemas_;
  std::vector<Step> steps_;
  mutable std::mutex mutex_;  // guards the tables in steps_ against refresh
};

}  // namespace sluice::sql
