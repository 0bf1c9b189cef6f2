// Rows of a batch as tuples of COPY, for one target table.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "connector/postgresql/target_table.h"
#include "port/context.h"

namespace sluice::postgresql {

// Encoded rows of one table, between a lane and the server.
struct Piece {
  TargetPtr table;
  postgres::WireBuffer bytes;  // tuples, without header and trailer
  int64_t rows = 0;
  std::vector<size_t> ends;         // where each row ends in `bytes`
  bool deletes = false;             // some row is one
  std::set<std::string> unchanged;  // columns that some row leaves as they are
  Budget::Reservation memory;       // nothing when the budget was spent

  [[nodiscard]] std::string_view bytes_of(size_t first, size_t end) const;  // of these rows
};

struct UnfitRow {
  int64_t row = 0;  // in the batch
  std::string reason;
};

// Appends the rows of `batch`, which has the table's schema, and returns those that do not fit, ascending; the others
// are the piece's rows, in order. `first_number` is _sluice_row of the first.
std::vector<UnfitRow> encode_rows(const arrow::RecordBatch& batch, int64_t first_number, Piece& piece);

}  // namespace sluice::postgresql
