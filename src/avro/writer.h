// Arrow → Avro's binary encoding, by a plan compiled once per schema.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "avro/arrow_schema.h"
#include "avro/bytes.h"
#include "avro/schema.h"

namespace arrow {
struct ArrayData;
}

namespace sluice::avro {

struct WriteNode;

// One thread. Usage: bind() a batch, write() ranges of its rows; the batch stays alive until the next bind().
class RowWriter {
 public:
  // `columns` are those of the batches to come, by name; their types may be any that conform() turns into to_arrow()'s.
  // Error: a column that the Avro schema has no field for, or a field that has neither column, default nor null.
  static Result<std::unique_ptr<RowWriter>> make(SchemaRef schema, const arrow::Schema& columns);
  ~RowWriter();
  RowWriter(const RowWriter&) = delete;
  RowWriter& operator=(const RowWriter&) = delete;

  [[nodiscard]] const SchemaRef& schema() const { return avro_; }

  Result<void> bind(BatchPtr batch);
  // Appends rows from `begin` on until `out` holds bytes_max or they are all written; returns the row it got to. The
  // error names column and row.
  Result<int64_t> write(int64_t begin, int64_t bytes_max, Bytes& out);
  Result<void> write_row(int64_t row, Bytes& out);

 private:
  friend class WriteCompiler;
  RowWriter();
  bool write_value(const WriteNode& node, int64_t index, Bytes& out);
  bool write_blocks(const WriteNode& node, int64_t index, Bytes& out);
  bool write_decimal(const WriteNode& node, int64_t index, Bytes& out);
  bool write_duration(const WriteNode& node, int64_t index, Bytes& out);
  bool write_uuid(const WriteNode& node, int64_t index, Bytes& out);
  bool write_symbol(const WriteNode& node, int64_t index, Bytes& out);
  bool write_member(const WriteNode& node, int64_t index, Bytes& out);
  bool fail(const WriteNode& node, std::string problem);

  SchemaRef avro_;
  SchemaPtr wanted_;  // what batches are conformed to
  BatchPtr batch_;
  std::unique_ptr<WriteNode> root_;
  std::string problem_;
};

}  // namespace sluice::avro
