// What a reader may leave out. Hints a source cannot use are simply not applied; what it did apply it says in Pushed,
// so that the rest is evaluated above it and `explain` can show it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

namespace sluice {

// A column or a field inside a struct: {"user", "city"}.
using ColumnPath = std::vector<std::string>;
std::string to_string(const ColumnPath& path);  // user.city, quoted where needed

// column OP literal. A NULL column never satisfies a comparison (SQL's WHERE).
struct Predicate {
  enum class Op { eq, ne, lt, le, gt, ge, in, is_null, is_not_null };
  ColumnPath column;
  Op op = Op::eq;
  std::vector<std::shared_ptr<arrow::Scalar>> values;  // one; several for in; none for is_null
};
std::string to_string(const Predicate& predicate);  // event = 'buy'

struct ReadRequest {
  std::optional<std::vector<ColumnPath>>
      columns;                     // unset: all. A path keeps its enclosing struct, with that field only
  std::vector<Predicate> filter;   // a conjunction
  std::optional<int64_t> limit;    // no more than this many rows are needed from the whole source
  int64_t batch_rows = 64 * 1024;  // a reader cuts its batches at whichever comes first
  int64_t batch_bytes = 8 << 20;
  // A condition decides on changes: before each update and delete whose old row the source has, that row comes with
  // _op = 'before' and the same _pos (batch/change.h).
  bool before_images = false;
  bool collect_rejects =
      false;  // there is a dead-letter target: bad rows and unreadable files become Rejects, not errors
};

struct Pushed {
  bool columns = false;            // only the requested columns come out
  std::vector<bool> filter_exact;  // per predicate: true when no row that fails it comes out (else evaluate again)
  bool limit = false;              // at most `limit` rows per split come out
  std::vector<std::string> notes;  // for explain: "partitions: 3 of 24 read (day = '2026-01-01')"
};

}  // namespace sluice
