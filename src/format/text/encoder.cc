#include "format/text/encoder.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>

#include "batch/arrow_result.h"

namespace sluice::text {
namespace {

constexpr size_t kFlushBytes = 256 << 10;

}  // namespace

Result<std::unique_ptr<Encoder>> TextEncoder::create(const Settings& settings, const SchemaPtr& schema,
                                                     std::shared_ptr<arrow::io::OutputStream> out) {
  int column = schema->num_fields() == 1 && !settings.column_given ? 0 : schema->GetFieldIndex(settings.column);
  if (column < 0 || (schema->num_fields() > 1 && !settings.column_given)) {
    return user_error("text is one column of lines, and there are the columns {}; name one with column",
                      fmt::join(schema->field_names(), ", "));
  }
  const auto& field = *schema->field(column);
  auto id = field.type()->id();
  if (id != arrow::Type::STRING && id != arrow::Type::LARGE_STRING && id != arrow::Type::STRING_VIEW) {
    return user_error("column '{}' is a {} and text needs a VARCHAR; cast it", field.name(), type_name(*field.type()));
  }
  return std::unique_ptr<Encoder>(new TextEncoder(settings, column, std::move(out)));
}

Result<void> TextEncoder::write(const arrow::RecordBatch& batch) {
  const auto& name = batch.column_name(column_);
  const auto& values = *batch.column(column_);
  switch (values.type_id()) {
    case arrow::Type::STRING:
      return write_values(name, static_cast<const arrow::StringArray&>(values));
    case arrow::Type::LARGE_STRING:
      return write_values(name, static_cast<const arrow::LargeStringArray&>(values));
    case arrow::Type::STRING_VIEW:
      return write_values(name, static_cast<const arrow::StringViewArray&>(values));
    default:
      return bug("a batch of another schema was written as text");
  }
}

template <typename ArrayType>
Result<void> TextEncoder::write_values(const std::string& name, const ArrayType& values) {
  for (int64_t row = 0; row < values.length(); ++row) {
    if (values.IsNull(row)) {
      return user_error("column '{}' is NULL in a row, and text has no NULL; use coalesce()", name);
    }
    TRY(put(name, values.GetView(row)));
  }
  return {};
}

Result<void> TextEncoder::put(const std::string& name, std::string_view value) {
  const size_t begin = text_.size();
  text_.append(value);
  if (settings_.line_feeds != LineFeeds::keep && value.find('\n') != std::string_view::npos) {
    if (settings_.line_feeds == LineFeeds::error) {
      text_.resize(begin);
      return user_error("column '{}' holds a line feed in '{}', which would become two lines; set line_feeds", name,
                        value.substr(0, std::min<size_t>(value.find('\n'), 80)));
    }
    std::replace(text_.begin() + static_cast<ptrdiff_t>(begin), text_.end(), '\n', ' ');
  }
  text_.push_back('\n');
  return text_.size() >= kFlushBytes ? flush() : Result<void>();
}

Result<void> TextEncoder::flush() {
  TRY(to_result(out_->Write(text_.data(), static_cast<int64_t>(text_.size()))));
  bytes_out_ += static_cast<int64_t>(text_.size());
  text_.clear();
  return {};
}

Result<void> TextEncoder::finish() { return flush(); }

}  // namespace sluice::text
