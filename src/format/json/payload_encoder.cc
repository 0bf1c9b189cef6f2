#include "format/json/payload_encoder.h"

#include <arrow/record_batch.h>

#include "format/json/row_encoder.h"

namespace sluice::json {
namespace {

class JsonPayloadEncoder : public PayloadEncoder, private RowEncoder {
 public:
  using RowEncoder::prepare;
  JsonPayloadEncoder(const EncodeOptions& options, std::string frame) : RowEncoder(options), frame_(std::move(frame)) {}

  Result<void> encode(Context&, const arrow::RecordBatch& batch, EncodedPayloads& out) override {
    const auto bytes_before = static_cast<int64_t>(out.bytes.size());
    const size_t rows_before = out.ends.size();
    at_ = begin_;
    bind(batch);
    for (int64_t i = 0; i < batch.num_rows(); ++i) {
      if (!frame_.empty()) put(frame_);
      auto written = row(i);
      if (!written.ok()) {
        out.ends.resize(rows_before);
        return std::move(written).while_doing(fmt::format("writing row {} as JSON", i));
      }
      out.ends.push_back(bytes_before + (at_ - begin_));
    }
    out.bytes.append(begin_, static_cast<size_t>(at_ - begin_));
    return {};
  }

 private:
  const std::string frame_;
};

}  // namespace

Result<std::unique_ptr<PayloadEncoder>> create_payload_encoder(const EncodeOptions& options, const SchemaPtr& schema,
                                                               std::string frame) {
  auto encoder = std::make_unique<JsonPayloadEncoder>(options, std::move(frame));
  TRY(encoder->prepare(*schema));
  return std::unique_ptr<PayloadEncoder>(std::move(encoder));
}

}  // namespace sluice::json
