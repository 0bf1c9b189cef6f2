#include "format/orc/decoder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <arrow/adapters/orc/adapter.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "batch/arrow_result.h"
#include "batch/plain.h"
#include "format/orc/stripe_check.h"
#include "format/orc/types.h"
#include "port/unknown_columns.h"

namespace sluice::orc_format_detail {
namespace {

using arrow::adapters::orc::ORCFileReader;

// Until rows were measured: few enough that they are no burden however wide they are.
constexpr int64_t kUnmeasuredRows = 1024;

// The adapter turns most exceptions of the ORC library into a Status, but not all.
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

// The library's own exceptions arrive as IOError without an errno: the bytes are wrong, which is the user's.
Fault fault_of(const arrow::Status& status) {
  auto fault = from_arrow(status).fault;
  const bool from_system = status.detail() != nullptr || status.IsOutOfMemory() || status.IsCancelled();
  return from_system ? fault : Fault::user;
}

Error open_error(const std::string& name, const arrow::Status& status) {
  return make_error(fault_of(status), "{} is not a complete ORC file: {}", name, from_arrow(status).what);
}

arrow::Result<std::unique_ptr<ORCFileReader>> open_reader(const std::shared_ptr<arrow::io::RandomAccessFile>& file) {
  return guarded([&]() -> arrow::Result<std::unique_ptr<ORCFileReader>> {
    ARROW_ASSIGN_OR_RAISE(auto bytes, file->GetSize());
    if (bytes == 0) return arrow::Status::Invalid("it is empty (0 bytes)");
    ARROW_ASSIGN_OR_RAISE(auto reader, ORCFileReader::Open(file, arrow::default_memory_pool()));
    // A damaged footer may claim anything; these are the places that are read.
    int64_t rows = 0;
    for (int64_t i = 0; i < reader->NumberOfStripes(); ++i) {
      auto stripe = reader->GetStripeInformation(i);
      if (stripe.num_rows < 0 || stripe.offset < 0 || stripe.length < 0 || stripe.offset > bytes - stripe.length) {
        return arrow::Status::Invalid("stripe ", i, " lies outside of the file");
      }
      rows += stripe.num_rows;
    }
    if (rows != reader->NumberOfRows()) return arrow::Status::Invalid("its stripes do not add up to its rows");
    return reader;
  });
}

struct OpenFile {
  std::string name;
  std::unique_ptr<ORCFileReader> reader;
  std::optional<StripeCheck> check;
  SchemaPtr schema;          // all of the file's columns, as Sluice sees them
  std::vector<int> columns;  // the ones that are read
  int64_t rows = 0;          // in the file
  int64_t stripe = -1;       // the current one
  int64_t stripe_end = 0;    // row number behind it
  double bytes_per_row = 0;  // stored, in the current stripe
  int64_t read = 0;          // row number behind what was read
  int64_t end = INT64_MAX;   // stripes that begin there or later belong to someone else
  std::shared_ptr<arrow::RecordBatchReader> batches;
};

class OrcDecoder final : public Decoder {
 public:
  OrcDecoder(const DecoderOptions& options, SchemaPtr planned)
      : options_(options),
        planned_(std::move(planned)),
        assembler_(options.request.batch_rows, options.request.batch_bytes) {}

  Result<void> open(Context&, Input input) override {
    assembler_.forget_rest();
    file_.reset();
    auto reader = open_reader(input.file);
    if (!reader.ok()) return open_error(input.name, reader.status());
    auto file = std::make_unique<OpenFile>();
    auto schema = guarded([&] { return (*reader)->ReadSchema(); });
    if (!schema.ok()) return open_error(input.name, schema.status());
    auto check = guarded([&] { return StripeCheck::open(input.file); });
    if (!check.ok()) return open_error(input.name, check.status());
    file->check = std::move(check).ValueUnsafe();
    file->name = input.name;
    file->reader = std::move(reader).ValueUnsafe();
    file->schema = TRY(readable_schema(input.name, **schema));
    TRY(refuse_unknown_columns(options_, input.name, file->schema->fields()));
    for (int i = 0; i < file->schema->num_fields(); ++i) {
      if (planned_->GetFieldIndex(file->schema->field(i)->name()) >= 0) file->columns.push_back(i);
    }
    file->rows = file->reader->NumberOfRows();
    file->read = position_ = std::min(input.begin, file->rows);
    file->end = input.end;
    file_ = std::move(file);
    return {};
  }

  Result<Step> step(Context& context) override {
    CHECK(file_ != nullptr);
    if (context.stop.stop_requested()) return cancelled();
    Step step;
    if (assembler_.drained()) {
      auto batch = guarded([&] { return next_batch(); });
      if (!batch.ok()) return read_error(batch.status());
      if (*batch == nullptr) {
        step.at_end = true;
        step.position = position_;
        return step;
      }
      int64_t rows = (*batch)->num_rows();
      step.bytes_read = static_cast<int64_t>(file_->bytes_per_row * static_cast<double>(rows));
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
  // Goes to the stripe that holds the next row. False at the end.
  arrow::Result<bool> next_stripe() {
    auto& file = *file_;
    for (++file.stripe; file.stripe < file.reader->NumberOfStripes(); ++file.stripe) {
      auto stripe = file.reader->GetStripeInformation(file.stripe);
      int64_t first = file.stripe_end;
      if (first >= file.end) return false;
      file.stripe_end = first + stripe.num_rows;
      if (stripe.num_rows == 0 || file.stripe_end <= file.read) continue;
      file.bytes_per_row = static_cast<double>(stripe.length) / static_cast<double>(stripe.num_rows);
      if (file.columns.empty()) return true;
      ARROW_RETURN_NOT_OK(file.check->check(file.stripe, file.columns, file.read - first));
      ARROW_RETURN_NOT_OK(file.reader->Seek(file.read));
      ARROW_ASSIGN_OR_RAISE(file.batches,
                            file.reader->NextStripeReader(assembler_.rows_wanted(kUnmeasuredRows), file.columns));
      if (file.batches == nullptr) return arrow::Status::Invalid("stripe ", file.stripe, " cannot be found");
      return true;
    }
    return false;
  }

  arrow::Result<BatchPtr> next_batch() {
    auto& file = *file_;
    for (;;) {
      if (file.read >= file.stripe_end) {
        file.batches = nullptr;
        ARROW_ASSIGN_OR_RAISE(bool more, next_stripe());
        if (!more) return BatchPtr();
      }
      if (file.columns.empty()) {  // only their number is asked for
        int64_t rows = file.stripe_end - std::exchange(file.read, file.stripe_end);
        return arrow::RecordBatch::Make(arrow::schema({}), rows, arrow::ArrayVector{});
      }
      BatchPtr batch;
      ARROW_RETURN_NOT_OK(file.batches->ReadNext(&batch));
      if (batch == nullptr || file.read + batch->num_rows() > file.stripe_end) {
        return arrow::Status::Invalid("it has another number of rows than its footer says");
      }
      if (batch->num_rows() == 0) continue;
      ARROW_RETURN_NOT_OK(batch->ValidateFull());  // text is UTF-8
      file.read += batch->num_rows();
      return batch;
    }
  }

  Result<BatchPtr> shape(const BatchPtr& batch) {
    auto conformed = conform(batch, planned_);
    if (conformed.ok()) return conformed;
    auto error = std::move(conformed).error();
    error.what = fmt::format("{}: {} (rows counted from row {})", file_->name, error.what, position_);
    return error;
  }

  Error read_error(const arrow::Status& status) const {
    return make_error(fault_of(status), "{} is damaged: stripe {}, after row {}: {}", file_->name, file_->stripe,
                      file_->read, from_arrow(status).what);
  }

  const DecoderOptions options_;
  const SchemaPtr planned_;
  BatchAssembler assembler_;
  std::unique_ptr<OpenFile> file_;
  int64_t position_ = 0;  // row number behind what the assembler took
};

}  // namespace

std::unique_ptr<Decoder> make_decoder(const DecoderOptions& options, SchemaPtr planned) {
  return std::make_unique<OrcDecoder>(options, std::move(planned));
}

Result<SchemaPtr> read_schema(const Input& input) {
  auto reader = open_reader(input.file);
  if (!reader.ok()) return open_error(input.name, reader.status());
  auto schema = guarded([&] { return (*reader)->ReadSchema(); });
  if (!schema.ok()) return open_error(input.name, schema.status());
  return readable_schema(input.name, **schema);
}

Result<std::vector<int64_t>> row_cuts(const Input& input, int64_t piece_bytes) {
  auto reader = open_reader(input.file);
  if (!reader.ok()) return open_error(input.name, reader.status());
  std::vector<int64_t> cuts;
  int64_t rows = 0;
  int64_t bytes = 0;
  for (int64_t i = 0; i < (*reader)->NumberOfStripes(); ++i) {
    auto stripe = (*reader)->GetStripeInformation(i);
    if (bytes >= piece_bytes && rows > 0) {
      cuts.push_back(rows);
      bytes = 0;
    }
    rows += stripe.num_rows;
    bytes += stripe.length;
  }
  return cuts;
}

}  // namespace sluice::orc_format_detail
