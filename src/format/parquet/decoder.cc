#include "format/parquet/decoder.h"

#include <algorithm>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>

#include "batch/arrow_result.h"
#include "batch/plain.h"
#include "format/parquet/columns.h"
#include "format/parquet/prune.h"
#include "port/fitting_rows.h"
#include "port/unknown_columns.h"

namespace sluice::parquet_format_detail {
namespace {

// Compressed bytes of the needed columns of one row group that are read at once. Larger ones are streamed, with buffers
// that add up to this: few requests on an object store, little memory everywhere.
constexpr int64_t kWholeRowGroupMax = 8 << 20;
constexpr int64_t kStreamBufferMin = 64 << 10;
// Dictionaries hide how wide rows are: until a batch was measured they are cut this short.
constexpr int64_t kUnmeasuredRows = 8 * 1024;
constexpr int64_t kBatchRowsMin = 256;

struct OpenFile {
  std::string name;
  std::unique_ptr<parquet::arrow::FileReader> reader;
  std::shared_ptr<parquet::FileMetaData> metadata;
  SchemaPtr plain;          // of the columns read
  std::vector<int> leaves;  // the columns read
  int row_group = -1;       // the current one
  std::unique_ptr<arrow::RecordBatchReader> rows;
  int64_t position = 0;      // rows before this one are read or pruned
  int64_t skip = 0;          // rows of the current row group to read and forget
  int64_t group_end = 0;     // row number behind the current row group
  double bytes_per_row = 0;  // compressed, in the current row group
};

// Runs what may throw. Arrow reports through Status, parquet-cpp partly through exceptions.
template <typename Function>
auto guarded(const Function& function) -> decltype(function()) {
  try {
    return function();
  } catch (const parquet::ParquetStatusException& e) {
    return e.status();
  } catch (const std::bad_alloc&) {
    return arrow::Status::OutOfMemory("not enough memory; is the file damaged?");
  } catch (const std::exception& e) {
    return arrow::Status::Invalid(e.what());
  }
}

std::string reason_of(const arrow::Status& status) {
  std::string text = from_arrow(status).what;
  for (std::string_view prefix : {"Parquet magic bytes not found in footer. Either the file is corrupted or "}) {
    if (text.starts_with(prefix)) text.erase(0, prefix.size());
  }
  return text;
}

// An error of the operating system keeps its Fault; anything else means the bytes are wrong, which is the user's.
Error open_error(const std::string& name, const arrow::Status& status) {
  auto fault = from_arrow(status).fault;
  return make_error(fault, "{} is not a complete Parquet file: {}", name, reason_of(status));
}

Error read_error(const OpenFile& file, const arrow::Status& status) {
  auto fault = from_arrow(status).fault;
  return make_error(fault, "{} is damaged: row group {}, after row {}: {}", file.name, file.row_group, file.position,
                    reason_of(status));
}

arrow::Result<std::shared_ptr<parquet::FileMetaData>> read_footer(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file) {
  return guarded([&]() -> arrow::Result<std::shared_ptr<parquet::FileMetaData>> {
    ARROW_ASSIGN_OR_RAISE(auto bytes, file->GetSize());
    if (bytes == 0) return arrow::Status::Invalid("it is empty (0 bytes)");
    return parquet::ReadMetaData(file);
  });
}

parquet::ArrowReaderProperties arrow_properties() {
  parquet::ArrowReaderProperties properties(/*use_threads=*/false);
  properties.set_pre_buffer(false);
  // INT96 in nanoseconds overflows for dates before 1677 and after 2262, which Spark and Hive write as sentinels.
  properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
  return properties;
}

arrow::Result<std::unique_ptr<parquet::arrow::FileReader>> open_reader(
    const std::shared_ptr<arrow::io::RandomAccessFile>& file, const std::shared_ptr<parquet::FileMetaData>& metadata,
    int64_t stream_buffer) {
  return guarded([&]() -> arrow::Result<std::unique_ptr<parquet::arrow::FileReader>> {
    parquet::ReaderProperties properties;
    properties.set_page_checksum_verification(true);
    if (stream_buffer > 0) {
      properties.enable_buffered_stream();
      properties.set_buffer_size(stream_buffer);
    }
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(file, properties, metadata));
    builder.properties(arrow_properties());
    return builder.Build();
  });
}

arrow::Result<parquet::arrow::SchemaManifest> make_manifest(const parquet::FileMetaData& metadata) {
  return guarded([&]() -> arrow::Result<parquet::arrow::SchemaManifest> {
    parquet::arrow::SchemaManifest manifest;
    ARROW_RETURN_NOT_OK(parquet::arrow::SchemaManifest::Make(metadata.schema(), metadata.key_value_metadata(),
                                                             arrow_properties(), &manifest));
    return manifest;
  });
}

int64_t compressed_bytes(const parquet::FileMetaData& metadata, int row_group, const std::vector<int>& leaves) {
  auto group = metadata.RowGroup(row_group);
  int64_t bytes = 0;
  for (int leaf : leaves) bytes += group->ColumnChunk(leaf)->total_compressed_size();
  return bytes;
}

// 0: row groups are small enough to be read at once.
int64_t choose_stream_buffer(const parquet::FileMetaData& metadata, const std::vector<int>& leaves) {
  int64_t largest = 0;
  for (int i = 0; i < metadata.num_row_groups(); ++i)
    largest = std::max(largest, compressed_bytes(metadata, i, leaves));
  if (largest <= kWholeRowGroupMax) return 0;
  return std::max(kStreamBufferMin, kWholeRowGroupMax / std::max<int64_t>(1, static_cast<int64_t>(leaves.size())));
}

class ParquetDecoder final : public Decoder {
 public:
  ParquetDecoder(const DecoderOptions& options, SchemaPtr planned) : options_(options), planned_(std::move(planned)) {}

  Result<void> open(Context&, Input input) override {
    file_.reset();
    auto metadata = read_footer(input.file);
    if (!metadata.ok()) return open_error(input.name, metadata.status());
    auto manifest = make_manifest(**metadata);
    if (!manifest.ok()) return open_error(input.name, manifest.status());
    auto plain = plain_schema(*manifest);
    TRY(refuse_double_names(input.name, *plain));
    TRY(refuse_unknown_columns(options_, input.name, plain->fields()));
    auto opened = guarded([&] { return open_file(input, *metadata, *manifest); });
    if (!opened.ok()) return open_error(input.name, opened.status());
    file_ = std::move(opened).ValueUnsafe();
    return {};
  }

  Result<Step> step(Context& context) override {
    CHECK(file_ != nullptr);
    if (context.stop.stop_requested()) return cancelled();
    Step step;
    if (held_ == nullptr) {
      auto batch = guarded([&] { return next_batch(); });
      if (!batch.ok()) return read_error(*file_, batch.status());
      if (*batch == nullptr) {
        step.at_end = true;
        step.position = file_->position;
        return step;
      }
      held_ = TRY(shape(*batch));
      held_from_ = file_->position;
      held_rows_ = (*batch)->num_rows();
      step.bytes_read = static_cast<int64_t>(file_->bytes_per_row * static_cast<double>(held_rows_));
      file_->position += held_rows_;
    }
    // What would not fit any more waits until the batch was taken; the position is that of the rows in it.
    int64_t held_bytes = measure(*held_);
    if (!ready_.empty() &&
        (ready_rows_ + held_rows_ > request().batch_rows || ready_bytes_ + held_bytes > request().batch_bytes)) {
      step.full = true;
      step.position = held_from_;
      return step;
    }
    ready_rows_ += held_rows_;
    ready_bytes_ += held_bytes;
    ready_.push_back(std::move(held_));
    std::move(held_rejects_.begin(), held_rejects_.end(), std::back_inserter(rejects_));
    held_rejects_.clear();
    step.full = ready_rows_ >= request().batch_rows || ready_bytes_ >= request().batch_bytes;
    step.position = file_->position;
    return step;
  }

  Result<BatchPtr> take(std::vector<Reject>* rejects) override {
    if (rejects != nullptr) std::move(rejects_.begin(), rejects_.end(), std::back_inserter(*rejects));
    rejects_.clear();
    auto batches = std::exchange(ready_, {});
    ready_rows_ = ready_bytes_ = 0;
    if (batches.empty()) return BatchPtr();
    if (batches.size() == 1) return batches[0];
    return TRY(to_result(arrow::ConcatenateRecordBatches(batches)));
  }

 private:
  [[nodiscard]] const ReadRequest& request() const { return options_.request; }

  arrow::Result<std::unique_ptr<OpenFile>> open_file(const Input& input,
                                                     const std::shared_ptr<parquet::FileMetaData>& metadata,
                                                     const parquet::arrow::SchemaManifest& manifest) {
    auto file = std::make_unique<OpenFile>();
    file->name = input.name;
    file->metadata = metadata;
    file->leaves = leaves_of(manifest, *planned_);
    ARROW_ASSIGN_OR_RAISE(file->reader,
                          open_reader(input.file, metadata, choose_stream_buffer(*metadata, file->leaves)));
    file->position = 0;
    begin_ = input.begin;
    end_ = input.end;
    return file;
  }

  // Goes to the next row group that has rows behind the starting row and may pass the filter. False at the end.
  arrow::Result<bool> next_row_group() {
    auto& file = *file_;
    for (++file.row_group; file.row_group < file.metadata->num_row_groups(); ++file.row_group) {
      int64_t rows = file.metadata->RowGroup(file.row_group)->num_rows();
      int64_t first = file.group_end;
      if (first >= end_) return false;
      file.group_end = first + rows;
      if (rows == 0 || file.group_end <= begin_ ||
          !may_match(*file.metadata, file.reader->manifest(), file.row_group, request().filter)) {
        file.position = file.group_end;
        continue;
      }
      file.skip = std::max<int64_t>(0, begin_ - first);
      file.position = first + file.skip;
      file.bytes_per_row = static_cast<double>(compressed_bytes(*file.metadata, file.row_group, file.leaves)) /
                           static_cast<double>(rows);
      file.reader->set_batch_size(choose_batch_rows(rows));
      ARROW_ASSIGN_OR_RAISE(file.rows, file.reader->GetRecordBatchReader({file.row_group}, file.leaves));
      return true;
    }
    return false;
  }

  // A row's width in memory is known from earlier batches, or guessed from the pages' size.
  int64_t choose_batch_rows(int64_t group_rows) const {
    auto group = file_->metadata->RowGroup(file_->row_group);
    int64_t bytes = 0;
    bool hidden = false;
    for (int leaf : file_->leaves) {
      auto chunk = group->ColumnChunk(leaf);
      bytes += chunk->total_uncompressed_size();
      hidden = hidden || (chunk->has_dictionary_page() && chunk->type() == parquet::Type::BYTE_ARRAY);
    }
    double width = std::max(static_cast<double>(bytes) / static_cast<double>(group_rows), measured_width_);
    auto rows = static_cast<int64_t>(static_cast<double>(request().batch_bytes) / std::max(width, 1.0));
    if (measured_width_ == 0 && hidden) rows = std::min(rows, kUnmeasuredRows);
    return std::clamp(rows, std::min(kBatchRowsMin, request().batch_rows), request().batch_rows);
  }

  arrow::Result<BatchPtr> next_batch() {
    for (;;) {
      if (file_->rows == nullptr) {
        ARROW_ASSIGN_OR_RAISE(bool more, next_row_group());
        if (!more) return BatchPtr();
      }
      BatchPtr batch;
      ARROW_RETURN_NOT_OK(file_->rows->ReadNext(&batch));
      if (batch == nullptr) {
        file_->rows = nullptr;
        if (file_->position != file_->group_end) {
          return arrow::Status::Invalid("it has fewer rows than its footer says");
        }
        continue;
      }
      if (int64_t skipped = std::min(file_->skip, batch->num_rows()); skipped > 0) {
        file_->skip -= skipped;
        batch = batch->Slice(skipped);
      }
      if (batch->num_rows() > 0) return batch;
    }
  }

  Result<BatchPtr> shape(const BatchPtr& batch) {
    if (file_->plain == nullptr) file_->plain = plain_part(*batch->schema());
    auto plain = make_plain(batch, file_->plain);
    if (!plain.ok()) {
      auto error = std::move(plain).error();
      error.what = fmt::format("{}: {} (rows counted from row {})", file_->name, error.what, file_->position);
      return error;
    }
    return fitting_rows(plain.value(), planned_, file_->name, file_->position,
                        options_.collect_rejects ? &held_rejects_ : nullptr);
  }

  // The plain types of the columns that were read: whole columns or structs with some of their fields.
  SchemaPtr plain_part(const arrow::Schema& read) const {
    auto whole = plain_schema(file_->reader->manifest());
    arrow::FieldVector fields;
    for (const auto& field : read.fields()) fields.push_back(part_of(*whole->GetFieldByName(field->name()), *field));
    return arrow::schema(std::move(fields));
  }
  static std::shared_ptr<arrow::Field> part_of(const arrow::Field& whole, const arrow::Field& read) {
    if (read.type()->id() != arrow::Type::STRUCT || read.type()->num_fields() == whole.type()->num_fields()) {
      return whole.Copy();
    }
    arrow::FieldVector fields;
    const auto& all = static_cast<const arrow::StructType&>(*whole.type());
    for (const auto& field : read.type()->fields()) {
      fields.push_back(part_of(*all.GetFieldByName(field->name()), *field));
    }
    return whole.WithType(arrow::struct_(fields));
  }

  int64_t measure(const arrow::RecordBatch& batch) {
    if (batch.num_rows() == 0) return 0;
    auto bytes = arrow::util::ReferencedBufferSize(batch);
    int64_t total = bytes.ok() ? *bytes : arrow::util::TotalBufferSize(batch);
    measured_width_ = static_cast<double>(total) / static_cast<double>(batch.num_rows());
    return total;
  }

  const DecoderOptions options_;
  const SchemaPtr planned_;
  std::unique_ptr<OpenFile> file_;
  int64_t begin_ = 0;
  int64_t end_ = INT64_MAX;           // row groups that begin there or later belong to someone else
  double measured_width_ = 0;         // bytes of a row in memory, in the last batch
  BatchPtr held_;                     // decoded, but did not fit into the batch
  int64_t held_from_ = 0;             // its first row
  int64_t held_rows_ = 0;             // with those that became rejects
  std::vector<Reject> held_rejects_;  // of its rows
  std::vector<Reject> rejects_;
  std::vector<BatchPtr> ready_;
  int64_t ready_rows_ = 0;
  int64_t ready_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Decoder> make_decoder(const DecoderOptions& options, SchemaPtr planned) {
  return std::make_unique<ParquetDecoder>(options, std::move(planned));
}

Result<std::vector<int64_t>> row_cuts(const Input& input, int64_t piece_bytes) {
  auto metadata = read_footer(input.file);
  if (!metadata.ok()) return open_error(input.name, metadata.status());
  std::vector<int64_t> cuts;
  int64_t rows = 0;
  int64_t bytes = 0;
  for (int i = 0; i < (*metadata)->num_row_groups(); ++i) {
    auto group = (*metadata)->RowGroup(i);
    if (bytes >= piece_bytes) {
      cuts.push_back(rows);
      bytes = 0;
    }
    rows += group->num_rows();
    for (int column = 0; column < group->num_columns(); ++column) {
      bytes += group->ColumnChunk(column)->total_compressed_size();
    }
  }
  return cuts;
}

Result<SchemaPtr> read_schema(const Input& input) {
  auto metadata = read_footer(input.file);
  if (!metadata.ok()) return open_error(input.name, metadata.status());
  auto manifest = make_manifest(**metadata);
  if (!manifest.ok()) return open_error(input.name, manifest.status());
  auto schema = plain_schema(*manifest);
  TRY(refuse_double_names(input.name, *schema));
  return schema;
}

}  // namespace sluice::parquet_format_detail
