#include "format/avro/payload_encoder.h"

#include <arrow/record_batch.h>

#include "avro/writer.h"
#include "net/schema_registry.h"

namespace sluice::avro_format_detail {
namespace {

class AvroPayloadEncoder final : public PayloadEncoder {
 public:
  AvroPayloadEncoder(std::unique_ptr<avro::RowWriter> writer, std::optional<int32_t> id) : writer_(std::move(writer)) {
    if (id) net::append_frame(*id, frame_);
  }

  Result<void> encode(Context&, const arrow::RecordBatch& batch, EncodedPayloads& out) override {
    const auto bytes_before = static_cast<int64_t>(out.bytes.size());
    const size_t rows_before = out.ends.size();
    bytes_.clear();
    TRY(writer_->bind(batch.Slice(0)));
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      auto written = write(row);
      if (!written.ok()) {
        out.ends.resize(rows_before);
        return std::move(written).error();
      }
      out.ends.push_back(bytes_before + bytes_.size());
    }
    out.bytes.append(reinterpret_cast<const char*>(bytes_.data()), static_cast<size_t>(bytes_.size()));
    return {};
  }

 private:
  Result<void> write(int64_t row) {
    if (!bytes_.ensure(static_cast<int64_t>(frame_.size()))) return refused("a batch takes more than 2 GB as Avro");
    bytes_.append(frame_.data(), static_cast<int64_t>(frame_.size()));
    return writer_->write_row(row, bytes_);
  }

  const std::unique_ptr<avro::RowWriter> writer_;
  std::string frame_;
  avro::Bytes bytes_;
};

}  // namespace

Result<std::unique_ptr<PayloadEncoder>> make_payload_encoder(avro::SchemaRef schema, const arrow::Schema& columns,
                                                             std::optional<int32_t> id) {
  auto writer = TRY(avro::RowWriter::make(std::move(schema), columns));
  return std::unique_ptr<PayloadEncoder>(std::make_unique<AvroPayloadEncoder>(std::move(writer), id));
}

}  // namespace sluice::avro_format_detail
