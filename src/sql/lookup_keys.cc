#include "sql/lookup_keys.h"

#include <arrow/api.h>
#include <arrow/compute/cast.h>

#include "batch/arrow_result.h"

namespace sluice::sql {

using arrow::Type;

KeyFamily key_family(const arrow::DataType& type) {
  if (arrow::is_integer(type.id())) return KeyFamily::integer;
  switch (type.id()) {
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
      return KeyFamily::text;
    case Type::BOOL:
      return KeyFamily::boolean;
    case Type::DATE32:
      return KeyFamily::date;
    case Type::TIMESTAMP:
      return KeyFamily::timestamp;
    case Type::DECIMAL128:
      return KeyFamily::decimal;
    case Type::FLOAT:
    case Type::DOUBLE:
      return KeyFamily::floating;
    default:
      return KeyFamily::none;
  }
}

Result<TypePtr> common_key_type(const arrow::DataType& left, const arrow::DataType& right) {
  auto family = key_family(left);
  auto refuse = [&] {
    return user_error(
        "a lookup cannot compare {} with {}; CAST one of them in an earlier statement, or give the "
        "source its type with columns := '…'",
        type_name(left), type_name(right));
  };
  if (family == KeyFamily::none || family != key_family(right)) return refuse();
  switch (family) {
    case KeyFamily::integer:
      return left.id() == Type::UINT64 || right.id() == Type::UINT64 ? arrow::decimal128(20, 0) : arrow::int64();
    case KeyFamily::text:
      return arrow::utf8();
    case KeyFamily::boolean:
      return arrow::boolean();
    case KeyFamily::date:
      return arrow::date32();
    case KeyFamily::floating:
      return arrow::float64();
    case KeyFamily::timestamp: {
      bool left_zoned = !static_cast<const arrow::TimestampType&>(left).timezone().empty();
      bool right_zoned = !static_cast<const arrow::TimestampType&>(right).timezone().empty();
      if (left_zoned != right_zoned) return refuse();
      return arrow::timestamp(arrow::TimeUnit::MICRO, left_zoned ? "UTC" : "");
    }
    default:
      break;
  }
  const auto& a = static_cast<const arrow::DecimalType&>(left);
  const auto& b = static_cast<const arrow::DecimalType&>(right);
  int scale = std::max(a.scale(), b.scale());
  int precision = std::max(a.precision() - a.scale(), b.precision() - b.scale()) + scale;
  if (precision > 38) return refuse();
  return arrow::decimal128(precision, scale);
}

Result<KeyColumns> KeyColumns::make(const arrow::ArrayVector& columns, const std::vector<TypePtr>& types) {
  KeyColumns keys;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i]->type()->Equals(*types[i])) {
      keys.columns_.push_back(columns[i]);
    } else {
      keys.columns_.push_back(TRY(to_result(arrow::compute::Cast(*columns[i], types[i]))));
    }
  }
  bool one_integer = keys.columns_.size() == 1 && keys.columns_[0]->type_id() == Type::INT64;
  if (one_integer) keys.integers_ = keys.columns_[0]->data()->GetValues<int64_t>(1);
  return keys;
}

std::optional<int64_t> KeyColumns::integer(int64_t row) const {
  if (columns_[0]->IsNull(row)) return std::nullopt;
  return integers_[row];
}

bool KeyColumns::encode(int64_t row, std::string& out) const {
  out.clear();
  for (const auto& column : columns_) {
    if (column->IsNull(row)) return false;
    auto append = [&](const auto& value) { out.append(reinterpret_cast<const char*>(&value), sizeof(value)); };
    switch (column->type_id()) {
      case Type::INT64:
        append(static_cast<const arrow::Int64Array&>(*column).Value(row));
        break;
      case Type::DATE32:
        append(static_cast<const arrow::Date32Array&>(*column).Value(row));
        break;
      case Type::TIMESTAMP:
        append(static_cast<const arrow::TimestampArray&>(*column).Value(row));
        break;
      case Type::BOOL:
        out += static_cast<const arrow::BooleanArray&>(*column).Value(row) ? '1' : '0';
        break;
      case Type::DOUBLE: {
        double value = static_cast<const arrow::DoubleArray&>(*column).Value(row);
        append(value == 0 ? 0.0 : value);  // -0.0 equals 0.0
        break;
      }
      case Type::DECIMAL128:
        out.append(reinterpret_cast<const char*>(static_cast<const arrow::Decimal128Array&>(*column).GetValue(row)),
                   16);
        break;
      default: {
        auto text = static_cast<const arrow::StringArray&>(*column).GetView(row);
        append(static_cast<uint32_t>(text.size()));
        out.append(text);
      }
    }
  }
  return true;
}

}  // namespace sluice::sql
