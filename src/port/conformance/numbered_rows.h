// Rows (id BIGINT, note VARCHAR) that batteries move: what went in is known by its numbers.
#pragma once

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "port/event.h"

namespace sluice::conformance {

using SeenRows = std::vector<std::pair<int64_t, std::string>>;  // (id, note)

inline SchemaPtr numbered_schema() {
  return arrow::schema({arrow::field("id", arrow::int64()), arrow::field("note", arrow::utf8())});
}

// As a reader hands them out: `split` is read up to the last of them.
inline Rows numbered_rows(int64_t first, int64_t count, const std::string& split = "in") {
  arrow::Int64Builder ids;
  arrow::StringBuilder notes;
  for (int64_t id = first; id < first + count; ++id) {
    EXPECT_TRUE(ids.Append(id).ok());
    EXPECT_TRUE(notes.Append("note " + std::to_string(id)).ok());
  }
  Rows made;
  made.table.name = "t";
  made.batch = arrow::RecordBatch::Make(numbered_schema(), count, {*ids.Finish(), *notes.Finish()});
  made.progress = {{split, Position{std::to_string(first + count)}}};
  return made;
}

inline SeenRows numbered(int64_t first, int64_t count) {
  SeenRows made;
  for (int64_t id = first; id < first + count; ++id) made.emplace_back(id, "note " + std::to_string(id));
  return made;
}

// (id, note) of each row of `batch`, which may have other columns beside them, and no notes.
inline SeenRows seen_in(const arrow::RecordBatch& batch) {
  SeenRows seen;
  const auto ids = batch.GetColumnByName("id");
  const auto notes = batch.GetColumnByName("note");
  if (ids == nullptr || ids->type_id() != arrow::Type::INT64 ||
      (notes != nullptr && notes->type_id() != arrow::Type::STRING)) {
    ADD_FAILURE() << "these are no rows of id BIGINT, note VARCHAR: " << batch.schema()->ToString();
    return seen;
  }
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    seen.emplace_back(static_cast<const arrow::Int64Array&>(*ids).Value(row),
                      notes == nullptr ? std::string() : static_cast<const arrow::StringArray&>(*notes).GetString(row));
  }
  return seen;
}

}  // namespace sluice::conformance
