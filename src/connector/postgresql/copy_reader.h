// A Reader over one or several pieces of a snapshot, each one COPY (…) TO STDOUT (FORMAT binary).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connector/postgresql/settings.h"
#include "port/source.h"
#include "postgres/decode.h"

namespace sluice::postgresql {

// One piece, as a statement.
struct CopyPiece {
  SplitId split;
  TableId table;
  std::string select;  // whose columns are CopyDecoder::select_list(columns)
  std::vector<postgres::Column> columns;
};

struct CopyLimits {
  int64_t batch_rows = 64 * 1024;
  int64_t batch_bytes = 8 << 20;
};

// `connection` is inside a transaction that sees the snapshot, and is this reader's alone. The position within a piece
// is its number of rows; it says where a batch came from, not where to resume.
std::unique_ptr<Reader> copy_reader(std::shared_ptr<Connection> connection, std::vector<CopyPiece> pieces,
                                    postgres::TypePolicy policy, CopyLimits limits);

}  // namespace sluice::postgresql
