// The Debezium envelope: a change with the row before and after it, what happened and where it came from
// (debezium.io/documentation/reference/stable/connectors/postgresql.html, "Data change events"). Only Arrow: payload
// formats turn its columns into messages and back.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "batch/schema.h"

namespace sluice::kafka {

// What `source` says of every change of a table.
struct EnvelopeOrigin {
  std::string version;    // ours
  std::string connector;  // "postgresql"
  std::string name;       // the pipeline's
  std::string db;
  std::string schema;
  std::string table;
};

// What stands for a value that the database did not send because the change left it as it was.
inline constexpr std::string_view kUnavailable = "__debezium_unavailable_value";
// The same of bytes in JSON, which has them as base64.
inline constexpr std::string_view kUnavailableBytes = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";

// The envelope's columns for rows with `columns` of `schema`: before, after (structs of them), source, op, ts_ms.
SchemaPtr envelope_schema(const arrow::Schema& schema, std::span<const int> columns);

struct Enveloped {
  BatchPtr batch;                                      // of envelope_schema()
  std::vector<int64_t> row_of;                         // per envelope the row that it is of, ascending
  std::vector<std::pair<int64_t, std::string>> unfit;  // rows that have none, and why; ascending
};
// Change rows (batch/change.h) as envelopes; rows without _op are inserts. An update has a before only where a row
// with _op 'before' stands in front of it. `now` becomes ts_ms.
Result<Enveloped> to_envelope(const arrow::RecordBatch& rows, std::span<const int> columns,
                              const EnvelopeOrigin& origin, WallTime now);

// How messages with envelopes are read.
struct EnvelopeReading {
  SchemaPtr message;  // to decode them with: as they were inferred, but before and after have one type
  SchemaPtr rows;     // the row's columns, _op, _ts, _pos, _unchanged
};
// `inferred`: the schema of the messages' values. Error: they are no envelopes.
Result<EnvelopeReading> read_envelope(const arrow::Schema& inferred);

struct FromEnvelope {
  BatchPtr rows;                                     // of EnvelopeReading::rows
  std::vector<int64_t> message_of;                   // per row the message that it is of, ascending
  std::vector<std::pair<int64_t, std::string>> bad;  // messages that are no envelope, and why; ascending
  std::vector<int64_t> truncates;                    // messages that say that the table was emptied, ascending
};
// `messages` as EnvelopeReading::message says; messages without bytes (the tombstone behind a delete) and those that
// concern no row are left out. `positions[i]` becomes _pos of message i. With `before_images` the old row of an update,
// where the envelope has it, comes first, with _op 'before'; not that of a delete, which may be the key and nulls.
Result<FromEnvelope> from_envelope(const EnvelopeReading& reading, const arrow::RecordBatch& messages,
                                   std::span<const std::string> positions, bool before_images);

}  // namespace sluice::kafka
