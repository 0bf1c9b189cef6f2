#include "format/ipc/encoder.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <arrow/io/interfaces.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/compression.h>

#include "batch/arrow_result.h"

namespace sluice::ipc_format_detail {
namespace {

// 24 bytes of footer and a few hundred of bookkeeping per record batch written.
constexpr int64_t kBytesPerBlock = 64;

class IpcEncoder final : public Encoder {
 public:
  IpcEncoder(const EncoderOptions& options, SchemaPtr schema, std::shared_ptr<arrow::io::OutputStream> out)
      : options_(options), schema_(std::move(schema)), out_(std::move(out)) {
    start_ = out_->Tell().ValueOr(0);
  }

  Result<void> write(const arrow::RecordBatch& batch) override {
    CHECK(!finished_);
    for (int64_t begin = 0; begin < batch.num_rows();) {
      int64_t rows = std::min(batch.num_rows() - begin, options_.batch_rows - held_rows_);
      auto part = batch.Slice(begin, rows);
      held_bytes_ += TRY(to_result(arrow::util::ReferencedBufferSize(*part)));
      held_rows_ += rows;
      held_.push_back(std::move(part));
      begin += rows;
      if (held_rows_ >= options_.batch_rows || held_bytes_ >= options_.batch_bytes) TRY(flush());
    }
    return {};
  }

  Result<void> flush() override {
    if (held_.empty()) return {};
    TRY(open_writer());
    auto joined = held_.size() == 1 ? held_[0] : TRY(to_result(arrow::ConcatenateRecordBatches(held_)));
    held_.clear();
    held_rows_ = held_bytes_ = 0;
    ++blocks_;
    return to_result(writer_->WriteRecordBatch(*joined->ReplaceSchemaMetadata(nullptr)));
  }

  Result<void> finish() override {
    CHECK(!finished_);
    TRY(flush());
    TRY(open_writer());
    finished_ = true;
    TRY(to_result(writer_->Close()));
    writer_.reset();
    blocks_ = 0;
    return {};
  }

  [[nodiscard]] int64_t bytes_buffered() const override { return held_bytes_ + (blocks_ * kBytesPerBlock); }
  [[nodiscard]] int64_t bytes_out() const override { return out_->Tell().ValueOr(start_) - start_; }

 private:
  Result<void> open_writer() {
    if (writer_ != nullptr) return {};
    auto options = arrow::ipc::IpcWriteOptions::Defaults();
    options.use_threads = false;
    if (options_.codec) options.codec = TRY(to_result(arrow::util::Codec::Create(*options_.codec)));
    auto schema = schema_->RemoveMetadata();
    writer_ = TRY(to_result(options_.stream ? arrow::ipc::MakeStreamWriter(out_, schema, options)
                                            : arrow::ipc::MakeFileWriter(out_, schema, options)));
    return {};
  }

  const EncoderOptions options_;
  const SchemaPtr schema_;
  const std::shared_ptr<arrow::io::OutputStream> out_;
  int64_t start_ = 0;  // where in the stream the file begins
  std::vector<BatchPtr> held_;
  int64_t held_rows_ = 0;
  int64_t held_bytes_ = 0;
  int64_t blocks_ = 0;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;  // from the first record batch on
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<Encoder> make_encoder(const EncoderOptions& options, const SchemaPtr& schema,
                                      std::shared_ptr<arrow::io::OutputStream> out) {
  return std::make_unique<IpcEncoder>(options, schema, std::move(out));
}

}  // namespace sluice::ipc_format_detail
