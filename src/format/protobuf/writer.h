// Arrow → Protobuf's wire format, by a plan compiled once per message type and schema.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "batch/schema.h"
#include "format/protobuf/schema.h"

namespace sluice::protobuf {

struct WriteNode;

// One thread. Usage: bind() a batch, write() its rows; the batch stays alive until the next bind().
class MessageWriter {
 public:
  // `columns`: those of the batches to come. Error: one that the message has no field for, or whose type does not fit.
  static Result<std::unique_ptr<MessageWriter>> make(SchemaRef schema, const Message& message,
                                                     const arrow::Schema& columns);
  ~MessageWriter();
  MessageWriter(const MessageWriter&) = delete;
  MessageWriter& operator=(const MessageWriter&) = delete;

  Result<void> bind(const BatchPtr& batch);
  // Appends the message of a row. The error names the column; `out` may hold a part of it then.
  Result<void> write(int64_t row, std::string& out);

 private:
  MessageWriter();
  bool write_fields(const WriteNode& node, int64_t index, std::string& out);
  bool write_field(const WriteNode& node, int64_t index, std::string& out);
  bool write_elements(const WriteNode& node, int64_t index, std::string& out);
  bool write_entries(const WriteNode& node, int64_t index, std::string& out);
  bool write_value(const WriteNode& node, int64_t index, std::string& out);
  bool write_number(const WriteNode& node, int64_t index, std::string& out);
  bool write_text(const WriteNode& node, int64_t index, std::string& out);
  bool write_symbol(const WriteNode& node, int64_t index, std::string& out);
  bool write_message(const WriteNode& node, int64_t index, std::string& out);
  bool write_moment(const WriteNode& node, int64_t index, std::string& out);
  bool fail(const WriteNode& node, std::string problem);

  SchemaRef schema_;
  SchemaPtr plain_;
  BatchPtr batch_;
  std::unique_ptr<WriteNode> root_;
  std::string text_;
  std::string problem_;
};

}  // namespace sluice::protobuf
