#include "postgres/decode.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <utility>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/type.h>

#include "base/ascii.h"
#include "batch/arrow_result.h"
#include "batch/utf8.h"
#include "postgres/array_text.h"
#include "postgres/bytes.h"
#include "postgres/moment.h"
#include "postgres/numeric.h"

namespace sluice::postgres {
namespace {

Error wrong_size(size_t bytes, std::string_view type) { return user_error("{} bytes are no {}", bytes, type); }

// How each kind reads one value. `Builder` is Arrow's; binary() and text() return what it takes.
template <typename ArrowType, typename Wire>
struct Number {
  using Builder = typename arrow::TypeTraits<ArrowType>::BuilderType;
  using Value = typename ArrowType::c_type;
  static Result<Value> binary(std::string_view bytes) {
    if (bytes.size() != sizeof(Wire)) return wrong_size(bytes.size(), ArrowType::type_name());
    return static_cast<Value>(load_be<Wire>(bytes.data()));
  }
  static Result<Value> text(std::string_view text) {
    Value value{};
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc() || end != text.data() + text.size()) {
      return user_error("'{}' is no {}", text, ArrowType::type_name());
    }
    return value;
  }
};

template <typename ArrowType, typename Bits>
struct Float {
  using Builder = typename arrow::TypeTraits<ArrowType>::BuilderType;
  using Value = typename ArrowType::c_type;
  static Result<Value> binary(std::string_view bytes) {
    if (bytes.size() != sizeof(Bits)) return wrong_size(bytes.size(), ArrowType::type_name());
    return std::bit_cast<Value>(load_be<Bits>(bytes.data()));
  }
  static Result<Value> text(std::string_view text) {
    return Number<ArrowType, Bits>::text(text);
  }  // also NaN, Infinity
};

struct Boolean {
  using Builder = arrow::BooleanBuilder;
  static Result<bool> binary(std::string_view bytes) {
    if (bytes.size() != 1) return wrong_size(bytes.size(), "bool");
    return bytes[0] != 0;
  }
  static Result<bool> text(std::string_view text) { return text == "t"; }
};

struct Date {
  using Builder = arrow::Date32Builder;
  static Result<int32_t> binary(std::string_view bytes) {
    if (bytes.size() != 4) return wrong_size(bytes.size(), "date");
    return date_of_wire(load_be<int32_t>(bytes.data()));
  }
  static Result<int32_t> text(std::string_view text) { return parse_date(text); }
};

struct Time {
  using Builder = arrow::Time64Builder;
  static Result<int64_t> binary(std::string_view bytes) {
    if (bytes.size() != 8) return wrong_size(bytes.size(), "time");
    const auto micros = load_be<int64_t>(bytes.data());
    if (micros < 0 || micros > kMicrosPerDay) return user_error("{} microseconds are no time of day", micros);
    return micros;
  }
  static Result<int64_t> text(std::string_view text) { return parse_time(text); }
};

struct Timestamp {
  using Builder = arrow::TimestampBuilder;
  static Result<int64_t> binary(std::string_view bytes) {
    if (bytes.size() != 8) return wrong_size(bytes.size(), "timestamp");
    return timestamp_of_wire(load_be<int64_t>(bytes.data()));
  }
  static Result<int64_t> text(std::string_view text) { return parse_timestamp(text); }
};

struct IntervalValue {
  using Builder = arrow::MonthDayNanoIntervalBuilder;
  static Result<Interval> binary(std::string_view bytes) {
    if (bytes.size() != 16) return wrong_size(bytes.size(), "interval");
    return interval_of_wire(load_be<int64_t>(bytes.data()), load_be<int32_t>(bytes.data() + 8),
                            load_be<int32_t>(bytes.data() + 12));
  }
  static Result<Interval> text(std::string_view text) { return parse_interval(text); }
};

struct Text {
  using Builder = arrow::StringBuilder;
  static Result<std::string_view> binary(std::string_view bytes) { return bytes; }
  static Result<std::string_view> text(std::string_view text) { return text; }
};

struct Jsonb {
  using Builder = arrow::StringBuilder;
  static Result<std::string_view> binary(std::string_view bytes) {
    if (bytes.empty() || bytes[0] != 1) return user_error("a jsonb value of a version that is not 1");
    return bytes.substr(1);
  }
  static Result<std::string_view> text(std::string_view text) { return text; }
};

// 00010203…: the digits of each byte.
constexpr auto kHexPairs = [] {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (size_t byte = 0; byte < pairs.size(); ++byte) pairs[byte] = {kHex[byte >> 4], kHex[byte & 15]};
  return pairs;
}();

// A value's text without an allocation.
struct UuidText {
  std::array<char, 36> digits;
  explicit operator std::string_view() const { return {digits.data(), digits.size()}; }
};

struct Uuid {
  using Builder = arrow::StringBuilder;
  static Result<UuidText> binary(std::string_view bytes) {
    if (bytes.size() != 16) return wrong_size(bytes.size(), "uuid");
    UuidText out;
    char* at = out.digits.data();
    for (size_t i = 0; i < 16; ++i) {
      if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
      std::memcpy(at, kHexPairs[static_cast<unsigned char>(bytes[i])].data(), 2);
      at += 2;
    }
    return out;
  }
  static Result<std::string_view> text(std::string_view text) { return text; }
};

struct NumericText {
  using Builder = arrow::StringBuilder;
  static Result<std::string> binary(std::string_view bytes) { return text_of_binary(bytes); }
  static Result<std::string_view> text(std::string_view text) { return text; }
};

struct Bytea {
  using Builder = arrow::BinaryBuilder;
  static Result<std::string_view> binary(std::string_view bytes) { return bytes; }
  static Result<std::string> text(std::string_view text) {
    if (!text.starts_with("\\x") || text.size() % 2 != 0) return user_error("a bytea value is not in hex form");
    std::string out;
    for (size_t i = 2; i < text.size(); i += 2) {
      const int high = hex_digit(text[i]);
      const int low = hex_digit(text[i + 1]);
      if (high < 0 || low < 0) return user_error("a bytea value is not in hex form");
      out += static_cast<char>(high * 16 + low);
    }
    return out;
  }
};

// Appends each value or NULL; `appended` counts.
template <typename AppendNull, typename AppendValue>
Result<void> append_each(std::span<const WireValue> values, size_t* appended, AppendNull null, AppendValue append) {
  for (const auto& value : values) {
    if (value.is_null()) {
      null();
    } else {
      TRY(append(value.view()));
    }
    ++*appended;
  }
  return {};
}

// Texts that are valid one behind the other are valid each by itself, unless one begins inside a character.
bool begins_inside(std::string_view text) {
  return !text.empty() && (static_cast<unsigned char>(text.front()) & 0xC0U) == 0x80U;
}

Error not_utf8() { return user_error("text that is not valid UTF-8; select convert_from(…) or read it as bytea"); }

// Text columns above 2 GB in one batch cannot happen: batches are cut far below.
template <typename Reader>
class Simple final : public ColumnDecoder {
 public:
  explicit Simple(const TypePtr& type) : builder_(type, arrow::default_memory_pool()) {}
  Result<void> append_binary(std::string_view bytes) override {
    auto value = TRY(Reader::binary(bytes));
    return append(value, bytes.size());
  }
  Result<void> append_binaries(std::span<const WireValue> values, size_t* appended) override {
    using Value = std::remove_cvref_t<decltype(Reader::binary({}).value())>;
    int64_t bytes = 0;
    for (const auto& value : values) bytes += std::max(value.size, 0) + 4;
    bytes_ += bytes;
    TRY(to_result(builder_.Reserve(static_cast<int64_t>(values.size()))));
    const auto null = [&] { builder_.UnsafeAppendNull(); };
    if constexpr (std::is_same_v<Value, std::string_view>) {
      const int64_t before = builder_.value_data_length();
      bool valid = true;
      TRY(to_result(builder_.ReserveData(bytes)));
      auto append = [&](std::string_view wire) -> Result<void> {
        const std::string_view value = TRY(Reader::binary(wire));
        valid = valid && !begins_inside(value);
        builder_.UnsafeAppend(value);
        return {};
      };
      TRY(append_each(values, appended, null, append));
      const std::string_view joined(reinterpret_cast<const char*>(builder_.value_data()) + before,
                                    static_cast<size_t>(builder_.value_data_length() - before));
      if (kIsText && !(valid && is_utf8(joined))) return first_invalid(values, appended);
      return {};
    } else if constexpr (std::is_same_v<typename Reader::Builder, arrow::StringBuilder>) {
      return append_each(values, appended, null, [&](std::string_view wire) -> Result<void> {
        return to_result(builder_.Append(std::string_view(TRY(Reader::binary(wire)))));
      });
    } else {
      return append_each(values, appended, null, [&](std::string_view wire) -> Result<void> {
        builder_.UnsafeAppend(TRY(Reader::binary(wire)));
        return {};
      });
    }
  }
  Result<void> append_text(std::string_view text) override {
    auto value = TRY(Reader::text(text));
    return append(value, text.size());
  }
  void append_null() override {
    bytes_ += 1;
    CHECK(builder_.AppendNull().ok());
  }
  Result<std::shared_ptr<arrow::Array>> finish() override {
    bytes_ = 0;
    return to_result(builder_.Finish());
  }
  [[nodiscard]] int64_t bytes() const override { return bytes_; }

 private:
  // A database in SQL_ASCII sends whatever bytes were put into it. Text that was made here is of digits.
  static constexpr bool kIsText = std::is_same_v<typename Reader::Builder, arrow::StringBuilder>;

  static Error first_invalid(std::span<const WireValue> values, size_t* appended) {
    auto is_valid = [](const WireValue& value) {
      if (value.is_null()) return true;
      const auto text = Reader::binary(value.view());
      return text.ok() && is_utf8(std::string_view(text.value()));
    };
    *appended = static_cast<size_t>(std::find_if_not(values.begin(), values.end(), is_valid) - values.begin());
    return not_utf8();
  }
  template <typename Value>
  Result<void> append(const Value& value, size_t size) {
    if constexpr (kIsText && std::is_same_v<Value, std::string_view>) {
      if (!is_utf8(value)) return not_utf8();
    }
    bytes_ += static_cast<int64_t>(size) + 4;
    arrow::Status status;
    if constexpr (kIsText) {
      status = builder_.Append(std::string_view(value));
    } else {
      status = builder_.Append(value);
    }
    if (!status.ok()) return to_result(status);
    return {};
  }
  typename Reader::Builder builder_;
  int64_t bytes_ = 0;
};

class Decimal final : public ColumnDecoder {
 public:
  explicit Decimal(const TypePtr& type)
      : precision_(static_cast<const arrow::Decimal128Type&>(*type).precision()),
        scale_(static_cast<const arrow::Decimal128Type&>(*type).scale()),
        builder_(type, arrow::default_memory_pool()) {}
  Result<void> append_binary(std::string_view bytes) override {
    return to_result(builder_.Append(TRY(decimal_of_binary(bytes, precision_, scale_))));
  }
  Result<void> append_binaries(std::span<const WireValue> values, size_t* appended) override {
    TRY(to_result(builder_.Reserve(static_cast<int64_t>(values.size()))));
    return append_each(
        values, appended, [&] { builder_.UnsafeAppendNull(); },
        [&](std::string_view wire) -> Result<void> {
          builder_.UnsafeAppend(TRY(decimal_of_binary(wire, precision_, scale_)));
          return {};
        });
  }
  Result<void> append_text(std::string_view text) override {
    return to_result(builder_.Append(TRY(decimal_of_text(text, precision_, scale_))));
  }
  void append_null() override { CHECK(builder_.AppendNull().ok()); }
  Result<std::shared_ptr<arrow::Array>> finish() override { return to_result(builder_.Finish()); }
  [[nodiscard]] int64_t bytes() const override { return builder_.length() * 16; }

 private:
  int precision_;
  int scale_;
  arrow::Decimal128Builder builder_;
};

// One dimension that begins at 1, or empty (src/backend/utils/adt/arrayfuncs.c, array_send).
class List final : public ColumnDecoder {
 public:
  List(TypePtr type, std::unique_ptr<ColumnDecoder> element) : type_(std::move(type)), element_(std::move(element)) {
    CHECK(offsets_.Append(0).ok());
  }
  Result<void> append_binary(std::string_view bytes) override {
    if (bytes.size() < 12) return wrong_size(bytes.size(), "array");
    const auto dimensions = load_be<int32_t>(bytes.data());
    if (dimensions == 0) return end(true);
    if (bytes.size() < 20) return wrong_size(bytes.size(), "array");
    if (dimensions != 1) return not_a_list(dimensions);
    const auto elements = load_be<int32_t>(bytes.data() + 12);
    if (load_be<int32_t>(bytes.data() + 16) != 1) return other_bound();
    bytes.remove_prefix(20);
    for (int32_t i = 0; i < elements; ++i) {
      if (bytes.size() < 4) return wrong_size(bytes.size(), "array element");
      const auto size = load_be<int32_t>(bytes.data());
      bytes.remove_prefix(4);
      if (size < 0) {
        element_->append_null();
      } else {
        if (bytes.size() < static_cast<size_t>(size)) return wrong_size(bytes.size(), "array element");
        TRY(element_->append_binary(bytes.substr(0, static_cast<size_t>(size))));
        bytes.remove_prefix(static_cast<size_t>(size));
      }
      ++elements_;
    }
    return end(true);
  }
  Result<void> append_text(std::string_view text) override {
    ArrayText reader(text);
    TRY(reader.open());
    if (reader.dimensions() > 1) return not_a_list(reader.dimensions());
    if (reader.lower_bound() != 1) return other_bound();
    while (auto item = TRY(reader.next())) {
      if (item->is_null) {
        element_->append_null();
      } else {
        TRY(element_->append_text(item->text));
      }
      ++elements_;
    }
    return end(true);
  }
  void append_null() override { CHECK(end(false).ok()); }
  Result<std::shared_ptr<arrow::Array>> finish() override {
    auto values = TRY(element_->finish());
    auto offsets = TRY(to_result(offsets_.Finish()));
    auto valid = TRY(to_result(valid_.Finish()));
    const int64_t length = valid->length();
    auto bits = std::static_pointer_cast<arrow::BooleanArray>(valid)->values();
    const auto nulls = length - std::static_pointer_cast<arrow::BooleanArray>(valid)->true_count();
    elements_ = 0;
    CHECK(offsets_.Append(0).ok());
    return std::shared_ptr<arrow::Array>(std::make_shared<arrow::ListArray>(
        type_, length, std::static_pointer_cast<arrow::Int32Array>(offsets)->values(), values,
        nulls == 0 ? nullptr : bits, nulls));
  }
  [[nodiscard]] int64_t bytes() const override { return element_->bytes() + offsets_.length() * 4; }

 private:
  Result<void> end(bool valid) {
    TRY(to_result(valid_.Append(valid)));
    return to_result(offsets_.Append(elements_));
  }
  static Error not_a_list(int dimensions) {
    return user_error("an array of {} dimensions is no list; read arrays with arrays_as := 'text'", dimensions);
  }
  static Error other_bound() {
    return user_error("an array whose subscripts do not begin at 1 is no list; read arrays with arrays_as := 'text'");
  }
  TypePtr type_;
  std::unique_ptr<ColumnDecoder> element_;
  arrow::Int32Builder offsets_;
  arrow::BooleanBuilder valid_;
  int32_t elements_ = 0;
};

}  // namespace

Result<void> ColumnDecoder::append_binaries(std::span<const WireValue> values, size_t* appended) {
  return append_each(
      values, appended, [&] { append_null(); }, [&](std::string_view wire) { return append_binary(wire); });
}

Result<std::unique_ptr<ColumnDecoder>> create_decoder(const Type& type, const TypePolicy& policy) {
  const TypePtr arrow = arrow_type(type, policy);
  std::unique_ptr<ColumnDecoder> out;
  switch (type.kind) {
    case Kind::boolean:
      out = std::make_unique<Simple<Boolean>>(arrow);
      break;
    case Kind::int2:
      out = std::make_unique<Simple<Number<arrow::Int16Type, int16_t>>>(arrow);
      break;
    case Kind::int4:
      out = std::make_unique<Simple<Number<arrow::Int32Type, int32_t>>>(arrow);
      break;
    case Kind::int8:
      out = std::make_unique<Simple<Number<arrow::Int64Type, int64_t>>>(arrow);
      break;
    case Kind::oid:
      out = std::make_unique<Simple<Number<arrow::UInt32Type, uint32_t>>>(arrow);
      break;
    case Kind::float4:
      out = std::make_unique<Simple<Float<arrow::FloatType, uint32_t>>>(arrow);
      break;
    case Kind::float8:
      out = std::make_unique<Simple<Float<arrow::DoubleType, uint64_t>>>(arrow);
      break;
    case Kind::numeric:
      if (arrow->id() == arrow::Type::DECIMAL128) {
        out = std::make_unique<Decimal>(arrow);
      } else {
        out = std::make_unique<Simple<NumericText>>(arrow);
      }
      break;
    case Kind::date:
      out = std::make_unique<Simple<Date>>(arrow);
      break;
    case Kind::time:
      out = std::make_unique<Simple<Time>>(arrow);
      break;
    case Kind::timestamp:
    case Kind::timestamptz:
      out = std::make_unique<Simple<Timestamp>>(arrow);
      break;
    case Kind::interval:
      out = std::make_unique<Simple<IntervalValue>>(arrow);
      break;
    case Kind::bytea:
      out = std::make_unique<Simple<Bytea>>(arrow);
      break;
    case Kind::jsonb:
      out = std::make_unique<Simple<Jsonb>>(arrow);
      break;
    case Kind::uuid:
      out = std::make_unique<Simple<Uuid>>(arrow);
      break;
    case Kind::text:
    case Kind::other:
      out = std::make_unique<Simple<Text>>(arrow);
      break;
    case Kind::array:
      if (policy.arrays_as_text) {
        out = std::make_unique<Simple<Text>>(arrow);
      } else {
        out = std::make_unique<List>(arrow, TRY(create_decoder(*type.element, policy)));
      }
      break;
  }
  return out;
}

}  // namespace sluice::postgres
