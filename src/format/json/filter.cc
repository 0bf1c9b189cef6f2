#include <limits>

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/decimal.h>

#include "batch/time_text.h"
#include "format/json/columns.h"

namespace sluice::json {
namespace {

bool integer_of(const arrow::Scalar& scalar, int64_t* value) {
  switch (scalar.type->id()) {
    case arrow::Type::INT8:
      *value = static_cast<const arrow::Int8Scalar&>(scalar).value;
      return true;
    case arrow::Type::INT16:
      *value = static_cast<const arrow::Int16Scalar&>(scalar).value;
      return true;
    case arrow::Type::INT32:
      *value = static_cast<const arrow::Int32Scalar&>(scalar).value;
      return true;
    case arrow::Type::INT64:
      *value = static_cast<const arrow::Int64Scalar&>(scalar).value;
      return true;
    case arrow::Type::UINT8:
      *value = static_cast<const arrow::UInt8Scalar&>(scalar).value;
      return true;
    case arrow::Type::UINT16:
      *value = static_cast<const arrow::UInt16Scalar&>(scalar).value;
      return true;
    case arrow::Type::UINT32:
      *value = static_cast<const arrow::UInt32Scalar&>(scalar).value;
      return true;
    default:
      return false;
  }
}

bool number_of(const arrow::Scalar& scalar, double* value) {
  int64_t integer = 0;
  if (integer_of(scalar, &integer)) {
    *value = static_cast<double>(integer);
    return std::abs(integer) <= int64_t{1} << 53;
  }
  switch (scalar.type->id()) {
    case arrow::Type::DOUBLE:
      *value = static_cast<const arrow::DoubleScalar&>(scalar).value;
      break;
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::Decimal128Scalar&>(scalar);
      // SQL compares a double with a decimal as doubles.
      *value = std::strtod(decimal.value.ToString(static_cast<const arrow::DecimalType&>(*scalar.type).scale()).c_str(),
                           nullptr);
      break;
    }
    default:
      return false;
  }
  return *value == *value;
}

bool timestamp_of(const arrow::TimestampType& column, const arrow::Scalar& scalar, int64_t* value) {
  if (scalar.type->id() != arrow::Type::TIMESTAMP) return false;
  const auto& type = static_cast<const arrow::TimestampType&>(*scalar.type);
  if (type.timezone().empty() != column.timezone().empty()) return false;
  __int128 scaled =
      static_cast<__int128>(static_cast<const arrow::TimestampScalar&>(scalar).value) * units_per_second(column.unit());
  if (scaled % units_per_second(type.unit()) != 0) return false;
  scaled /= units_per_second(type.unit());
  *value = static_cast<int64_t>(scaled);
  return scaled == *value;
}

bool in_list(const arrow::Schema& schema, const ColumnPath& path) { return find_field(schema, path) == nullptr; }

}  // namespace

bool make_literal(const arrow::DataType& type, const arrow::Scalar& scalar, Literal* literal,
                  std::deque<std::string>* texts) {
  if (!scalar.is_valid) return false;
  switch (type.id()) {
    case arrow::Type::BOOL:
      if (scalar.type->id() != arrow::Type::BOOL) return false;
      literal->integer = static_cast<const arrow::BooleanScalar&>(scalar).value ? 1 : 0;
      return true;
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
      return integer_of(scalar, &literal->integer);
    case arrow::Type::DOUBLE:
      return number_of(scalar, &literal->number);
    case arrow::Type::DATE32:
      if (scalar.type->id() != arrow::Type::DATE32) return false;
      literal->integer = static_cast<const arrow::Date32Scalar&>(scalar).value;
      return true;
    case arrow::Type::TIMESTAMP:
      return timestamp_of(static_cast<const arrow::TimestampType&>(type), scalar, &literal->integer);
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING: {
      auto id = scalar.type->id();
      if (id != arrow::Type::STRING && id != arrow::Type::LARGE_STRING) return false;
      const auto& text = *static_cast<const arrow::BaseBinaryScalar&>(scalar).value;
      texts->push_back(text.ToString());
      literal->text_size = static_cast<uint32_t>(texts->back().size());
      texts->back().append(8, '\0');  // comparisons read eight bytes at a time
      literal->text = texts->back().data();
      return true;
    }
    default:
      return false;
  }
}

std::vector<bool> plan_filter(const arrow::Schema& decoded, const std::vector<Predicate>& filter) {
  std::vector<bool> exact;
  for (const auto& predicate : filter) {
    if (predicate.column.empty() || in_list(decoded, predicate.column)) {
      exact.push_back(false);
      continue;
    }
    bool supported = predicate.op == Predicate::Op::is_null || predicate.op == Predicate::Op::is_not_null ||
                     !predicate.values.empty();
    const arrow::DataType& type = *find_field(decoded, predicate.column)->type();
    std::deque<std::string> texts;
    for (const auto& value : predicate.values) {
      Literal literal;
      supported = supported && value != nullptr && make_literal(type, *value, &literal, &texts);
    }
    exact.push_back(supported);
  }
  return exact;
}

void Columns::add_tests(const std::vector<Predicate>& filter) {
  for (const auto& predicate : filter) {
    Column* column = root_;
    for (const auto& name : predicate.column) {
      Column* record = column;
      for (int i = 0; i < column->field_count; ++i) {
        if (column->fields[i]->name == name) {
          column = column->fields[i];
          break;
        }
      }
      record->tested_count += column->tested ? 0 : 1;
      column->tested = true;
    }
    std::vector<Literal>& literals = literals_.emplace_back();
    for (const auto& value : predicate.values) {
      CHECK(make_literal(*column->type, *value, &literals.emplace_back(), &names_));
    }
    Test test;
    test.op = static_cast<Op>(predicate.op);
    test.literals = literals.data();
    test.literal_count = static_cast<int32_t>(literals.size());
    test.next = column->tests;
    tests_.push_back(test);
    column->tests = &tests_.back();
  }
}

}  // namespace sluice::json
