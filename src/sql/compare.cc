#include "sql/compare.h"

#include <cmath>
#include <string_view>

#include <arrow/api.h>

#include "base/result.h"

namespace sluice::sql {
namespace {

using arrow::Type;
using Op = Predicate::Op;

// Three-way, NaN greatest.
template <typename T>
int order(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return static_cast<int>(std::isnan(a)) - static_cast<int>(std::isnan(b));
  }
  return a < b ? -1 : (b < a ? 1 : 0);
}

template <Op op, typename T>
bool holds(const T& value, const T& literal) {
  int o = order(value, literal);
  if constexpr (op == Op::eq) return o == 0;
  if constexpr (op == Op::ne) return o != 0;
  if constexpr (op == Op::lt) return o < 0;
  if constexpr (op == Op::le) return o <= 0;
  if constexpr (op == Op::gt) return o > 0;
  return o >= 0;
}

template <Op op, typename T, typename Get>
void narrow_one(const arrow::Array& column, const T& literal, Get get, std::vector<uint8_t>& keep) {
  int64_t rows = column.length();
  for (int64_t i = 0; i < rows; ++i) keep[i] &= static_cast<uint8_t>(holds<op>(get(i), literal));
}

template <typename T, typename Get>
void narrow_any(const arrow::Array& column, Op op, const std::vector<T>& literals, Get get,
                std::vector<uint8_t>& keep) {
  switch (op) {
    case Op::eq:
      return narrow_one<Op::eq, T>(column, literals[0], get, keep);
    case Op::ne:
      return narrow_one<Op::ne, T>(column, literals[0], get, keep);
    case Op::lt:
      return narrow_one<Op::lt, T>(column, literals[0], get, keep);
    case Op::le:
      return narrow_one<Op::le, T>(column, literals[0], get, keep);
    case Op::gt:
      return narrow_one<Op::gt, T>(column, literals[0], get, keep);
    case Op::ge:
      return narrow_one<Op::ge, T>(column, literals[0], get, keep);
    case Op::in:
      for (int64_t i = 0; i < column.length(); ++i) {
        if (keep[i] == 0) continue;
        bool found = false;
        for (const auto& literal : literals) found = found || order<T>(get(i), literal) == 0;
        keep[i] = static_cast<uint8_t>(found);
      }
      return;
    case Op::is_null:
    case Op::is_not_null:
      return;
  }
}

template <typename ArrowType>
void narrow_numbers(const arrow::Array& column, const Predicate& predicate, std::vector<uint8_t>& keep) {
  using T = typename ArrowType::c_type;
  std::vector<T> literals;
  for (const auto& value : predicate.values) {
    literals.push_back(static_cast<const typename arrow::TypeTraits<ArrowType>::ScalarType&>(*value).value);
  }
  const T* values = column.data()->GetValues<T>(1);
  narrow_any<T>(
      column, predicate.op, literals, [values](int64_t i) { return values[i]; }, keep);
}

template <typename ArrayType>
void narrow_texts(const arrow::Array& column, const Predicate& predicate, std::vector<uint8_t>& keep) {
  std::vector<std::string_view> literals;
  for (const auto& value : predicate.values) {
    const auto& buffer = *static_cast<const arrow::BaseBinaryScalar&>(*value).value;
    literals.emplace_back(reinterpret_cast<const char*>(buffer.data()), static_cast<size_t>(buffer.size()));
  }
  const auto& texts = static_cast<const ArrayType&>(column);
  narrow_any<std::string_view>(
      column, predicate.op, literals, [&](int64_t i) { return texts.GetView(i); }, keep);
}

void narrow_booleans(const arrow::Array& column, const Predicate& predicate, std::vector<uint8_t>& keep) {
  std::vector<bool> literals;
  for (const auto& value : predicate.values) literals.push_back(static_cast<const arrow::BooleanScalar&>(*value).value);
  const auto& values = static_cast<const arrow::BooleanArray&>(column);
  narrow_any<bool>(
      column, predicate.op, literals, [&](int64_t i) { return values.Value(i); }, keep);
}

void narrow_decimals(const arrow::Array& column, const Predicate& predicate, std::vector<uint8_t>& keep) {
  std::vector<arrow::Decimal128> literals;
  for (const auto& value : predicate.values) {
    literals.push_back(static_cast<const arrow::Decimal128Scalar&>(*value).value);
  }
  const auto& values = static_cast<const arrow::Decimal128Array&>(column);
  narrow_any<arrow::Decimal128>(
      column, predicate.op, literals, [&](int64_t i) { return arrow::Decimal128(values.GetValue(i)); }, keep);
}

}  // namespace

bool can_compare(const arrow::DataType& type, Op op) {
  if (op == Op::is_null || op == Op::is_not_null) return true;
  switch (type.id()) {
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::UINT8:
    case Type::UINT16:
    case Type::UINT32:
    case Type::UINT64:
    case Type::FLOAT:
    case Type::DOUBLE:
    case Type::DECIMAL128:
    case Type::BOOL:
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::DATE32:
    case Type::TIMESTAMP:
      return true;
    default:
      return false;
  }
}

void narrow(const arrow::Array& column, const Predicate& predicate, std::vector<uint8_t>& keep) {
  bool wants_null = predicate.op == Op::is_null;
  if (wants_null || column.null_count() > 0) {
    for (int64_t i = 0; i < column.length(); ++i) keep[i] &= static_cast<uint8_t>(column.IsNull(i) == wants_null);
  }
  if (wants_null || predicate.op == Op::is_not_null) return;
  switch (column.type_id()) {
    case Type::INT8:
      return narrow_numbers<arrow::Int8Type>(column, predicate, keep);
    case Type::INT16:
      return narrow_numbers<arrow::Int16Type>(column, predicate, keep);
    case Type::INT32:
      return narrow_numbers<arrow::Int32Type>(column, predicate, keep);
    case Type::INT64:
      return narrow_numbers<arrow::Int64Type>(column, predicate, keep);
    case Type::UINT8:
      return narrow_numbers<arrow::UInt8Type>(column, predicate, keep);
    case Type::UINT16:
      return narrow_numbers<arrow::UInt16Type>(column, predicate, keep);
    case Type::UINT32:
      return narrow_numbers<arrow::UInt32Type>(column, predicate, keep);
    case Type::UINT64:
      return narrow_numbers<arrow::UInt64Type>(column, predicate, keep);
    case Type::FLOAT:
      return narrow_numbers<arrow::FloatType>(column, predicate, keep);
    case Type::DOUBLE:
      return narrow_numbers<arrow::DoubleType>(column, predicate, keep);
    case Type::DATE32:
      return narrow_numbers<arrow::Date32Type>(column, predicate, keep);
    case Type::TIMESTAMP:
      return narrow_numbers<arrow::TimestampType>(column, predicate, keep);
    case Type::DECIMAL128:
      return narrow_decimals(column, predicate, keep);
    case Type::BOOL:
      return narrow_booleans(column, predicate, keep);
    case Type::STRING:
      return narrow_texts<arrow::StringArray>(column, predicate, keep);
    case Type::LARGE_STRING:
      return narrow_texts<arrow::LargeStringArray>(column, predicate, keep);
    default:
      CHECK(false);
  }
}

}  // namespace sluice::sql
