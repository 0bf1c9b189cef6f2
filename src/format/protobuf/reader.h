// Protobuf's wire format → Arrow, by a plan compiled once per message type: no message object is made in between.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "batch/raw_column.h"
#include "format/protobuf/schema.h"

namespace sluice::protobuf {

struct MessagePlan;
struct FieldPlan;

// One thread. Usage: read() messages, take() the batch.
class MessageReader {
 public:
  // Columns come out as to_arrow(message) says, of those only what `wanted` names (columns and fields of structs; null:
  // all). Everything else is skipped.
  static Result<std::unique_ptr<MessageReader>> make(SchemaRef schema, const Message& message,
                                                     const arrow::Schema* wanted);
  ~MessageReader();
  MessageReader(const MessageReader&) = delete;
  MessageReader& operator=(const MessageReader&) = delete;

  // One message that takes all of `bytes`, as a row. False: it is bad, problem() says why ("field user.city: …"), and
  // nothing of it is kept.
  bool read(ByteSpan bytes);
  // A row of nulls. False: there is no room for it.
  bool append_nulls();
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] int64_t rows() const { return rows_; }  // read and not taken
  Result<BatchPtr> take();

 private:
  using At = const uint8_t*;
  MessageReader();
  void cut_back();
  bool message(MessagePlan& plan, ByteSpan bytes);
  bool scan(MessagePlan& plan, ByteSpan bytes);
  At field(MessagePlan& plan, size_t index, uint32_t wire, At at, At end);
  At payload(const FieldPlan& field, uint32_t wire, At at, At end, uint64_t* bits, ByteSpan* span);
  bool emit(MessagePlan& plan);
  bool element(FieldPlan& field, uint64_t bits, ByteSpan span, RawColumn& out);
  bool packed(FieldPlan& field, ByteSpan bytes);
  bool absent(FieldPlan& field);
  bool symbol(const FieldPlan& field, int32_t number, RawColumn& out);
  bool known(FieldPlan& field, ByteSpan span, RawColumn& out);
  bool moment(const FieldPlan& field, ByteSpan span, RawColumn& out);
  bool entries(FieldPlan& field);
  bool fail(const FieldPlan& field, std::string problem);
  bool full(const FieldPlan& field);

  SchemaRef schema_;
  SchemaPtr arrow_;
  int64_t room_ = INT64_C(2) << 30;
  std::vector<std::unique_ptr<RawColumn>> columns_;
  std::unique_ptr<MessagePlan> root_;
  std::deque<std::string> merged_;  // singular messages that came in several parts
  std::string text_;
  std::string problem_;
  int64_t rows_ = 0;
};

}  // namespace sluice::protobuf
