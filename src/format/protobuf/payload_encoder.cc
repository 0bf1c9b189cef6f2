#include "format/protobuf/payload_encoder.h"

#include <arrow/record_batch.h>

#include "format/protobuf/wire.h"
#include "format/protobuf/writer.h"
#include "net/schema_registry.h"

namespace sluice::protobuf {
namespace {

class ProtobufPayloadEncoder final : public PayloadEncoder {
 public:
  ProtobufPayloadEncoder(std::unique_ptr<MessageWriter> writer, std::string frame)
      : writer_(std::move(writer)), frame_(std::move(frame)) {}

  Result<void> encode(Context&, const arrow::RecordBatch& batch, EncodedPayloads& out) override {
    const size_t bytes_before = out.bytes.size();
    const size_t rows_before = out.ends.size();
    TRY(writer_->bind(batch.Slice(0)));
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      out.bytes += frame_;
      auto written = writer_->write(row, out.bytes);
      if (!written.ok()) {
        out.bytes.resize(bytes_before);
        out.ends.resize(rows_before);
        return user_error("row {}: {}", row, written.error().what);
      }
      out.ends.push_back(static_cast<int64_t>(out.bytes.size()));
    }
    return {};
  }

 private:
  const std::unique_ptr<MessageWriter> writer_;
  const std::string frame_;
};

}  // namespace

Result<std::unique_ptr<PayloadEncoder>> make_payload_encoder(SchemaRef schema, const Message& message,
                                                             const arrow::Schema& columns, std::optional<int32_t> id) {
  std::string frame;
  if (id) {
    net::append_frame(*id, frame);
    put_message_path(schema->path_of(message), frame);
  }
  auto writer = TRY(MessageWriter::make(std::move(schema), message, columns));
  return std::unique_ptr<PayloadEncoder>(std::make_unique<ProtobufPayloadEncoder>(std::move(writer), std::move(frame)));
}

}  // namespace sluice::protobuf
