#include "avro/reader.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "avro/compiler.h"
#include "avro/read_node.h"
#include "batch/plain.h"

namespace sluice::avro {
RowReader::RowReader() = default;
RowReader::~RowReader() = default;

Result<std::unique_ptr<RowReader>> RowReader::make(SchemaRef writer, SchemaRef reader, const arrow::Schema* wanted) {
  std::unique_ptr<RowReader> made(new RowReader());
  made->schema_ = TRY(to_arrow(*reader));
  if (wanted != nullptr) made->schema_ = narrowed(*made->schema_, *wanted);
  for (const auto& field : made->schema_->fields()) {
    made->columns_.push_back(std::make_unique<Column>(field->type(), &made->room_));
  }
  const Type& from = writer->root();
  const Type& to = reader->root();
  if (to.kind == Kind::record && from.kind == Kind::record) {
    std::vector<Column*> columns(to.fields.size(), nullptr);
    for (size_t i = 0; i < columns.size(); ++i) {
      int index = made->schema_->GetFieldIndex(to.fields[i].column);
      if (index >= 0) columns[i] = made->columns_[static_cast<size_t>(index)].get();
    }
    made->root_ = std::make_unique<ReadNode>(TRY(Compiler::compile_record(from, to, columns, "")));
  } else if (to.kind == Kind::record) {
    return user_error("the values are of type {}, not records", describe(from));
  } else if (made->columns_.empty()) {
    made->root_ = std::make_unique<ReadNode>(Compiler::skip(from));
  } else {
    made->root_ = std::make_unique<ReadNode>(TRY(Compiler::compile(from, to, *made->columns_[0], "value")));
  }
  made->writer_ = std::move(writer);
  made->reader_ = std::move(reader);
  return made;
}

void RowReader::measure() {
  bytes_ = 0;
  for (const auto& column : columns_) bytes_ += column->bytes();
}

// Adding up the columns costs more than reading a small row: it is done once the rows so far say it may matter.
int64_t RowReader::rows_until_measured(int64_t bytes_max) const {
  if (rows_ == 0) return 1;
  const int64_t width = std::max<int64_t>(1, bytes_ / rows_);
  return std::max<int64_t>(1, std::min<int64_t>(1024, (bytes_max - bytes_) / (2 * width)));
}

Result<int64_t> RowReader::read(ByteSpan bytes, int64_t rows, int64_t bytes_max) {
  constexpr int64_t kMeasuredBytes = 64 << 10;
  static constexpr uint8_t kNothing = 0;  // rows without bytes have an address, too: null means an error
  const uint8_t* const begin = bytes.empty() ? &kNothing : bytes.data();
  const uint8_t* at = begin;
  const uint8_t* measured_at = at;
  end_ = at + bytes.size();
  int64_t until_measured = rows_until_measured(bytes_max);
  for (int64_t done = 0; done < rows; ++done) {
    empties_ = 0;
    const uint8_t* next = read_value(*root_, at);
    if (next == nullptr) return user_error("{}", problem_);
    at = next;
    ++rows_;
    if (--until_measured > 0 && at - measured_at < kMeasuredBytes) continue;
    measure();
    if (bytes_ >= bytes_max) break;
    measured_at = at;
    until_measured = rows_until_measured(bytes_max);
  }
  return at - begin;
}

bool RowReader::read_datum(ByteSpan bytes) {
  static constexpr uint8_t kNothing = 0;
  const uint8_t* const begin = bytes.empty() ? &kNothing : bytes.data();
  end_ = begin + bytes.size();
  empties_ = 0;
  const uint8_t* next = read_value(*root_, begin);
  if (next == end_) [[likely]] {
    ++rows_;
    return true;
  }
  if (next != nullptr) problem_ = fmt::format("{} bytes are left behind the value", end_ - next);
  for (auto& column : columns_) column->cut_back(rows_);
  return false;
}

bool RowReader::append_nulls() {
  for (auto& column : columns_) {
    if (column->append_null()) continue;
    problem_ = "there is no room for another row";
    for (auto& other : columns_) other->cut_back(rows_);
    return false;
  }
  ++rows_;
  return true;
}

Result<BatchPtr> RowReader::take() {
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (auto& column : columns_) columns.push_back(TRY(column->take(rows_)));
  auto batch = arrow::RecordBatch::Make(schema_, rows_, std::move(columns));
  rows_ = bytes_ = 0;
  return batch;
}

}  // namespace sluice::avro
