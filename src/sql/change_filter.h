// WHERE (and an inner join) over changes: decided for both images of a row, so that what the target holds is what the
// condition selects (design.md, "Change data"):
//   the old row passes, the new one   passes: update    does not: delete
//   the old row does not, the new one passes: insert    does not: nothing
//   no old row is known, the new one  passes: update, which an upsert sink writes   does not: delete by key
//   a DELETE without its old row: delete by key
// And a change of what the sink tells rows apart by, which the source does not: a delete and an insert.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "port/transform.h"
#include "sql/lookup_join.h"
#include "sql/select.h"

namespace sluice::sql {

// What the lanes of one statement share: where the columns of a delete by key come from.
class ChangeFilter {
 public:
  // Null where rows are no changes, or where this statement cannot drop or misread any. Fault::user when the statement
  // leaves out what the decision needs. `inputs`: the changes and what they are joined with; `keys`: what the sink
  // tells rows apart by; `has_old_rows`: they were asked for (ReadRequest::before_images).
  static Result<std::shared_ptr<const ChangeFilter>> make(const SelectInfo& info, const std::vector<SchemaPtr>& inputs,
                                                          const SchemaPtr& output, const std::vector<std::string>& keys,
                                                          bool has_old_rows);
  // The columns of the output among `keys` that may change while the source's own key stays.
  static std::vector<int> keys_of_ones_own(const SelectInfo& info, const std::vector<SchemaPtr>& inputs,
                                           const arrow::Schema& output, const std::vector<std::string>& keys);

  // `kept` is what the statement makes of `changes`: a part of their rows, in order. `repeats` is the lookup that may
  // have made several rows of one.
  [[nodiscard]] Result<BatchPtr> decide(const BatchPtr& changes, const BatchPtr& kept,
                                        const std::string& repeats) const;
  // A value that a row does not carry cannot be compared or computed with.
  [[nodiscard]] Result<void> refuse_missing_values(const arrow::RecordBatch& changes) const;

 private:
  [[nodiscard]] bool same_key(const arrow::RecordBatch& rows, int64_t before, int64_t after) const;

  SchemaPtr output_;
  std::vector<int> sources_;       // of each output column: the input column that it passes through, or -1
  std::vector<std::string> used_;  // columns whose values a row has to carry, see columns_in_use
  bool drops_rows_ = false;
  std::vector<int> own_keys_;  // of the output: a change of theirs is a delete and an insert
};

// What the source says of the rows as they were (batch/old_rows.h); empty: nothing.
std::string_view old_rows_of(const arrow::Schema& changes);

// `rows` is the statement's own transform, `lookups` what it joins with (or null).
std::unique_ptr<Transform> make_change_lane(std::shared_ptr<const ChangeFilter> filter,
                                            std::shared_ptr<const LookupJoin> lookups, std::unique_ptr<Transform> rows);

}  // namespace sluice::sql
