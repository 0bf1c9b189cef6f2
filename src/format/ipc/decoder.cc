#include "format/ipc/decoder.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <arrow/buffer.h>
#include <arrow/io/buffered.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "batch/arrow_result.h"
#include "batch/plain.h"
#include "format/ipc/footer.h"
#include "port/unknown_columns.h"

namespace sluice::ipc_format_detail {
namespace {

constexpr int64_t kStreamBuffer = 1 << 20;
// An IPC stream ends with this (so do the messages inside a file); older ones with four zero bytes.
constexpr std::string_view kEndOfStream("\xff\xff\xff\xff\0\0\0\0", 8);
constexpr std::string_view kOldFeather = "FEA1";

// Never asks for more than there is: a damaged length would have a gigabyte allocated first.
class Capped final : public arrow::io::InputStream {
 public:
  Capped(std::shared_ptr<arrow::io::InputStream> bytes, int64_t size) : bytes_(std::move(bytes)), left_(size) {}
  arrow::Status Close() override { return bytes_->Close(); }
  [[nodiscard]] bool closed() const override { return bytes_->closed(); }
  [[nodiscard]] arrow::Result<int64_t> Tell() const override { return bytes_->Tell(); }
  arrow::Result<int64_t> Read(int64_t count, void* out) override {
    ARROW_ASSIGN_OR_RAISE(int64_t read, bytes_->Read(std::min(count, left_), out));
    left_ -= read;
    return read;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t count) override {
    ARROW_ASSIGN_OR_RAISE(auto read, bytes_->Read(std::min(count, left_)));
    left_ -= read->size();
    return read;
  }

 private:
  const std::shared_ptr<arrow::io::InputStream> bytes_;
  int64_t left_;
};

// Damaged metadata may make Arrow throw where it allocates.
template <typename Function>
auto guarded(const Function& function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return arrow::Status::OutOfMemory("not enough memory; is the file damaged?");
  } catch (const std::exception& e) {
    return arrow::Status::Invalid(e.what());
  }
}

// Arrow reports damage as Invalid, IOError or SerializationError: only what the system reported is not the user's.
Fault fault_of(const arrow::Status& status) {
  const bool from_system = status.detail() != nullptr || status.IsOutOfMemory() || status.IsCancelled();
  return from_system ? from_arrow(status).fault : Fault::user;
}

Error open_error(const std::string& name, const arrow::Status& status) {
  return make_error(fault_of(status), "{} is not a complete Arrow file: {}", name, from_arrow(status).what);
}

using ReaderPtr = std::shared_ptr<arrow::ipc::RecordBatchFileReader>;
using StreamPtr = std::shared_ptr<arrow::ipc::RecordBatchStreamReader>;

// One file, opened as whichever of the two it is.
struct Opened {
  ReaderPtr file;
  StreamPtr stream;
  std::shared_ptr<arrow::io::InputStream> stream_bytes;  // what it reads
  std::vector<RecordBlock> blocks;                       // of a file

  [[nodiscard]] SchemaPtr schema() const { return file != nullptr ? file->schema() : stream->schema(); }
};

arrow::Result<std::string> bytes_at(arrow::io::RandomAccessFile& file, int64_t at, int64_t count) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, file.ReadAt(at, count));
  return buffer->ToString();
}

arrow::Result<bool> is_file(arrow::io::RandomAccessFile& file) {
  ARROW_ASSIGN_OR_RAISE(auto head, bytes_at(file, 0, kMagicBytes));
  if (head.empty()) return arrow::Status::Invalid("it is empty (0 bytes)");
  if (head.starts_with(kOldFeather)) {
    return arrow::Status::Invalid("it is Feather version 1; write it again as version 2, which is Arrow's own format");
  }
  if (head == kMagic) return true;
  // A stream begins with a schema message, whose metadata is a few KB: 0xFFFFFFFF and its length, or the length alone.
  const bool now = head.starts_with(kEndOfStream.substr(0, 4));
  const bool before = head.size() >= 4 && head[2] == 0 && head[3] == 0;
  if (!now && !before) return arrow::Status::Invalid("it begins neither as an Arrow file nor as an Arrow stream");
  // Arrow takes any end between two messages for the end of the stream, and rows would be missing unnoticed.
  ARROW_ASSIGN_OR_RAISE(int64_t size, file.GetSize());
  auto mark = now ? kEndOfStream : kEndOfStream.substr(4);
  auto bytes = static_cast<int64_t>(mark.size());
  ARROW_ASSIGN_OR_RAISE(auto tail, bytes_at(file, std::max<int64_t>(0, size - bytes), bytes));
  if (tail != mark) return arrow::Status::Invalid("it has no end-of-stream mark, so its writer did not finish");
  return false;
}

arrow::ipc::IpcReadOptions read_options(std::vector<int> columns) {
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;
  options.included_fields = std::move(columns);  // empty: all
  return options;
}

arrow::Result<Opened> open_input(const std::shared_ptr<arrow::io::RandomAccessFile>& file, std::vector<int> columns) {
  return guarded([&]() -> arrow::Result<Opened> {
    Opened opened;
    ARROW_ASSIGN_OR_RAISE(bool as_file, is_file(*file));
    if (as_file) {
      ARROW_ASSIGN_OR_RAISE(opened.blocks, read_blocks(*file));
      ARROW_ASSIGN_OR_RAISE(opened.file,
                            arrow::ipc::RecordBatchFileReader::Open(file, read_options(std::move(columns))));
      if (opened.file->num_record_batches() != static_cast<int>(opened.blocks.size())) {
        return arrow::Status::Invalid("its footer contradicts itself");
      }
      return opened;
    }
    ARROW_ASSIGN_OR_RAISE(int64_t size, file->GetSize());
    ARROW_ASSIGN_OR_RAISE(auto all, arrow::io::RandomAccessFile::GetStream(file, 0, size));
    ARROW_ASSIGN_OR_RAISE(auto buffered, arrow::io::BufferedInputStream::Create(
                                             kStreamBuffer, arrow::default_memory_pool(), std::move(all)));
    opened.stream_bytes = std::make_shared<Capped>(std::move(buffered), size);
    ARROW_ASSIGN_OR_RAISE(opened.stream, arrow::ipc::RecordBatchStreamReader::Open(opened.stream_bytes,
                                                                                   read_options(std::move(columns))));
    return opened;
  });
}

Result<void> refuse_unreadable(const std::string& name, const std::string& column, const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::SPARSE_UNION:
    case arrow::Type::DENSE_UNION:
    case arrow::Type::RUN_END_ENCODED:
    case arrow::Type::INTERVAL_MONTHS:
    case arrow::Type::INTERVAL_DAY_TIME:
      return user_error("{}: column '{}' is a {}, which Sluice does not read", name, column, type.ToString());
    default:
      break;
  }
  for (const auto& field : type.fields()) {
    TRY(refuse_unreadable(name, column + "." + field->name(), *field->type()));
  }
  return {};
}

Result<SchemaPtr> readable_schema(const std::string& name, const arrow::Schema& schema) {
  TRY(refuse_double_names(name, schema));
  auto plain = plain_schema(schema);
  for (const auto& field : plain->fields()) TRY(refuse_unreadable(name, field->name(), *field->type()));
  return plain;
}

class IpcDecoder final : public Decoder {
 public:
  IpcDecoder(const DecoderOptions& options, SchemaPtr planned)
      : options_(options),
        planned_(std::move(planned)),
        assembler_(options.request.batch_rows, options.request.batch_bytes) {}

  Result<void> open(Context&, Input input) override {
    assembler_.forget_rest();
    opened_ = {};
    name_ = input.name;
    auto opened = open_input(input.file, {});
    if (!opened.ok()) return open_error(name_, opened.status());
    auto schema = TRY(readable_schema(name_, *opened->schema()));
    TRY(refuse_unknown_columns(options_, name_, schema->fields()));
    std::vector<int> columns;
    for (int i = 0; i < schema->num_fields(); ++i) {
      if (planned_->GetFieldIndex(schema->field(i)->name()) >= 0) columns.push_back(i);
    }
    // Only their number is asked for: no column has to be read, but an empty list would mean all of them.
    count_only_ = columns.empty() && opened->file != nullptr;
    if (columns.empty() && schema->num_fields() > 0) columns = {0};
    if (columns.size() < static_cast<size_t>(schema->num_fields())) {
      opened = open_input(input.file, std::move(columns));
      if (!opened.ok()) return open_error(name_, opened.status());
    }
    opened_ = std::move(opened).ValueUnsafe();
    block_ = 0;
    next_row_ = stream_at_ = 0;
    begin_ = position_ = input.begin;
    end_ = input.end;
    return {};
  }

  Result<Step> step(Context& context) override {
    CHECK(opened_.file != nullptr || opened_.stream != nullptr);
    if (context.stop.stop_requested()) return cancelled();
    Step step;
    if (assembler_.drained()) {
      auto batch = guarded([&] { return next_batch(&step); });
      if (!batch.ok()) {
        return make_error(fault_of(batch.status()), "{} is damaged: record batch {}, after row {}: {}", name_, block_,
                          next_row_, from_arrow(batch.status()).what);
      }
      if (*batch == nullptr) {
        step.at_end = true;
        step.position = position_;
        return step;
      }
      position_ += TRY(assembler_.feed(TRY(shape(*batch))));
    } else {
      position_ += TRY(assembler_.refill());
    }
    step.full = assembler_.full();
    step.position = position_;
    return step;
  }

  Result<BatchPtr> take(std::vector<Reject>*) override { return assembler_.take(); }

 private:
  // The rows of the next record batch that lie behind the starting row. Null at the end.
  arrow::Result<BatchPtr> next_batch(Step* step) {
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(auto batch, opened_.file != nullptr ? next_of_file(step) : next_of_stream(step));
      if (batch == nullptr) return batch;
      ++block_;
      int64_t first = next_row_;
      next_row_ += batch->num_rows();
      if (next_row_ <= begin_) continue;
      ARROW_RETURN_NOT_OK(batch->ValidateFull());  // offsets stay inside, text is UTF-8
      return first >= begin_ ? batch : batch->Slice(begin_ - first);
    }
  }

  arrow::Result<BatchPtr> next_of_file(Step* step) {
    for (; block_ < static_cast<int>(opened_.blocks.size()); ++block_) {
      const auto& block = opened_.blocks[static_cast<size_t>(block_)];
      if (next_row_ >= end_) return BatchPtr();
      if (block.rows == 0 || next_row_ + block.rows <= begin_) {
        next_row_ += block.rows;
        continue;
      }
      step->bytes_read += block.bytes;
      if (count_only_) return arrow::RecordBatch::Make(arrow::schema({}), block.rows, arrow::ArrayVector{});
      ARROW_ASSIGN_OR_RAISE(auto batch, opened_.file->ReadRecordBatch(block_));
      if (batch->num_rows() != block.rows) return arrow::Status::Invalid("it has another number of rows than it says");
      return batch;
    }
    return BatchPtr();
  }

  arrow::Result<BatchPtr> next_of_stream(Step* step) {
    for (;;) {
      BatchPtr batch;
      ARROW_RETURN_NOT_OK(opened_.stream->ReadNext(&batch));
      if (batch == nullptr || next_row_ >= end_) return BatchPtr();
      if (batch->num_rows() == 0) continue;
      int64_t at = opened_.stream_bytes->Tell().ValueOr(stream_at_);
      step->bytes_read += at - std::exchange(stream_at_, at);
      return batch;
    }
  }

  Result<BatchPtr> shape(const BatchPtr& batch) {
    auto conformed = conform(batch, planned_);
    if (conformed.ok()) return conformed;
    auto error = std::move(conformed).error();
    error.what = fmt::format("{}: {} (rows counted from row {})", name_, error.what, position_);
    return error;
  }

  const DecoderOptions options_;
  const SchemaPtr planned_;
  BatchAssembler assembler_;
  std::string name_;
  Opened opened_;
  bool count_only_ = false;
  int block_ = 0;            // the next record batch
  int64_t next_row_ = 0;     // its first row
  int64_t begin_ = 0;        // rows before it are not wanted
  int64_t end_ = INT64_MAX;  // record batches that begin there or later belong to someone else
  int64_t position_ = 0;     // row number behind what the assembler took
  int64_t stream_at_ = 0;
};

}  // namespace

std::unique_ptr<Decoder> make_decoder(const DecoderOptions& options, SchemaPtr planned) {
  return std::make_unique<IpcDecoder>(options, std::move(planned));
}

Result<SchemaPtr> read_schema(const Input& input) {
  auto opened = open_input(input.file, {});
  if (!opened.ok()) return open_error(input.name, opened.status());
  return readable_schema(input.name, *opened->schema());
}

Result<std::vector<int64_t>> row_cuts(const Input& input, int64_t piece_bytes) {
  auto opened = open_input(input.file, {});
  if (!opened.ok()) return open_error(input.name, opened.status());
  std::vector<int64_t> cuts;
  int64_t rows = 0;
  int64_t bytes = 0;
  for (const auto& block : opened->blocks) {
    if (bytes >= piece_bytes && rows > 0) {
      cuts.push_back(rows);
      bytes = 0;
    }
    rows += block.rows;
    bytes += block.bytes;
  }
  return cuts;
}

}  // namespace sluice::ipc_format_detail
