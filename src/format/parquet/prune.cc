#include "format/parquet/prune.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include <arrow/compute/cast.h>
#include <arrow/type_traits.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/statistics.h>

#include "format/parquet/columns.h"

namespace sluice::parquet_format_detail {
namespace {

using arrow::Scalar;
using ScalarPtr = std::shared_ptr<Scalar>;

template <typename T>
int order(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

// Two valid scalars of one type.
struct SameTypeComparison {
  const Scalar& a;
  const Scalar& b;
  std::optional<int> result;

  template <typename T>
  arrow::Status Visit(const T&) {
    using ScalarType = typename arrow::TypeTraits<T>::ScalarType;
    const auto& left = static_cast<const ScalarType&>(a);
    const auto& right = static_cast<const ScalarType&>(b);
    if constexpr (arrow::is_floating_type<T>::value && !std::is_same_v<T, arrow::HalfFloatType>) {
      if (!std::isnan(left.value) && !std::isnan(right.value)) result = order(left.value, right.value);
    } else if constexpr (arrow::is_integer_type<T>::value || arrow::is_boolean_type<T>::value ||
                         arrow::is_date_type<T>::value || arrow::is_time_type<T>::value ||
                         arrow::is_timestamp_type<T>::value || arrow::is_decimal_type<T>::value) {
      result = order(left.value, right.value);
    } else if constexpr (arrow::is_base_binary_type<T>::value || arrow::is_fixed_size_binary_type<T>::value) {
      result = left.view().compare(right.view());
    }
    return arrow::Status::OK();
  }
};

ScalarPtr cast(const Scalar& scalar, const std::shared_ptr<arrow::DataType>& type) {
  if (scalar.type->Equals(*type)) return const_cast<Scalar&>(scalar).shared_from_this();
  auto cast = arrow::compute::Cast(arrow::Datum(const_cast<Scalar&>(scalar).shared_from_this()),
                                   arrow::compute::CastOptions::Safe(type));
  return cast.ok() ? cast->scalar() : nullptr;
}

struct Range {
  ScalarPtr min;  // null: not known
  ScalarPtr max;
  bool nan_possible = false;
  bool all_null = false;
  bool no_null = false;
};

Range range_of(const parquet::ColumnChunkMetaData& chunk) {
  Range range;
  auto statistics = chunk.is_stats_set() ? chunk.statistics() : nullptr;
  if (statistics == nullptr) return range;
  if (statistics->HasNullCount()) {
    range.all_null = statistics->null_count() == chunk.num_values();
    range.no_null = statistics->null_count() == 0;
  }
  if (statistics->HasMinMax() && !parquet::arrow::StatisticsAsScalars(*statistics, &range.min, &range.max).ok()) {
    range.min = range.max = nullptr;
  }
  auto physical = statistics->descr()->physical_type();
  range.nan_possible = physical == parquet::Type::FLOAT || physical == parquet::Type::DOUBLE;
  return range;
}

// Whether some value in the range may be equal to / less than / greater than the literal; true when it is unknown.
bool below(const Range& range, const Scalar& literal, bool or_equal) {
  auto order = compare(*range.min, literal);
  return !order || *order < 0 || (or_equal && *order == 0);
}
bool above(const Range& range, const Scalar& literal, bool or_equal) {
  if (range.nan_possible) return true;
  auto order = compare(*range.max, literal);
  return !order || *order > 0 || (or_equal && *order == 0);
}
bool within(const Range& range, const Scalar& literal) {
  auto to_min = compare(literal, *range.min);
  auto to_max = compare(literal, *range.max);
  return !to_min || !to_max || (*to_min >= 0 && *to_max <= 0);
}

bool range_may_match(const Range& range, const Predicate& predicate) {
  using Op = Predicate::Op;
  if (predicate.op == Op::is_null) return !range.no_null;
  if (range.all_null) return false;
  if (predicate.op == Op::is_not_null || range.min == nullptr || range.max == nullptr) return true;
  if (predicate.values.empty()) return true;
  const auto& literal = *predicate.values[0];
  if (!literal.is_valid && predicate.op != Op::in) return false;  // a comparison with NULL is never true
  switch (predicate.op) {
    case Op::eq:
      return within(range, literal);
    case Op::ne: {
      auto to_min = compare(literal, *range.min);
      auto to_max = compare(literal, *range.max);
      return range.nan_possible || !to_min || !to_max || *to_min != 0 || *to_max != 0;
    }
    case Op::lt:
      return below(range, literal, false);
    case Op::le:
      return below(range, literal, true);
    case Op::gt:
      return above(range, literal, false);
    case Op::ge:
      return above(range, literal, true);
    case Op::in:
      return std::any_of(predicate.values.begin(), predicate.values.end(),
                         [&](const ScalarPtr& value) { return value->is_valid && within(range, *value); });
    default:
      return true;
  }
}

bool chunk_may_match(const parquet::FileMetaData& metadata, const parquet::arrow::SchemaManifest& manifest,
                     int row_group, const Predicate& predicate) {
  const auto* leaf = find_leaf(manifest, predicate.column);
  if (leaf == nullptr) return predicate.op == Predicate::Op::is_null;  // the column is NULL in every row of this file
  // Inside lists and maps a statistic is about elements, not rows.
  if (!leaf->is_leaf() || leaf->level_info.rep_level > 0) return true;
  try {
    auto chunk = metadata.RowGroup(row_group)->ColumnChunk(leaf->column_index);
    return range_may_match(range_of(*chunk), predicate);
  } catch (const parquet::ParquetException&) {
    return true;  // damaged statistics prove nothing; damaged data will show itself
  }
}

// Holds every value of a decimal column and of the literal beside it. Null: neither is a decimal.
TypePtr roomy_decimal(const arrow::DataType& a, const arrow::DataType& b) {
  int scale = INT32_MIN;
  for (const auto* type : {&a, &b}) {
    if (arrow::is_decimal(type->id())) scale = std::max(scale, static_cast<const arrow::DecimalType*>(type)->scale());
  }
  return scale == INT32_MIN ? nullptr : arrow::decimal256(arrow::Decimal256Type::kMaxPrecision, scale);
}

bool is_text(arrow::Type::type id) { return arrow::is_base_binary_like(id) || id == arrow::Type::STRING_VIEW; }

// A date is its midnight beside a timestamp; a cast to the date would lose the time. Null: they are not these two.
TypePtr timestamp_of(const arrow::DataType& a, const arrow::DataType& b) {
  if (arrow::is_date(a.id()) && b.id() == arrow::Type::TIMESTAMP) return arrow::timestamp(arrow::TimeUnit::MICRO);
  if (arrow::is_date(b.id()) && a.id() == arrow::Type::TIMESTAMP) return arrow::timestamp(arrow::TimeUnit::MICRO);
  return nullptr;
}

}  // namespace

std::optional<int> compare(const Scalar& a, const Scalar& b) {
  if (!a.is_valid || !b.is_valid) return std::nullopt;
  ScalarPtr left = const_cast<Scalar&>(a).shared_from_this();
  ScalarPtr right = const_cast<Scalar&>(b).shared_from_this();
  if (!left->type->Equals(*right->type)) {
    if (is_text(left->type->id()) != is_text(right->type->id())) return std::nullopt;  // SQL compares them as texts
    // Towards float64 where one is a float (rounding the other way would move a boundary), else to the column's type.
    bool floating = arrow::is_floating(left->type->id()) || arrow::is_floating(right->type->id());
    auto wider = floating ? arrow::float64() : roomy_decimal(*left->type, *right->type);
    if (wider == nullptr) wider = timestamp_of(*left->type, *right->type);
    auto original = right;
    auto type = wider == nullptr ? left->type : wider;
    left = cast(*left, type);
    right = cast(*right, type);
    if ((left == nullptr || right == nullptr) && wider == nullptr) {
      left = cast(a, original->type);
      right = original;
    }
    if (left == nullptr || right == nullptr) return std::nullopt;
  }
  SameTypeComparison comparison{*left, *right, std::nullopt};
  if (!arrow::VisitTypeInline(*left->type, &comparison).ok()) return std::nullopt;
  return comparison.result;
}

bool may_match(const parquet::FileMetaData& metadata, const parquet::arrow::SchemaManifest& manifest, int row_group,
               const std::vector<Predicate>& filter) {
  return std::all_of(filter.begin(), filter.end(), [&](const Predicate& predicate) {
    return chunk_may_match(metadata, manifest, row_group, predicate);
  });
}

}  // namespace sluice::parquet_format_detail
