#include "format/parquet/encoder.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <arrow/array/concatenate.h>
#include <arrow/chunked_array.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/properties.h>

#include "batch/arrow_result.h"
#include "format/parquet/dictionary.h"
#include "format/parquet/encodings.h"

namespace sluice::parquet_format_detail {
namespace {

// Batches smaller than this are joined: a batch of three rows costs more than its rows.
constexpr int64_t kSmallRows = 4096;
// Bookkeeping in memory, measured with 1,000 open encoders.
constexpr int64_t kBytesPerArray = 600;
constexpr int64_t kBytesPerWriter = 32 << 10;      // once a row group was written
constexpr int64_t kBytesPerColumnChunk = 2 << 10;  // its metadata, kept for the footer

// The form that other readers parse ("<application> version <number>").
constexpr const char* kCreatedBy = "sluice version " SLUICE_VERSION;

int64_t arrays_in(const arrow::DataType& type) {
  int64_t count = 1;
  for (const auto& field : type.fields()) count += arrays_in(*field->type());
  return count;
}

// Types that only the embedded Arrow schema brings back.
bool needs_arrow_schema(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DURATION || type.id() == arrow::Type::FIXED_SIZE_LIST) return true;
  if (type.id() == arrow::Type::TIMESTAMP) {
    const auto& zone = static_cast<const arrow::TimestampType&>(type).timezone();
    return !zone.empty() && zone != "UTC";
  }
  return std::any_of(type.fields().begin(), type.fields().end(),
                     [](const auto& field) { return needs_arrow_schema(*field->type()); });
}

class ParquetEncoder final : public Encoder {
 public:
  ParquetEncoder(const EncoderOptions& options, SchemaPtr schema, std::shared_ptr<arrow::io::OutputStream> out)
      : options_(options), schema_(std::move(schema)), out_(std::move(out)) {
    for (const auto& field : schema_->fields()) arrays_ += arrays_in(*field->type());
    start_ = out_->Tell().ValueOr(0);
  }

  Result<void> write(const arrow::RecordBatch& batch) override {
    CHECK(!finished_);
    for (int64_t begin = 0; begin < batch.num_rows();) {
      int64_t rows = std::min(batch.num_rows() - begin, options_.row_group_rows - held_rows_);
      TRY(hold(batch.Slice(begin, rows)));
      begin += rows;
      if (held_rows_ >= options_.row_group_rows || held_bytes_ >= options_.row_group_bytes) TRY(write_row_group());
    }
    return {};
  }

  Result<void> flush() override { return write_row_group(); }

  Result<void> finish() override {
    CHECK(!finished_);
    TRY(write_row_group());
    TRY(guarded([&] { return open_writer(); }));
    finished_ = true;
    TRY(guarded([&] { return writer_->Close(); }));
    writer_.reset();
    return {};
  }

  [[nodiscard]] int64_t bytes_buffered() const override {
    int64_t writer = writer_ == nullptr ? 0 : kBytesPerWriter + row_groups_ * arrays_ * kBytesPerColumnChunk;
    return held_bytes_ + static_cast<int64_t>(held_.size()) * arrays_ * kBytesPerArray + writer;
  }
  [[nodiscard]] int64_t bytes_out() const override { return out_->Tell().ValueOr(start_) - start_; }

 private:
  template <typename Function>
  static Result<void> guarded(const Function& function) {
    try {
      return to_result(function());
    } catch (const parquet::ParquetStatusException& e) {
      return from_arrow(e.status());
    } catch (const std::exception& e) {
      return user_error("cannot be written as Parquet: {}", e.what());
    }
  }

  // A slice keeps all of the batch alive that it was cut from: where that is much more, it is copied.
  Result<void> hold(BatchPtr rows) {
    int64_t bytes = TRY(to_result(arrow::util::ReferencedBufferSize(*rows)));
    if (2 * bytes < arrow::util::TotalBufferSize(*rows)) rows = TRY(copy_of(*rows));
    held_rows_ += rows->num_rows();
    held_bytes_ += bytes;
    held_.push_back(std::move(rows));
    return join_small();
  }

  // Like a binary counter: a tail of batches is joined once it outweighs the one before it, so that a row is copied
  // only a few times and few batches are held however small they came.
  Result<void> join_small() {
    size_t first = held_.size() - 1;
    int64_t tail = held_[first]->num_rows();
    while (first > 0 && held_[first - 1]->num_rows() < kSmallRows && held_[first - 1]->num_rows() <= 2 * tail) {
      tail += held_[--first]->num_rows();
    }
    if (first + 1 == held_.size()) return {};
    auto begin = held_.begin() + static_cast<std::ptrdiff_t>(first);
    auto joined = TRY(to_result(arrow::ConcatenateRecordBatches({begin, held_.end()})));
    held_.erase(begin, held_.end());
    held_.push_back(std::move(joined));
    return {};
  }

  static Result<BatchPtr> copy_of(const arrow::RecordBatch& rows) {
    arrow::ArrayVector columns;
    for (const auto& column : rows.columns()) columns.push_back(TRY(to_result(arrow::Concatenate({column}))));
    return arrow::RecordBatch::Make(rows.schema(), rows.num_rows(), std::move(columns));
  }

  // What the first row group teaches about the columns holds for the file: its properties cannot change later.
  [[nodiscard]] std::shared_ptr<parquet::WriterProperties> properties() {
    parquet::WriterProperties::Builder builder;
    builder.created_by(kCreatedBy)
        ->compression(options_.codec)
        ->data_pagesize(options_.page_bytes)
        ->max_row_group_length(options_.row_group_rows)
        ->write_batch_size(choose_write_batch())
        ->enable_store_decimal_as_integer();
    if (options_.level) builder.compression_level(*options_.level);
    if (!options_.statistics) builder.disable_statistics()->disable_write_page_index();
    if (!options_.dictionary) builder.disable_dictionary();
    for (const auto& column : choose_encodings(*schema_, held_)) {
      if (column.dictionary && options_.dictionary) {
        if (column.text_repeats) repeating_texts_.push_back(column.path);
        continue;
      }
      builder.disable_dictionary(column.path);
      if (options_.all_encodings) builder.encoding(column.path, column.encoding);
    }
    return builder.build();
  }

  // How many rows Arrow handles between two looks at the page's size: few where rows are wide.
  [[nodiscard]] int64_t choose_write_batch() const {
    constexpr int64_t kBytes = 4 << 20;
    int64_t width = held_rows_ == 0 ? 1 : std::max<int64_t>(1, held_bytes_ / held_rows_);
    return std::clamp<int64_t>(kBytes / width, 64, 20'000);
  }

  arrow::Status open_writer() {
    if (writer_ != nullptr) return arrow::Status::OK();
    parquet::ArrowWriterProperties::Builder arrow_properties;
    const auto& fields = schema_->fields();
    if (std::any_of(fields.begin(), fields.end(), [](const auto& f) { return needs_arrow_schema(*f->type()); })) {
      arrow_properties.store_schema();
    }
    ARROW_ASSIGN_OR_RAISE(writer_, parquet::arrow::FileWriter::Open(*schema_, arrow::default_memory_pool(), out_,
                                                                    properties(), arrow_properties.build()));
    return arrow::Status::OK();
  }

  Result<void> write_row_group() {
    if (held_rows_ == 0) return {};
    TRY(guarded([&] { return open_writer(); }));
    TRY(guarded([&] { return writer_->NewRowGroup(); }));
    for (int i = 0; i < schema_->num_fields(); ++i) {
      arrow::ArrayVector chunks;
      for (const auto& batch : held_) chunks.push_back(batch->column(i));
      chunks = TRY(encode_text(schema_->field(i)->name(), chunks, repeating_texts_));
      auto column = std::make_shared<arrow::ChunkedArray>(std::move(chunks));
      TRY(guarded([&] { return writer_->WriteColumnChunk(column); }));
    }
    ++row_groups_;
    held_.clear();
    held_rows_ = held_bytes_ = 0;
    return {};
  }

  const EncoderOptions options_;
  const SchemaPtr schema_;
  const std::shared_ptr<arrow::io::OutputStream> out_;
  int64_t start_ = 0;   // where in the stream the file begins
  int64_t arrays_ = 0;  // per batch
  std::vector<BatchPtr> held_;
  int64_t held_rows_ = 0;
  int64_t held_bytes_ = 0;
  int64_t row_groups_ = 0;                              // written
  std::vector<std::string> repeating_texts_;            // paths of columns
  std::unique_ptr<parquet::arrow::FileWriter> writer_;  // from the first row group on
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<Encoder> make_encoder(const EncoderOptions& options, SchemaPtr schema,
                                      std::shared_ptr<arrow::io::OutputStream> out) {
  return std::make_unique<ParquetEncoder>(options, std::move(schema), std::move(out));
}

}  // namespace sluice::parquet_format_detail
