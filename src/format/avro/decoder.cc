#include "format/avro/decoder.h"

#include <algorithm>
#include <utility>

#include <arrow/array/concatenate.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "avro/arrow_schema.h"
#include "avro/container.h"
#include "avro/reader.h"
#include "port/fitting_rows.h"
#include "port/unknown_columns.h"

namespace sluice::avro_format_detail {
namespace {

// Payload bytes of one step, so that a stop request is seen in time.
constexpr int64_t kStepBytes = 1 << 20;
// How long finding cuts may take: on a disk a GB takes some milliseconds, on an object store each look is a request.
constexpr Millis kCutsTime{250};
constexpr int64_t kCutsWindowBytes = 4 << 10;
constexpr size_t kIndexedFilesMax = 1000;

class AvroDecoder final : public Decoder {
 public:
  AvroDecoder(DecoderPlan plan, std::shared_ptr<const BlockIndex> index)
      : plan_(std::move(plan)), index_(std::move(index)) {}

  Result<void> open(Context&, Input input) override {
    file_.reset();
    payload_ = {};
    rows_left_ = 0;
    auto file = TRY(avro::ContainerReader::open(input.name, input.file));
    TRY(use_schema(input.name, file->schema()));
    name_ = input.name;
    position_ = input.begin;
    end_ = input.end;
    file_ = std::move(file);
    return seek();
  }

  Result<Step> step(Context& context) override {
    CHECK(file_ != nullptr);
    if (context.stop.stop_requested()) return cancelled();
    Step step;
    while (step.bytes_read < kStepBytes && !step.full && !step.at_end) {
      if (rows_left_ == 0 && !TRY(next_block(&step.bytes_read))) {
        step.at_end = true;
        break;
      }
      TRY(read_rows());
      step.full = held_rows_ + reader_rows() >= plan_.options.request.batch_rows ||
                  held_bytes_ + reader_bytes() >= plan_.options.request.batch_bytes;
    }
    step.position = position_;
    return step;
  }

  [[nodiscard]] std::optional<int64_t> reached() const override { return position_; }

  Result<BatchPtr> take(std::vector<Reject>* rejects) override {
    TRY(hold());
    if (rejects != nullptr) std::move(rejects_.begin(), rejects_.end(), std::back_inserter(*rejects));
    rejects_.clear();
    auto batches = std::exchange(held_, {});
    held_rows_ = held_bytes_ = 0;
    if (batches.empty()) return BatchPtr();
    if (batches.size() == 1) return batches[0];
    auto joined = arrow::ConcatenateRecordBatches(batches);
    if (!joined.ok()) return refused("a batch of Avro rows cannot be put together: {}", joined.status().message());
    return *joined;
  }

 private:
  // Files mostly have one schema: the plan compiled for the last one, and its rows, go on.
  Result<void> use_schema(const std::string& name, const avro::SchemaRef& writer) {
    if (reader_ != nullptr && writer_->json() == writer->json()) return {};
    TRY(refuse_unknown(name, *writer));
    TRY(hold());
    auto wanted = plan_.planned.get();
    auto made = avro::RowReader::make(writer, plan_.reader != nullptr ? plan_.reader : writer, wanted);
    if (!made.ok()) return make_error(made.error().fault, "{}: {}", name, made.error().what);
    writer_ = writer;
    reader_ = std::move(made).value();
    return {};
  }

  // With a reader schema, what it leaves out is left out on purpose.
  Result<void> refuse_unknown(const std::string& name, const avro::Schema& writer) const {
    if (!plan_.options.refuse_unknown || plan_.reader != nullptr) return {};
    auto schema = avro::to_arrow(writer);
    if (!schema.ok()) return make_error(schema.error().fault, "{}: {}", name, schema.error().what);
    return refuse_unknown_columns(plan_.options, name, schema.value()->fields());
  }

  // To the block that holds the row to start at.
  Result<void> seek() {
    if (position_ == 0) return {};
    const auto place = index_->find(name_, position_);
    if (place.row > 0) TRY(file_->jump(place.offset, place.row));
    for (;;) {
      if (!TRY(file_->next(/*skipping=*/true))) {
        if (file_->block().first_row < position_) {
          return user_error("{}: has been read up to row {} before and has {} rows now", name_, position_,
                            file_->block().first_row);
        }
        return {};
      }
      const auto& block = file_->block();
      if (block.first_row + block.rows > position_) break;
    }
    const int64_t before = position_ - file_->block().first_row;
    TRY(open_block());
    if (before > 0 && !reader_->schema()->fields().empty()) TRY(pass_over(before));
    rows_left_ -= before;
    return {};
  }

  // Rows of a block have no index: those before the starting row are read and forgotten.
  Result<void> pass_over(int64_t rows) {
    TRY(hold());
    while (rows > 0) {
      auto read =
          reader_->read(payload_, std::min(rows, plan_.options.request.batch_rows), plan_.options.request.batch_bytes);
      if (!read.ok()) return file_->damaged(file_->block().first_row + reader_->rows(), read.error().what);
      payload_ = payload_.subspan(static_cast<size_t>(read.value()));
      rows -= reader_->rows();
      TRY(reader_->take());
    }
    return {};
  }

  // False behind the last block, or where the rows are another reader's.
  Result<bool> next_block(int64_t* bytes_read) {
    do {
      const bool counting = reader_->schema()->num_fields() == 0;
      if (position_ >= end_ || !TRY(file_->next(counting))) return false;
      *bytes_read += file_->block().stored_bytes;
      TRY(open_block());
    } while (rows_left_ == 0);
    return true;
  }

  Result<void> open_block() {
    rows_left_ = file_->block().rows;
    if (reader_->schema()->num_fields() > 0) payload_ = TRY(file_->payload());
    return {};
  }

  Result<void> read_rows() {
    const int64_t room = plan_.options.request.batch_rows - held_rows_ - reader_rows();
    const int64_t wanted = std::min({rows_left_, room, end_ - position_});
    if (reader_->schema()->num_fields() == 0) {  // only their number matters
      counted_rows_ += wanted;
      rows_left_ -= wanted;
      position_ += wanted;
      return {};
    }
    const int64_t before = reader_->rows();
    auto read = reader_->read(payload_, wanted, plan_.options.request.batch_bytes - held_bytes_);
    const int64_t rows = reader_->rows() - before;
    position_ += rows;
    if (!read.ok()) return file_->damaged(position_, read.error().what);
    payload_ = payload_.subspan(static_cast<size_t>(read.value()));
    rows_left_ -= rows;
    if (rows_left_ == 0 && !payload_.empty()) {
      return file_->damaged(position_, fmt::format("{} bytes are left behind its last row", payload_.size()));
    }
    if (position_ >= end_) rows_left_ = 0;
    return {};
  }

  [[nodiscard]] int64_t reader_rows() const { return reader_ == nullptr ? 0 : reader_->rows() + counted_rows_; }
  [[nodiscard]] int64_t reader_bytes() const { return reader_ == nullptr ? 0 : reader_->bytes(); }

  // Moves the reader's rows to held_, in the planned schema.
  Result<void> hold() {
    if (reader_rows() == 0) return {};
    BatchPtr batch;
    if (counted_rows_ > 0) {
      batch = arrow::RecordBatch::Make(reader_->schema(), std::exchange(counted_rows_, 0), arrow::ArrayVector{});
    } else {
      held_bytes_ += reader_->bytes();
      batch = TRY(reader_->take());
    }
    auto rows = TRY(fitting_rows(batch, plan_.planned, name_, position_ - batch->num_rows(),
                                 plan_.options.collect_rejects ? &rejects_ : nullptr));
    held_rows_ += batch->num_rows();
    held_.push_back(std::move(rows));
    return {};
  }

  const DecoderPlan plan_;
  const std::shared_ptr<const BlockIndex> index_;  // a decoder may outlive its format
  std::string name_;
  std::unique_ptr<avro::ContainerReader> file_;
  avro::SchemaRef writer_;
  std::unique_ptr<avro::RowReader> reader_;
  ByteSpan payload_;       // of the current block, what is not read yet
  int64_t rows_left_ = 0;  // of the current block
  int64_t position_ = 0;
  int64_t end_ = INT64_MAX;
  int64_t counted_rows_ = 0;  // where no column is asked for
  std::vector<BatchPtr> held_;
  std::vector<Reject> rejects_;  // of the rows in held_
  int64_t held_rows_ = 0;
  int64_t held_bytes_ = 0;
};

}  // namespace

void BlockIndex::record(const std::string& file, std::vector<Place> places) {
  std::lock_guard lock(mutex_);
  if (places_.size() >= kIndexedFilesMax) places_.clear();
  places_.insert_or_assign(file, std::move(places));
}

BlockIndex::Place BlockIndex::find(const std::string& file, int64_t row) const {
  std::lock_guard lock(mutex_);
  auto found = places_.find(file);
  if (found == places_.end()) return {};
  auto behind = std::upper_bound(found->second.begin(), found->second.end(), row,
                                 [](int64_t wanted, const Place& place) { return wanted < place.row; });
  return behind == found->second.begin() ? Place{} : *std::prev(behind);
}

Result<std::vector<int64_t>> find_cuts(Context& context, const Input& input, int64_t piece_bytes, BlockIndex& index) {
  auto file = TRY(avro::ContainerReader::open(input.name, input.file, kCutsWindowBytes));
  const auto deadline = context.clock.steady() + kCutsTime;
  std::vector<int64_t> cuts;
  std::vector<BlockIndex::Place> places;
  int64_t piece_begin = 0;
  while (TRY(file->next(/*skipping=*/true))) {
    const auto& block = file->block();
    if (block.number == 0) piece_begin = block.offset;
    if (block.offset - piece_begin < piece_bytes || block.rows == 0) {
      if (context.clock.steady() > deadline) break;
      continue;
    }
    if (block.first_row > 0) {
      cuts.push_back(block.first_row);
      places.push_back({block.first_row, block.offset});
    }
    piece_begin = block.offset;
  }
  index.record(input.name, std::move(places));
  return cuts;
}

std::unique_ptr<Decoder> make_decoder(DecoderPlan plan, std::shared_ptr<const BlockIndex> index) {
  return std::make_unique<AvroDecoder>(std::move(plan), std::move(index));
}

}  // namespace sluice::avro_format_detail
