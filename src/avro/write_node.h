// The compiled plan of a RowWriter. Inside src/avro only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "avro/schema.h"

namespace sluice::avro {

enum class WriteOp : uint8_t {
  nothing,
  boolean,
  int32,
  int64,
  float32,
  float64,
  text,   // text or binary
  fixed,  // as it is
  uuid,   // text into 16 bytes
  symbol,
  decimal,  // of `width` bytes into bytes, or a fixed of `size`
  duration,
  record,
  list,
  map,
  member,    // a struct that stands for a union: the one field that is not null
  constant,  // a default: `bytes`
};

struct WriteNode {
  WriteOp op = WriteOp::nothing;
  int8_t null_branch = -1;   // >= 0: a union of null (this branch) and this node's value
  bool only_branch = false;  // of a union with one branch
  const Type* type = nullptr;
  int64_t size = 0;  // of a fixed; of a decimal in Avro, 0: as many as it needs
  int64_t width = 0;
  std::string path;  // for errors
  std::map<std::string, int64_t, std::less<>> symbols;
  std::vector<uint8_t> bytes;
  std::vector<int64_t> branches;  // member: the union's branch of each child
  std::vector<int> columns;       // record: which field of the struct a child is; -1 for constants
  std::vector<WriteNode> children;

  // The current array.
  const uint8_t* validity = nullptr;
  const uint8_t* values = nullptr;
  const int32_t* offsets = nullptr;
  int64_t offset = 0;

  void bind(const arrow::ArrayData& data);
};

// The plan for values of `type` that come as to_arrow(type) says.
Result<WriteNode> compile_writer(const Type& type, const std::string& path);
// A record; `columns`, where given, are those that there are: the others take their defaults.
Result<WriteNode> compile_record_writer(const Type& type, const std::string& path, const arrow::Schema* columns);

}  // namespace sluice::avro
