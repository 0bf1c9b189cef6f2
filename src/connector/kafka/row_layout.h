// What each column of the rows is to a message: key, value, headers, time, partition, or what says how it changed.
#pragma once

#include <vector>

#include "batch/schema.h"
#include "connector/kafka/sink_settings.h"

namespace sluice::kafka {

struct RowLayout {
  static constexpr int kNone = -1;
  int op = kNone;         // where _op decides what becomes of a row: upserts and the debezium envelope
  int unchanged = kNone;  // likewise _unchanged
  int headers = kNone;
  int timestamp = kNone;
  int partition = kNone;
  std::vector<int> key;
  std::vector<int> value;  // of an envelope: what stands in before and after
  bool upsert = false;
  SchemaPtr key_schema;    // of the key's columns
  SchemaPtr value_schema;  // of the value's
};

// Without a cluster: can rows of this schema be written at all? Fault::user names the column.
Result<RowLayout> row_layout(const arrow::Schema& schema, const SinkSettings& settings);

}  // namespace sluice::kafka
