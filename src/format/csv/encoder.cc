#include "format/csv/encoder.h"

#include <algorithm>
#include <vector>

#include <arrow/array.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>

#include "batch/arrow_result.h"
#include "format/csv/cell.h"

namespace sluice::csv {
namespace {

constexpr size_t kFlushBytes = 256 << 10;

}  // namespace

CsvEncoder::CsvEncoder(const Dialect& dialect, SchemaPtr schema, std::shared_ptr<arrow::io::OutputStream> out)
    : dialect_(dialect), schema_(std::move(schema)), out_(std::move(out)), header_pending_(dialect.header) {
  for (char c : {dialect.delimiter, '\n', '\r'}) needs_quotes_[static_cast<unsigned char>(c)] = true;
  if (dialect.has_quote()) needs_quotes_[static_cast<unsigned char>(dialect.quote)] = true;
}

Result<std::unique_ptr<Encoder>> CsvEncoder::create(const Dialect& dialect, const SchemaPtr& schema,
                                                    std::shared_ptr<arrow::io::OutputStream> out) {
  for (const auto& field : schema->fields()) {  // says now what cannot be written
    auto empty = TRY(to_result(arrow::MakeEmptyArray(field->type())));
    TRY(create_cells(field->name(), *empty));
  }
  return std::unique_ptr<Encoder>(new CsvEncoder(dialect, schema, std::move(out)));
}

Result<void> CsvEncoder::put(std::string_view column, std::string_view value) {
  bool quoted = value == dialect_.null;
  for (char c : value) quoted |= needs_quotes_[static_cast<unsigned char>(c)];
  if (!quoted) {
    text_.append(value);
    return {};
  }
  if (!dialect_.has_quote()) {
    return user_error("column '{}': the value '{}' can only be written in quotes, and quote := '' forbids them", column,
                      value.substr(0, 80));
  }
  text_.push_back(dialect_.quote);
  for (char c : value) {
    if (c == dialect_.quote || c == dialect_.escape) text_.push_back(dialect_.escape);
    text_.push_back(c);
  }
  text_.push_back(dialect_.quote);
  return {};
}

Result<void> CsvEncoder::put_header() {
  header_pending_ = false;
  for (int i = 0; i < schema_->num_fields(); ++i) {
    if (i > 0) text_.push_back(dialect_.delimiter);
    const auto& name = schema_->field(i)->name();
    TRY(put(name, name));
  }
  text_.push_back('\n');
  return {};
}

Result<void> CsvEncoder::write(const arrow::RecordBatch& batch) {
  if (header_pending_) TRY(put_header());
  std::vector<std::unique_ptr<Cells>> cells;
  for (int i = 0; i < batch.num_columns(); ++i) {
    cells.push_back(TRY(create_cells(batch.column_name(i), *batch.column(i))));
  }
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    for (int i = 0; i < batch.num_columns(); ++i) {
      if (i > 0) text_.push_back(dialect_.delimiter);
      if (batch.column(i)->IsNull(row)) {
        text_.append(dialect_.null);
      } else {
        TRY(put(batch.column_name(i), cells[static_cast<size_t>(i)]->text(row, &scratch_)));
      }
    }
    text_.push_back('\n');
    if (text_.size() >= kFlushBytes) TRY(flush());
  }
  return {};
}

Result<void> CsvEncoder::flush() {
  TRY(to_result(out_->Write(text_.data(), static_cast<int64_t>(text_.size()))));
  bytes_out_ += static_cast<int64_t>(text_.size());
  text_.clear();
  return {};
}

Result<void> CsvEncoder::finish() {
  if (header_pending_) TRY(put_header());
  return flush();
}

}  // namespace sluice::csv
