#include "format/orc/encoder.h"

#include <utility>
#include <vector>

#include <arrow/adapters/orc/adapter.h>
#include <arrow/array/concatenate.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>

#include "batch/arrow_result.h"
#include "format/orc/types.h"

namespace sluice::orc_format_detail {
namespace {

// Rows that are passed on at once.
constexpr int64_t kHeldBytes = 4 << 20;
// Java's default: a column whose distinct values are fewer than this part of its rows gets a dictionary.
constexpr double kDictionaryThreshold = 0.8;
// One stream per column begins with a block; measured with 100 open writers.
constexpr int64_t kBytesPerWriter = 1 << 20;

// The ORC writer closes what it writes to; an encoder's stream stays open.
class KeptOpen final : public arrow::io::OutputStream {
 public:
  explicit KeptOpen(std::shared_ptr<arrow::io::OutputStream> out) : out_(std::move(out)) {
    set_mode(arrow::io::FileMode::WRITE);
  }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  [[nodiscard]] bool closed() const override { return closed_; }
  [[nodiscard]] arrow::Result<int64_t> Tell() const override { return bytes_; }
  arrow::Status Write(const void* data, int64_t bytes) override {
    bytes_ += bytes;
    return out_->Write(data, bytes);
  }
  using Writable::Write;

 private:
  const std::shared_ptr<arrow::io::OutputStream> out_;
  int64_t bytes_ = 0;
  bool closed_ = false;
};

class OrcEncoder final : public Encoder {
 public:
  OrcEncoder(const EncoderOptions& options, SchemaPtr stored, std::shared_ptr<arrow::io::OutputStream> out)
      : options_(options), stored_(std::move(stored)), out_(std::move(out)) {}

  Result<void> write(const arrow::RecordBatch& batch) override {
    CHECK(!finished_);
    if (batch.num_rows() == 0) return {};
    auto rows = TRY(conform(batch.Slice(0), stored_));
    int64_t bytes = TRY(to_result(arrow::util::ReferencedBufferSize(*rows)));
    // A slice keeps all of the batch alive that it was cut from: where that is much more, it is copied.
    if (2 * bytes < arrow::util::TotalBufferSize(*rows)) rows = TRY(copy_of(*rows));
    held_.push_back(std::move(rows));
    held_bytes_ += bytes;
    return held_bytes_ >= kHeldBytes ? pass_on() : Result<void>();
  }

  Result<void> finish() override {
    CHECK(!finished_);
    // The writer learns the schema from its first batch: a file without rows is given one without rows.
    if (held_.empty() && writer_ == nullptr) {
      held_.push_back(TRY(to_result(arrow::RecordBatch::MakeEmpty(stored_))));
    }
    TRY(pass_on());
    finished_ = true;
    TRY(guarded([&] { return writer_->Close(); }));
    writer_.reset();
    inside_ = 0;
    return {};
  }

  [[nodiscard]] int64_t bytes_buffered() const override {
    return held_bytes_ + inside_ + (writer_ == nullptr ? 0 : kBytesPerWriter);
  }
  [[nodiscard]] int64_t bytes_out() const override { return out_.Tell().ValueOr(0); }

 private:
  template <typename Function>
  static Result<void> guarded(const Function& function) {
    try {
      return to_result(function());
    } catch (const std::exception& e) {
      return user_error("cannot be written as ORC: {}", e.what());
    }
  }

  static Result<BatchPtr> copy_of(const arrow::RecordBatch& rows) {
    arrow::ArrayVector columns;
    for (const auto& column : rows.columns()) columns.push_back(TRY(to_result(arrow::Concatenate({column}))));
    return arrow::RecordBatch::Make(rows.schema(), rows.num_rows(), std::move(columns));
  }

  arrow::Status open_writer() {
    if (writer_ != nullptr) return arrow::Status::OK();
    arrow::adapters::orc::WriteOptions options;
    options.compression = options_.codec;
    options.stripe_size = options_.stripe_bytes;
    options.compression_block_size = options_.block_bytes;
    options.dictionary_key_size_threshold = options_.dictionary ? kDictionaryThreshold : 0;
    ARROW_ASSIGN_OR_RAISE(writer_, arrow::adapters::orc::ORCFileWriter::Open(&out_, options));
    return arrow::Status::OK();
  }

  Result<void> pass_on() {
    if (held_.empty()) return {};
    TRY(guarded([&] { return open_writer(); }));
    int64_t before = bytes_out();
    for (const auto& rows : held_) TRY(guarded([&] { return writer_->Write(*rows); }));
    held_.clear();
    // A stripe goes out as a whole: what came since the last one is inside the writer.
    inside_ = bytes_out() > before ? 0 : inside_ + held_bytes_;
    held_bytes_ = 0;
    return {};
  }

  const EncoderOptions options_;
  const SchemaPtr stored_;
  KeptOpen out_;
  std::vector<BatchPtr> held_;
  int64_t held_bytes_ = 0;
  int64_t inside_ = 0;  // bytes of rows in the writer's stripe
  std::unique_ptr<arrow::adapters::orc::ORCFileWriter> writer_;
  bool finished_ = false;
};

}  // namespace

Result<std::unique_ptr<Encoder>> make_encoder(const EncoderOptions& options, const SchemaPtr& schema,
                                              std::shared_ptr<arrow::io::OutputStream> out) {
  auto stored = TRY(stored_schema(*schema));
  return std::unique_ptr<Encoder>(std::make_unique<OrcEncoder>(options, std::move(stored), std::move(out)));
}

}  // namespace sluice::orc_format_detail
