// What comes out of a reader and goes into a writer.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "batch/schema.h"
#include "port/position.h"

namespace sluice {

// A row (or a whole file) that could not be read, transformed or written. With a dead-letter target it goes there in
// the same epoch; without one the pipeline stops with `reason`.
struct Reject {
  // Where it failed, filled in by flow: replaying begins there.
  enum class Stage : uint8_t {
    read,  // the payload is the raw record, or the row as JSON where the source has no format; a whole file: its path
    transform,  // … the source's row as JSON
    write,      // … the row as it would have been delivered, as JSON
  };
  std::string payload;  // the raw bytes where they are known, else the row as JSON
  std::string reason;   // one sentence
  std::string where;    // "data/a.json:17 (byte 2345)", "orders/3@1207"
  SplitId split;
  Stage stage = Stage::read;
  // What a message had beside its payload, as JSON: {"key": …, "headers": [{"key": …, "value": …}], "timestamp": …},
  // and its "value" where the payload is not all of it. Bytes that are no text are {"base64": …}. Empty: it is no
  // message.
  std::string message = {};
};

// `split` has been read up to (and including the last row of) `upto` once the batch carrying this has been delivered.
struct Progress {
  SplitId split;
  Position upto;
};

struct Rows {
  TableId table;
  BatchPtr batch;                  // may be null or have no rows: progress or rejects only
  std::vector<Progress> progress;  // several when one batch spans several small files
  std::vector<Reject> rejects;
  int64_t source_bytes = 0;  // read from the source for this batch, for throughput
};
// The rows of `table` that follow have another schema. Carries no progress: a reader that is created again before rows
// from behind it are durable says it once more, unless the source has adopted `after` by then.
struct SchemaChange {
  TableId table;
  SchemaPtr before;  // null: the table is new
  SchemaPtr after;
};
// Everything `table` holds is gone. Rows before it are committed first; `progress` lies behind it.
struct Truncate {
  TableId table;
  Progress progress;
};
struct Idle {};  // nothing came before the deadline
struct End {};   // the reader's splits are drained for good

using Event = std::variant<Rows, SchemaChange, Truncate, Idle, End>;

}  // namespace sluice
