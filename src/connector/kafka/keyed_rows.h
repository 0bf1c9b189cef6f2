// Messages as rows under their keys (envelope := 'upsert'): each replaces the row of its key, and one without a value
// (a tombstone) deletes it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "batch/schema.h"
#include "connector/kafka/metadata_columns.h"

namespace sluice::kafka {

// A column that the key says.
struct KeyColumn {
  std::string name;
  int key = 0;     // among the key's columns
  int value = -1;  // among the value's; -1: it has none of that name
  TypePtr type;    // the value's, else the key's
};

// `names`: what the key's columns are called; empty: as they are. A key of bytes alone, which has no names, needs one.
// Fault::user without the option's name in front.
Result<std::vector<KeyColumn>> key_columns(const arrow::Schema& value, const arrow::Schema& key, bool bytes_alone,
                                           std::span<const std::string> names);

// The value's columns, those of the key that it lacks, _op, _ts and _pos.
SchemaPtr keyed_schema(const arrow::Schema& value, std::span<const KeyColumn> key);

// The columns of keyed_schema() behind the value's, and the value's with those of the key in the place of a tombstone's
// nulls. A cell of the key that the column cannot hold is named (by its row, ascending) where it matters.
struct KeyedColumns {
  arrow::ArrayVector value;
  arrow::ArrayVector more;
  std::vector<std::pair<int64_t, std::string>> bad;
};
// `value` and `key` have a row for each of `rows`; `split` begins _pos.
Result<KeyedColumns> keyed_columns(std::span<const KeyColumn> columns, const arrow::RecordBatch& value,
                                   const arrow::RecordBatch& key, const MessageRows& rows, std::string_view split);

// Of a message of this partition: digits in front, so that the order of the text is that of the offsets.
std::string change_position(std::string_view split, int64_t offset);

}  // namespace sluice::kafka
