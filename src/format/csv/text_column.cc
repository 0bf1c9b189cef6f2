// Columns of VARCHAR and BLOB.
#include <cstring>
#include <limits>
#include <string>

#include <arrow/array.h>
#include <arrow/type.h>

#include "format/csv/column_memory.h"
#include "format/csv/field_text.h"
#include "format/csv/value.h"

namespace sluice::csv {
namespace {

// VARCHAR, and BLOB written as \x and hexadecimal digits.
template <typename Offset>
class TextColumn final : public Column {
 public:
  TextColumn(std::shared_ptr<arrow::DataType> type, const Dialect& dialect, bool binary)
      : type_(std::move(type)), dialect_(dialect), binary_(binary) {}

  arrow::Status append(const Fields& fields, std::vector<Failure>* failures) override {
    if (fields.records == 0) return arrow::Status::OK();
    // All fields together are no longer than what lies between the first record's beginning and the last one's end.
    const uint32_t last = fields.records - 1;
    const uint32_t last_field = fields.counts == nullptr ? fields.index : fields.counts[last] - 1;
    const uint32_t begin_of_all = fields.ends[int64_t{fields.first[0]} - 1] + 1;
    const int64_t most = int64_t{fields.ends[fields.first[last] + last_field]} - begin_of_all;
    ARROW_RETURN_NOT_OK(need(rows_ + fields.records, used_ + most));
    auto* offsets = offsets_.as<Offset>() + rows_;
    uint8_t* valid = valid_.data() + rows_;
    char* begin = text_.as<char>();
    char* out = begin + used_;
    const bool empty_is_null = dialect_.null.empty();
    const char quote = dialect_.has_quote() ? dialect_.quote : '\n';  // no field holds '\n' without quotes
    for_each_field(
        fields,
        [&](uint32_t record, const char* text, uint32_t bytes) {
          offsets[record] = static_cast<Offset>(out - begin);
          if (bytes == 0) {
            valid[record] = static_cast<uint8_t>(!empty_is_null);
            return;
          }
          if (*text == quote || binary_) [[unlikely]] {
            valid[record] = careful(fields, record, {text, bytes}, &out, failures);
            return;
          }
          if (!empty_is_null && std::string_view(text, bytes) == dialect_.null) {
            valid[record] = 0;
            return;
          }
          valid[record] = 1;
          // Copies of a fixed size need no call; both buffers have room for what is copied too much.
          if (bytes <= 32) {
            std::memcpy(out, text, 32);
          } else if (bytes <= 64) {
            std::memcpy(out, text, 64);
          } else {
            std::memcpy(out, text, bytes);
          }
          out += bytes;
        },
        [&](uint32_t record) {
          offsets[record] = static_cast<Offset>(out - begin);
          valid[record] = 0;
        });
    rows_ += fields.records;
    used_ = out - begin;
    offsets_.as<Offset>()[rows_] = static_cast<Offset>(used_);
    return arrow::Status::OK();
  }
  arrow::Status append_nulls(int64_t rows) override {
    ARROW_RETURN_NOT_OK(need(rows_ + rows, used_));
    std::fill_n(offsets_.as<Offset>() + rows_, rows + 1, static_cast<Offset>(used_));
    std::memset(valid_.data() + rows_, 0, static_cast<size_t>(rows));
    rows_ += rows;
    return arrow::Status::OK();
  }
  [[nodiscard]] int64_t rows() const override { return rows_; }
  [[nodiscard]] int64_t bytes() const override { return used_ + rows_ * static_cast<int64_t>(sizeof(Offset)); }
  void truncate(int64_t rows) override {
    if (rows < rows_) used_ = static_cast<int64_t>(offsets_.as<Offset>()[rows]);
    rows_ = rows;
  }
  arrow::Result<std::shared_ptr<arrow::Array>> finish() override {
    ARROW_RETURN_NOT_OK(need(rows_, used_));
    int64_t rows = std::exchange(rows_, 0);
    int64_t used = std::exchange(used_, 0);
    offsets_.as<Offset>()[rows] = static_cast<Offset>(used);
    int64_t nulls;
    ARROW_ASSIGN_OR_RAISE(auto valid, valid_.take(rows, &nulls));
    ARROW_ASSIGN_OR_RAISE(auto offsets, offsets_.take((rows + 1) * static_cast<int64_t>(sizeof(Offset))));
    ARROW_ASSIGN_OR_RAISE(auto text, text_.take(used));
    return arrow::MakeArray(
        arrow::ArrayData::Make(type_, rows, {std::move(valid), std::move(offsets), std::move(text)}, nulls));
  }

 private:
  arrow::Status need(int64_t rows, int64_t bytes) {
    if (bytes > std::numeric_limits<Offset>::max()) {
      return arrow::Status::CapacityError("more than 2 GiB of text in one column of a batch");
    }
    ARROW_RETURN_NOT_OK(offsets_.need((rows + 1) * static_cast<int64_t>(sizeof(Offset))));
    ARROW_RETURN_NOT_OK(valid_.need(rows));
    return text_.need(bytes);
  }
  uint8_t careful(const Fields& fields, uint32_t record, std::string_view field, char** out,
                  std::vector<Failure>* failures) {
    bool quoted = dialect_.has_quote() && field[0] == dialect_.quote;
    if (!quoted && field == dialect_.null) return 0;
    std::string_view text = field;
    if (quoted) {
      if (!unquote(dialect_, field, &scratch_)) {
        failures->push_back({record, fields.index, fmt::format("{} is not quoted correctly", shown(field))});
        return 0;
      }
      text = scratch_;
    }
    if (!binary_) {
      std::memcpy(*out, text.data(), text.size());
      *out += text.size();
      return 1;
    }
    if (!put_hexadecimal(text, out)) {
      failures->push_back(
          {record, fields.index, fmt::format("'{}' is not a BLOB (\\x and pairs of hexadecimal digits)", shown(text))});
      return 0;
    }
    return 1;
  }
  static bool put_hexadecimal(std::string_view text, char** out) {
    if (!text.starts_with("\\x") || text.size() % 2 != 0) return false;
    auto value_of = [](char c) -> int {
      if (is_digit(c)) return c - '0';
      char lower = static_cast<char>(c | 0x20);
      return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
    };
    char* to = *out;
    for (size_t i = 2; i < text.size(); i += 2) {
      int high = value_of(text[i]);
      int low = value_of(text[i + 1]);
      if (high < 0 || low < 0) return false;
      *to++ = static_cast<char>(high * 16 + low);
    }
    *out = to;
    return true;
  }

  const std::shared_ptr<arrow::DataType> type_;
  const Dialect& dialect_;
  const bool binary_;
  GrowingBuffer offsets_;
  GrowingBuffer text_;
  Validity valid_;
  int64_t rows_ = 0;
  int64_t used_ = 0;
  std::string scratch_;
};

}  // namespace

std::unique_ptr<Column> create_text_column(const TypePtr& type, const Dialect& dialect) {
  switch (type->id()) {
    case arrow::Type::STRING:
      return std::make_unique<TextColumn<int32_t>>(type, dialect, /*binary=*/false);
    case arrow::Type::BINARY:
      return std::make_unique<TextColumn<int32_t>>(type, dialect, /*binary=*/true);
    case arrow::Type::LARGE_STRING:
      return std::make_unique<TextColumn<int64_t>>(type, dialect, /*binary=*/false);
    case arrow::Type::LARGE_BINARY:
      return std::make_unique<TextColumn<int64_t>>(type, dialect, /*binary=*/true);
    default:
      return nullptr;
  }
}

}  // namespace sluice::csv
