// Columns whose values have one size each: numbers, booleans, decimals, dates and times.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <arrow/array.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "batch/schema.h"
#include "format/csv/column_memory.h"
#include "format/csv/field_text.h"
#include "format/csv/value.h"

namespace sluice::csv {
namespace {

struct Int64Parser {
  using Value = int64_t;
  bool operator()(const char* p, size_t n, Value* value) const { return parse_int64(p, n, value); }
};
template <typename Int>
struct SmallIntParser {
  using Value = Int;
  bool operator()(const char* p, size_t n, Value* value) const {
    int64_t wide;
    if (!parse_int64(p, n, &wide) || wide < std::numeric_limits<Int>::min() || wide > std::numeric_limits<Int>::max()) {
      return false;
    }
    *value = static_cast<Int>(wide);
    return true;
  }
};
struct UInt64Parser {
  using Value = uint64_t;
  bool operator()(const char* p, size_t n, Value* value) const { return parse_digits(p, n, value); }
};
// Whole numbers stay exact or are refused: 9007199254740993 would become its neighbour.
template <typename Float>
bool is_rounded_integer(const char* p, size_t n, Float value) {
  int64_t integer;
  if (n <= 7) return false;  // every Float holds that many digits
  if (parse_int64(p, n, &integer)) {
    return !(std::abs(value) < Float{0x1p63}) || static_cast<int64_t>(value) != integer;
  }
  return std::all_of(p + (*p == '-'), p + n, is_digit);
}
struct DoubleParser {
  using Value = double;
  bool operator()(const char* p, size_t n, Value* value) const {
    return parse_double(p, n, value) && (n <= 15 || !is_rounded_integer(p, n, *value));
  }
};
struct FloatParser {
  using Value = float;
  bool operator()(const char* p, size_t n, Value* value) const {
    return parse_float(p, n, value) && !is_rounded_integer(p, n, *value);
  }
};
struct Date32Parser {
  using Value = int32_t;
  DateParser dates = {};
  bool operator()(const char* p, size_t n, Value* value) { return dates.parse(p, n, value); }
};
struct Date64Parser {
  using Value = int64_t;
  DateParser dates = {};
  bool operator()(const char* p, size_t n, Value* value) {
    int32_t days;
    if (!dates.parse(p, n, &days)) return false;
    *value = int64_t{days} * 86'400'000;
    return true;
  }
};
struct TimestampParser {
  using Value = int64_t;
  arrow::TimeUnit::type unit;
  bool zoned;
  DateParser dates = {};
  bool operator()(const char* p, size_t n, Value* value) {
    Timestamp timestamp;
    return parse_timestamp(dates, p, n, &timestamp) && (zoned || !timestamp.zoned) &&
           in_unit(timestamp.seconds, timestamp.nanos, unit, value);
  }
};
template <typename Int>
struct TimeParser {
  using Value = Int;
  arrow::TimeUnit::type unit;
  bool operator()(const char* p, size_t n, Value* value) const {
    TimeOfDay time;
    int64_t wide;
    if (!parse_time(p, n, &time) || !in_unit(time.seconds, time.nanos, unit, &wide)) return false;
    *value = static_cast<Int>(wide);
    return true;
  }
};
template <typename Decimal>
struct DecimalParser {
  using Value = Decimal;
  int32_t precision;
  int32_t scale;
  bool operator()(const char* p, size_t n, Value* value) const {
    int32_t found_precision;
    int32_t found_scale;
    Decimal found;
    if (!Decimal::FromString(std::string_view(p, n), &found, &found_precision, &found_scale).ok()) return false;
    // FromString wraps around where there are more digits than it has bits for.
    if (found_precision > Decimal::kMaxPrecision) return false;
    auto rescaled = found_scale == scale ? arrow::Result<Decimal>(found) : found.Rescale(found_scale, scale);
    if (!rescaled.ok() || !rescaled->FitsInPrecision(precision)) return false;
    *value = *rescaled;
    return true;
  }
};
struct BooleanParser {
  using Value = uint8_t;
  bool operator()(const char* p, size_t n, Value* value) const {
    bool truth;
    if (!parse_boolean(p, n, &truth)) return false;
    *value = static_cast<uint8_t>(truth);
    return true;
  }
};

// Values of one size each.
template <typename Parser>
class FixedColumn final : public Column {
 public:
  using Value = typename Parser::Value;
  FixedColumn(std::shared_ptr<arrow::DataType> type, const Dialect& dialect, Parser parser)
      : type_(std::move(type)), dialect_(dialect), parser_(parser) {}

  arrow::Status append(const Fields& fields, std::vector<Failure>* failures) override {
    ARROW_RETURN_NOT_OK(need(rows_ + fields.records));
    auto* values = values_.as<Value>() + rows_;
    uint8_t* valid = valid_.data() + rows_;
    const bool named_null = !dialect_.null.empty();
    for_each_field(
        fields,
        [&](uint32_t record, const char* text, uint32_t bytes) {
          if (bytes > 0 && !named_null && parser_(text, bytes, values + record)) {
            valid[record] = 1;
            return;
          }
          values[record] = Value{};
          valid[record] = careful(fields, record, {text, bytes}, values + record, failures);
        },
        [&](uint32_t record) {
          values[record] = Value{};
          valid[record] = 0;
        });
    rows_ += fields.records;
    return arrow::Status::OK();
  }
  arrow::Status append_nulls(int64_t rows) override {
    ARROW_RETURN_NOT_OK(need(rows_ + rows));
    std::fill_n(values_.as<Value>() + rows_, rows, Value{});
    std::memset(valid_.data() + rows_, 0, static_cast<size_t>(rows));
    rows_ += rows;
    return arrow::Status::OK();
  }
  [[nodiscard]] int64_t rows() const override { return rows_; }
  [[nodiscard]] int64_t bytes() const override { return rows_ * static_cast<int64_t>(sizeof(Value)); }
  void truncate(int64_t rows) override { rows_ = rows; }
  arrow::Result<std::shared_ptr<arrow::Array>> finish() override {
    int64_t rows = std::exchange(rows_, 0);
    ARROW_RETURN_NOT_OK(need(rows));
    int64_t nulls;
    ARROW_ASSIGN_OR_RAISE(auto valid, valid_.take(rows, &nulls));
    std::shared_ptr<arrow::Buffer> values;
    if constexpr (std::is_same_v<Parser, BooleanParser>) {
      ARROW_ASSIGN_OR_RAISE(values, arrow::AllocateBuffer(arrow::bit_util::BytesForBits(rows)));
      const uint8_t* value = values_.data();
      arrow::internal::GenerateBitsUnrolled(values->mutable_data(), 0, rows, [&] { return *value++ != 0; });
    } else {
      ARROW_ASSIGN_OR_RAISE(values, values_.take(rows * static_cast<int64_t>(sizeof(Value))));
    }
    return arrow::MakeArray(arrow::ArrayData::Make(type_, rows, {std::move(valid), std::move(values)}, nulls));
  }

 private:
  arrow::Status need(int64_t rows) {
    ARROW_RETURN_NOT_OK(values_.need(rows * static_cast<int64_t>(sizeof(Value))));
    return valid_.need(rows);
  }
  // What the fast look did not take: NULLs, quotes, blanks, wrong values.
  uint8_t careful(const Fields& fields, uint32_t record, std::string_view field, Value* value,
                  std::vector<Failure>* failures) {
    if (field.empty() || (!dialect_.null.empty() && field == dialect_.null)) return 0;
    std::string_view text = field;
    if (dialect_.has_quote() && field[0] == dialect_.quote) {
      if (!unquote(dialect_, field, &scratch_)) {
        failures->push_back({record, fields.index, fmt::format("{} is not quoted correctly", shown(field))});
        return 0;
      }
      text = scratch_;
    }
    text = trim(text);
    if (text.empty()) return 0;
    // The parsers may look at 16 bytes behind the text.
    padded_.assign(text);
    padded_.append(16, '\0');
    if (parser_(padded_.data(), text.size(), value)) return 1;
    *value = Value{};
    bool integer = std::is_floating_point_v<Value> && text.find_first_not_of("-0123456789") == std::string_view::npos;
    failures->push_back(
        {record, fields.index,
         fmt::format("'{}' is {} {}", shown(text), integer ? "a whole number that would be rounded in a" : "not a",
                     type_name(*type_))});
    return 0;
  }

  const std::shared_ptr<arrow::DataType> type_;
  const Dialect& dialect_;
  Parser parser_;
  GrowingBuffer values_;
  Validity valid_;
  int64_t rows_ = 0;
  std::string scratch_;
  std::string padded_;
};

}  // namespace

std::unique_ptr<Column> create_fixed_column(const TypePtr& type, const Dialect& dialect) {
  auto fixed = [&](auto parser) -> std::unique_ptr<Column> {
    return std::make_unique<FixedColumn<decltype(parser)>>(type, dialect, parser);
  };
  switch (type->id()) {
    case arrow::Type::BOOL:
      return fixed(BooleanParser{});
    case arrow::Type::INT8:
      return fixed(SmallIntParser<int8_t>{});
    case arrow::Type::INT16:
      return fixed(SmallIntParser<int16_t>{});
    case arrow::Type::INT32:
      return fixed(SmallIntParser<int32_t>{});
    case arrow::Type::INT64:
      return fixed(Int64Parser{});
    case arrow::Type::UINT8:
      return fixed(SmallIntParser<uint8_t>{});
    case arrow::Type::UINT16:
      return fixed(SmallIntParser<uint16_t>{});
    case arrow::Type::UINT32:
      return fixed(SmallIntParser<uint32_t>{});
    case arrow::Type::UINT64:
      return fixed(UInt64Parser{});
    case arrow::Type::FLOAT:
      return fixed(FloatParser{});
    case arrow::Type::DOUBLE:
      return fixed(DoubleParser{});
    case arrow::Type::DATE32:
      return fixed(Date32Parser{});
    case arrow::Type::DATE64:
      return fixed(Date64Parser{});
    case arrow::Type::TIMESTAMP: {
      const auto& timestamp = static_cast<const arrow::TimestampType&>(*type);
      return fixed(TimestampParser{timestamp.unit(), !timestamp.timezone().empty()});
    }
    case arrow::Type::TIME32:
      return fixed(TimeParser<int32_t>{static_cast<const arrow::Time32Type&>(*type).unit()});
    case arrow::Type::TIME64:
      return fixed(TimeParser<int64_t>{static_cast<const arrow::Time64Type&>(*type).unit()});
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::Decimal128Type&>(*type);
      return fixed(DecimalParser<arrow::Decimal128>{decimal.precision(), decimal.scale()});
    }
    case arrow::Type::DECIMAL256: {
      const auto& decimal = static_cast<const arrow::Decimal256Type&>(*type);
      return fixed(DecimalParser<arrow::Decimal256>{decimal.precision(), decimal.scale()});
    }
    default:
      return nullptr;
  }
}

}  // namespace sluice::csv
