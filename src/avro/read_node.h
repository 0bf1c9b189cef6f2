// The compiled plan of a RowReader. Inside src/avro only.
#pragma once

#include <string>
#include <vector>

#include "avro/column.h"
#include "avro/schema.h"

namespace sluice::avro {

enum class ReadOp : uint8_t {
  skip,     // a value of `type` that nobody wants
  nothing,  // null, into a column
  fail,     // a branch of the writer's union that the reader cannot take: `path` says so
  boolean,
  int32,  // a varint into an int32 column
  time32,
  int64,
  time64,
  int_to_float32,
  int_to_float64,
  float32,
  float32_to_64,
  float64,
  text,    // validated as UTF-8
  binary,  // not validated
  fixed,
  uuid,  // 16 bytes into text
  symbol,
  decimal,
  duration,
  record,
  blocks,    // array or map
  either,    // a union: children by branch
  member,    // children[0] into the struct that stands for a union, `member` of its fields
  constant,  // a default: `bytes` read with children[0]
};

struct ReadNode {
  ReadOp op = ReadOp::skip;
  int8_t null_branch = -1;  // >= 0: a union of null (this branch) and this node's value
  Column* out = nullptr;
  const Type* type = nullptr;  // the writer's
  int64_t size = 0;            // of a fixed; bytes_min of an element
  size_t member = 0;
  int precision = 0;
  std::vector<std::string> symbols;  // by the writer's index; valid where `symbol_known`
  std::vector<bool> symbol_known;
  std::vector<uint8_t> bytes;  // with one more at the end
  std::vector<ReadNode> children;
  std::string path;  // for errors: "user.city"
};

}  // namespace sluice::avro
