#include "format/avro/encoder.h"

#include <arrow/record_batch.h>

#include "avro/arrow_schema.h"

namespace sluice::avro_format_detail {
namespace {

class AvroEncoder final : public Encoder {
 public:
  explicit AvroEncoder(std::unique_ptr<avro::ContainerWriter> writer) : writer_(std::move(writer)) {}

  Result<void> write(const arrow::RecordBatch& batch) override { return writer_->write(batch.Slice(0)); }
  Result<void> flush() override { return writer_->flush(); }
  Result<void> finish() override { return writer_->finish(); }
  [[nodiscard]] int64_t bytes_buffered() const override { return writer_->bytes_buffered(); }
  [[nodiscard]] int64_t bytes_out() const override { return writer_->bytes_out(); }

 private:
  const std::unique_ptr<avro::ContainerWriter> writer_;
};

}  // namespace

Result<std::unique_ptr<Encoder>> make_encoder(const avro::ContainerOptions& options, avro::SchemaRef given,
                                              const std::string& record_name, const SchemaPtr& schema,
                                              std::shared_ptr<arrow::io::OutputStream> out) {
  auto avro_schema = given != nullptr ? std::move(given) : TRY(avro::from_arrow(*schema, record_name));
  auto writer = TRY(avro::ContainerWriter::make(options, std::move(avro_schema), *schema, std::move(out)));
  return std::unique_ptr<Encoder>(std::make_unique<AvroEncoder>(std::move(writer)));
}

}  // namespace sluice::avro_format_detail
