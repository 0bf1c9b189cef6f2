// Avro's binary encoding → Arrow. A plan is compiled once per pair of schemas (the writer's and the reader's, resolved
// as the specification says); reading a row walks it with one switch per value and appends to raw columns.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "avro/arrow_schema.h"
#include "avro/column.h"
#include "avro/schema.h"

namespace sluice::avro {

struct ReadNode;

// One thread. Usage: read() rows of the writer's schema, take() the batch.
class RowReader {
 public:
  // Columns come out as to_arrow(reader) says, of those only what `wanted` names (columns and fields of structs; null:
  // all). Values that nobody wants are skipped. Schemas that do not resolve are an error naming the field.
  static Result<std::unique_ptr<RowReader>> make(SchemaRef writer, SchemaRef reader, const arrow::Schema* wanted);
  ~RowReader();
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;

  [[nodiscard]] const SchemaPtr& schema() const { return schema_; }
  // Rows that are read and not taken may have so much memory (2 GB by default): a small file can describe huge rows.
  void limit_memory(int64_t bytes) { room_ = bytes; }

  // Reads up to `rows` rows from the beginning of `bytes`; stops earlier once they take bytes_max in memory. Returns
  // how many bytes they were. An error is one sentence without place ("field user.city: …"); rows() counts those before
  // it.
  Result<int64_t> read(ByteSpan bytes, int64_t rows, int64_t bytes_max);
  // Reads one row that takes all of `bytes`. False: it does not, problem() says why, and nothing of it is kept.
  bool read_datum(ByteSpan bytes);
  // A row of nulls, also where the schema has none. False: there is no room for it.
  bool append_nulls();
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] int64_t rows() const { return rows_; }    // read and not taken
  [[nodiscard]] int64_t bytes() const { return bytes_; }  // of memory that they take
  Result<BatchPtr> take();

 private:
  friend class Compiler;
  RowReader();
  const uint8_t* read_value(const ReadNode& node, const uint8_t* at);
  const uint8_t* read_number(const ReadNode& node, const uint8_t* at);
  const uint8_t* read_symbol(const ReadNode& node, const uint8_t* at);
  const uint8_t* read_either(const ReadNode& node, const uint8_t* at);
  const uint8_t* read_record(const ReadNode& node, const uint8_t* at);
  const uint8_t* read_blocks(const ReadNode& node, const uint8_t* at);
  const uint8_t* read_text(const ReadNode& node, const uint8_t* at);
  const uint8_t* read_decimal(const ReadNode& node, const uint8_t* at);
  const uint8_t* read_duration(const ReadNode& node, const uint8_t* at);
  const uint8_t* read_constant(const ReadNode& node, const uint8_t* at);
  const uint8_t* skip(const Type& type, const uint8_t* at, int depth);
  const uint8_t* skip_blocks(const Type& type, const uint8_t* at, int depth);
  bool plausible(int64_t count, int64_t bytes_min, const uint8_t* at);
  int64_t rows_until_measured(int64_t bytes_max) const;
  void measure();

  // Remember what went wrong; all return null.
  const uint8_t* fail(const ReadNode& node, std::string problem);
  const uint8_t* cut(const ReadNode& node);
  const uint8_t* full(const ReadNode& node);

  int64_t room_ = INT64_C(2) << 30;
  SchemaRef writer_;
  SchemaRef reader_;
  SchemaPtr schema_;
  std::vector<std::unique_ptr<Column>> columns_;
  std::unique_ptr<ReadNode> root_;
  std::string problem_;
  const uint8_t* end_ = nullptr;  // of the bytes being read
  int64_t empties_ = 0;           // elements without bytes in the current row
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace sluice::avro
