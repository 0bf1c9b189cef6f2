#include "format/json/encoder.h"

#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>

#include "batch/arrow_result.h"
#include "format/json/row_encoder.h"

namespace sluice::json {
namespace {

constexpr int64_t kFlushBytes = 256 << 10;

class JsonEncoder : public Encoder, private RowEncoder {
 public:
  JsonEncoder(const EncodeOptions& options, std::shared_ptr<arrow::io::OutputStream> out)
      : RowEncoder(options), stream_(std::move(out)) {
    grow(2 * kFlushBytes);
  }
  using RowEncoder::prepare;

  Result<void> write(const arrow::RecordBatch& batch) override {
    bind(batch);
    for (int64_t i = 0; i < batch.num_rows(); ++i) {
      if (options_.array) put(rows_ == 0 ? "[" : ",\n");
      auto written = row(i);
      if (!written.ok()) return std::move(written).while_doing(fmt::format("writing row {} as JSON", rows_ + 1));
      if (!options_.array) put("\n");
      ++rows_;
      if (at_ - begin_ >= kFlushBytes) TRY(flush());
    }
    return {};
  }

  Result<void> flush() override {
    int64_t size = at_ - begin_;
    TRY(to_result(stream_->Write(begin_, size)));
    bytes_out_ += size;
    at_ = begin_;
    return {};
  }

  Result<void> finish() override {
    if (options_.array) put(rows_ == 0 ? "[]\n" : "]\n");
    return flush();
  }

  [[nodiscard]] int64_t bytes_buffered() const override { return at_ - begin_; }
  [[nodiscard]] int64_t bytes_out() const override { return bytes_out_; }

 private:
  std::shared_ptr<arrow::io::OutputStream> stream_;
  int64_t bytes_out_ = 0;
  int64_t rows_ = 0;
};

}  // namespace

Result<std::unique_ptr<Encoder>> create_encoder(const EncodeOptions& options, const SchemaPtr& schema,
                                                std::shared_ptr<arrow::io::OutputStream> out) {
  auto encoder = std::make_unique<JsonEncoder>(options, std::move(out));
  TRY(encoder->prepare(*schema));
  return encoder;
}

}  // namespace sluice::json
