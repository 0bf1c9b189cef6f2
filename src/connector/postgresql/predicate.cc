#include "connector/postgresql/predicate.h"

#include <chrono>
#include <cmath>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "postgres/moment.h"

namespace sluice::postgresql {
namespace {

using postgres::quote_text;

template <typename Scalar>
auto value_of(const arrow::Scalar& scalar) {
  return static_cast<const Scalar&>(scalar).value;
}

std::optional<std::string> date_literal(int64_t days) {
  if (days == postgres::kDateInfinity) return "infinity";
  if (days == -postgres::kDateInfinity) return "-infinity";
  constexpr int64_t kYear1 = -719'162;
  constexpr int64_t kYear9999 = 2'932'896;
  if (days < kYear1 || days > kYear9999) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

std::optional<std::string> timestamp_literal(int64_t micros) {
  if (micros == postgres::kTimestampInfinity) return "infinity";
  if (micros == -postgres::kTimestampInfinity) return "-infinity";
  int64_t days = micros / postgres::kMicrosPerDay;
  int64_t rest = micros % postgres::kMicrosPerDay;
  if (rest < 0) {
    rest += postgres::kMicrosPerDay;
    --days;
  }
  auto date = date_literal(days);
  if (!date) return std::nullopt;
  const int64_t seconds = rest / 1'000'000;
  return fmt::format("{} {:02}:{:02}:{:02}.{:06}+00", *date, seconds / 3600, seconds / 60 % 60, seconds % 60,
                     rest % 1'000'000);
}

std::string double_literal(double value, std::string_view type) {
  if (std::isnan(value)) return fmt::format("'NaN'::{}", type);
  if (std::isinf(value)) return fmt::format("'{}Infinity'::{}", value < 0 ? "-" : "", type);
  return fmt::format("'{}'::{}", value, type);
}

// The literal for a scalar that has the column's Arrow type; nothing for types that are not compared here.
std::optional<std::string> literal_of(const arrow::Scalar& scalar) {
  if (!scalar.is_valid) return std::nullopt;
  switch (scalar.type->id()) {
    case arrow::Type::BOOL:
      return value_of<arrow::BooleanScalar>(scalar) ? "true" : "false";
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
      return fmt::format("'{}'::int8", scalar.ToString());
    case arrow::Type::UINT32:
      return fmt::format("'{}'::oid", scalar.ToString());
    case arrow::Type::FLOAT:
      return double_literal(value_of<arrow::FloatScalar>(scalar), "float4");
    case arrow::Type::DOUBLE:
      return double_literal(value_of<arrow::DoubleScalar>(scalar), "float8");
    case arrow::Type::DECIMAL128:
      return fmt::format("'{}'::numeric", scalar.ToString());
    case arrow::Type::STRING:
      return quote_text(static_cast<const arrow::StringScalar&>(scalar).view());
    case arrow::Type::DATE32: {
      auto date = date_literal(value_of<arrow::Date32Scalar>(scalar));
      if (!date) return std::nullopt;
      return fmt::format("'{}'::date", *date);
    }
    case arrow::Type::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*scalar.type);
      if (type.unit() != arrow::TimeUnit::MICRO) return std::nullopt;
      auto moment = timestamp_literal(value_of<arrow::TimestampScalar>(scalar));
      if (!moment) return std::nullopt;
      return fmt::format("'{}'::{}", *moment, type.timezone().empty() ? "timestamp" : "timestamptz");
    }
    default:
      return std::nullopt;
  }
}

std::string_view sql_of(Predicate::Op op) {
  switch (op) {
    case Predicate::Op::eq:
      return "=";
    case Predicate::Op::ne:
      return "<>";
    case Predicate::Op::lt:
      return "<";
    case Predicate::Op::le:
      return "<=";
    case Predicate::Op::gt:
      return ">";
    case Predicate::Op::ge:
      return ">=";
    default:
      return {};
  }
}

}  // namespace

std::optional<std::string> sql_of(const Predicate& predicate, const postgres::Column& column,
                                  const postgres::TypePolicy& policy, bool utf8) {
  if (predicate.column.size() != 1) return std::nullopt;
  std::string operand = postgres::quote(column.name);
  const bool asks_for_null = predicate.op == Predicate::Op::is_null || predicate.op == Predicate::Op::is_not_null;
  if (asks_for_null && column.type.kind == postgres::Kind::other) {  // IS NULL of a composite is about its fields
    return fmt::format("num_nulls({}) = {}", operand, predicate.op == Predicate::Op::is_null ? 1 : 0);
  }
  if (predicate.op == Predicate::Op::is_null) return operand + " IS NULL";
  if (predicate.op == Predicate::Op::is_not_null) return operand + " IS NOT NULL";
  if (column.type.unlimited == "bpchar") return std::nullopt;  // compared or cast, its blanks do not count
  const auto type = postgres::arrow_type(column.type, policy);
  if (type->id() == arrow::Type::STRING) {
    const bool equality =
        predicate.op == Predicate::Op::eq || predicate.op == Predicate::Op::ne || predicate.op == Predicate::Op::in;
    if (!utf8 && !equality) return std::nullopt;
    operand = column.type.kind == postgres::Kind::other ? postgres::printed(column) : operand + "::text";
    operand = fmt::format("({} COLLATE \"C\")", operand);  // bytes, as DuckDB compares, not a language's order
  }
  std::vector<std::string> literals;
  for (const auto& value : predicate.values) {
    if (value == nullptr || !value->type->Equals(*type)) return std::nullopt;
    auto literal = literal_of(*value);
    if (!literal) return std::nullopt;
    literals.push_back(std::move(*literal));
  }
  if (literals.empty()) return std::nullopt;
  if (predicate.op == Predicate::Op::in) return fmt::format("{} IN ({})", operand, fmt::join(literals, ", "));
  return fmt::format("{} {} {}", operand, sql_of(predicate.op), literals[0]);
}

}  // namespace sluice::postgresql
