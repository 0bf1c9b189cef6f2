#include "format/csv/cell.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <iterator>

#include <arrow/array.h>
#include <arrow/extension_type.h>
#include <arrow/util/float16.h>

#include "batch/schema.h"
#include "batch/time_text.h"

namespace sluice::csv {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr int64_t kSecondsADay = 86400;

void put_date(int64_t since_1970, std::string* out) {
  year_month_day date{sys_days{days{since_1970}}};
  fmt::format_to(std::back_inserter(*out), "{:04}-{:02}-{:02}", int{date.year()}, unsigned{date.month()},
                 unsigned{date.day()});
}

int digits_of(arrow::TimeUnit::type unit) { return 3 * static_cast<int>(unit); }

// hh:mm:ss and the fraction when there is one, in the unit's digits.
void put_time(int64_t in_day, arrow::TimeUnit::type unit, std::string* out) {
  int64_t seconds = in_day / units_per_second(unit);
  int64_t fraction = in_day % units_per_second(unit);
  fmt::format_to(std::back_inserter(*out), "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (fraction != 0) fmt::format_to(std::back_inserter(*out), ".{:0{}}", fraction, digits_of(unit));
}

template <typename Float>
std::string_view put_float(Float value, std::string* scratch) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  char buffer[40];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  scratch->assign(buffer, end);
  // 1 becomes 1.0, so that who reads it back sees that it is no integer.
  if (scratch->find_first_of(".e") == std::string::npos) *scratch += ".0";
  return *scratch;
}

template <typename ArrayType>
class IntegerCells final : public Cells {
 public:
  explicit IntegerCells(const arrow::Array& array) : array_(static_cast<const ArrayType&>(array)) {}
  std::string_view text(int64_t row, std::string* scratch) const override {
    fmt::format_int number(array_.Value(row));
    scratch->assign(number.data(), number.size());
    return *scratch;
  }

 private:
  const ArrayType& array_;
};

template <typename ArrayType>
class FloatCells final : public Cells {
 public:
  explicit FloatCells(const arrow::Array& array) : array_(static_cast<const ArrayType&>(array)) {}
  std::string_view text(int64_t row, std::string* scratch) const override {
    return put_float(array_.Value(row), scratch);
  }

 private:
  const ArrayType& array_;
};

class HalfFloatCells final : public Cells {
 public:
  explicit HalfFloatCells(const arrow::Array& array) : array_(static_cast<const arrow::HalfFloatArray&>(array)) {}
  std::string_view text(int64_t row, std::string* scratch) const override {
    return put_float(arrow::util::Float16::FromBits(array_.Value(row)).ToFloat(), scratch);
  }

 private:
  const arrow::HalfFloatArray& array_;
};

class BooleanCells final : public Cells {
 public:
  explicit BooleanCells(const arrow::Array& array) : array_(static_cast<const arrow::BooleanArray&>(array)) {}
  std::string_view text(int64_t row, std::string*) const override { return array_.Value(row) ? "true" : "false"; }

 private:
  const arrow::BooleanArray& array_;
};

template <typename ArrayType>
class DecimalCells final : public Cells {
 public:
  explicit DecimalCells(const arrow::Array& array) : array_(static_cast<const ArrayType&>(array)) {}
  std::string_view text(int64_t row, std::string* scratch) const override { return *scratch = array_.FormatValue(row); }

 private:
  const ArrayType& array_;
};

template <typename ArrayType, int64_t kPerDay>
class DateCells final : public Cells {
 public:
  explicit DateCells(const arrow::Array& array) : array_(static_cast<const ArrayType&>(array)) {}
  std::string_view text(int64_t row, std::string* scratch) const override {
    scratch->clear();
    int64_t value = array_.Value(row);
    put_date(value >= 0 ? value / kPerDay : -((-value + kPerDay - 1) / kPerDay), scratch);
    return *scratch;
  }

 private:
  const ArrayType& array_;
};

template <typename ArrayType>
class TimeCells final : public Cells {
 public:
  explicit TimeCells(const arrow::Array& array)
      : array_(static_cast<const ArrayType&>(array)),
        unit_(static_cast<const arrow::TimeType&>(*array.type()).unit()) {}
  std::string_view text(int64_t row, std::string* scratch) const override {
    scratch->clear();
    put_time(array_.Value(row), unit_, scratch);
    return *scratch;
  }

 private:
  const ArrayType& array_;
  const arrow::TimeUnit::type unit_;
};

class TimestampCells final : public Cells {
 public:
  explicit TimestampCells(const arrow::Array& array)
      : array_(static_cast<const arrow::TimestampArray&>(array)),
        unit_(static_cast<const arrow::TimestampType&>(*array.type()).unit()),
        zoned_(!static_cast<const arrow::TimestampType&>(*array.type()).timezone().empty()) {}
  std::string_view text(int64_t row, std::string* scratch) const override {
    scratch->clear();
    const int64_t per_day = kSecondsADay * units_per_second(unit_);
    int64_t value = array_.Value(row);
    int64_t in_day = value % per_day;
    if (in_day < 0) in_day += per_day;
    put_date((value - in_day) / per_day, scratch);
    scratch->push_back(' ');
    put_time(in_day, unit_, scratch);
    if (zoned_) scratch->push_back('Z');
    return *scratch;
  }

 private:
  const arrow::TimestampArray& array_;
  const arrow::TimeUnit::type unit_;
  const bool zoned_;
};

template <typename ArrayType>
class TextCells final : public Cells {
 public:
  explicit TextCells(const arrow::Array& array) : array_(static_cast<const ArrayType&>(array)) {}
  std::string_view text(int64_t row, std::string*) const override { return array_.GetView(row); }

 private:
  const ArrayType& array_;
};

template <typename ArrayType>
class BinaryCells final : public Cells {
 public:
  explicit BinaryCells(const arrow::Array& array) : array_(static_cast<const ArrayType&>(array)) {}
  std::string_view text(int64_t row, std::string* scratch) const override {
    constexpr char kDigits[] = "0123456789abcdef";
    *scratch = "\\x";
    for (char c : array_.GetView(row)) {
      auto byte = static_cast<unsigned char>(c);
      *scratch += kDigits[byte >> 4];
      *scratch += kDigits[byte & 15];
    }
    return *scratch;
  }

 private:
  const ArrayType& array_;
};

class DictionaryCells final : public Cells {
 public:
  DictionaryCells(const arrow::DictionaryArray& array, std::unique_ptr<Cells> values)
      : array_(array), values_(std::move(values)) {}
  std::string_view text(int64_t row, std::string* scratch) const override {
    return values_->text(array_.GetValueIndex(row), scratch);
  }

 private:
  const arrow::DictionaryArray& array_;
  std::unique_ptr<Cells> values_;
};

class NoCells final : public Cells {
 public:
  std::string_view text(int64_t, std::string*) const override { return {}; }
};

}  // namespace

Result<std::unique_ptr<Cells>> create_cells(std::string_view name, const arrow::Array& array) {
  auto made = [](auto cells) { return Result<std::unique_ptr<Cells>>(std::unique_ptr<Cells>(std::move(cells))); };
  switch (array.type_id()) {
    case arrow::Type::NA:
      return made(std::make_unique<NoCells>());
    case arrow::Type::BOOL:
      return made(std::make_unique<BooleanCells>(array));
    case arrow::Type::INT8:
      return made(std::make_unique<IntegerCells<arrow::Int8Array>>(array));
    case arrow::Type::INT16:
      return made(std::make_unique<IntegerCells<arrow::Int16Array>>(array));
    case arrow::Type::INT32:
      return made(std::make_unique<IntegerCells<arrow::Int32Array>>(array));
    case arrow::Type::INT64:
      return made(std::make_unique<IntegerCells<arrow::Int64Array>>(array));
    case arrow::Type::UINT8:
      return made(std::make_unique<IntegerCells<arrow::UInt8Array>>(array));
    case arrow::Type::UINT16:
      return made(std::make_unique<IntegerCells<arrow::UInt16Array>>(array));
    case arrow::Type::UINT32:
      return made(std::make_unique<IntegerCells<arrow::UInt32Array>>(array));
    case arrow::Type::UINT64:
      return made(std::make_unique<IntegerCells<arrow::UInt64Array>>(array));
    case arrow::Type::HALF_FLOAT:
      return made(std::make_unique<HalfFloatCells>(array));
    case arrow::Type::FLOAT:
      return made(std::make_unique<FloatCells<arrow::FloatArray>>(array));
    case arrow::Type::DOUBLE:
      return made(std::make_unique<FloatCells<arrow::DoubleArray>>(array));
    case arrow::Type::DECIMAL32:
      return made(std::make_unique<DecimalCells<arrow::Decimal32Array>>(array));
    case arrow::Type::DECIMAL64:
      return made(std::make_unique<DecimalCells<arrow::Decimal64Array>>(array));
    case arrow::Type::DECIMAL128:
      return made(std::make_unique<DecimalCells<arrow::Decimal128Array>>(array));
    case arrow::Type::DECIMAL256:
      return made(std::make_unique<DecimalCells<arrow::Decimal256Array>>(array));
    case arrow::Type::DATE32:
      return made(std::make_unique<DateCells<arrow::Date32Array, 1>>(array));
    case arrow::Type::DATE64:
      return made(std::make_unique<DateCells<arrow::Date64Array, 86'400'000>>(array));
    case arrow::Type::TIME32:
      return made(std::make_unique<TimeCells<arrow::Time32Array>>(array));
    case arrow::Type::TIME64:
      return made(std::make_unique<TimeCells<arrow::Time64Array>>(array));
    case arrow::Type::TIMESTAMP:
      return made(std::make_unique<TimestampCells>(array));
    case arrow::Type::STRING:
      return made(std::make_unique<TextCells<arrow::StringArray>>(array));
    case arrow::Type::LARGE_STRING:
      return made(std::make_unique<TextCells<arrow::LargeStringArray>>(array));
    case arrow::Type::STRING_VIEW:
      return made(std::make_unique<TextCells<arrow::StringViewArray>>(array));
    case arrow::Type::BINARY:
      return made(std::make_unique<BinaryCells<arrow::BinaryArray>>(array));
    case arrow::Type::LARGE_BINARY:
      return made(std::make_unique<BinaryCells<arrow::LargeBinaryArray>>(array));
    case arrow::Type::BINARY_VIEW:
      return made(std::make_unique<BinaryCells<arrow::BinaryViewArray>>(array));
    case arrow::Type::FIXED_SIZE_BINARY:
      return made(std::make_unique<BinaryCells<arrow::FixedSizeBinaryArray>>(array));
    case arrow::Type::EXTENSION:
      return create_cells(name, *static_cast<const arrow::ExtensionArray&>(array).storage());
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      return made(std::make_unique<DictionaryCells>(dictionary, TRY(create_cells(name, *dictionary.dictionary()))));
    }
    case arrow::Type::STRUCT:
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::MAP:
      return create_json_cells(name, array);
    default:
      break;
  }
  return user_error("column '{}': a {} cannot be written as csv; cast it to VARCHAR", name, type_name(*array.type()));
}

}  // namespace sluice::csv
