// Casts a batch to a schema: exact or refused. Nested values are rebuilt around their leaves; a leaf is cast by Arrow
// and, where that could round, cast back and compared.
#include <algorithm>
#include <limits>

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/buffer_builder.h>
#include <arrow/compute/cast.h>
#include <arrow/extension_type.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "batch/arrow_result.h"
#include "batch/schema.h"

namespace sluice {
namespace {

using arrow::Type;
using ArrayPtr = std::shared_ptr<arrow::Array>;

// The first value that does not fit, as it travels outwards through the levels of nesting.
struct Misfit {
  bool found = false;   // false: the types themselves cannot be cast
  int64_t index = 0;    // in the array of the current level
  std::string field;    // ".user.age" below the column
  std::string problem;  // "300 does not fit TINYINT"
};

Result<ArrayPtr> cast_array(const ArrayPtr& array, const TypePtr& to, Misfit* misfit);

std::string shown(const arrow::Array& array, int64_t index) {
  auto scalar = array.GetScalar(index);
  std::string text = scalar.ok() ? scalar.ValueUnsafe()->ToString() : "a value";
  constexpr size_t kLongest = 60;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "…";
  return text;
}

Error types_differ(const arrow::DataType& from, const arrow::DataType& to) {
  const bool same_name = type_name(from) == type_name(to);
  return user_error("{} cannot become {} without loss", same_name ? from.ToString() : type_name(from),
                    same_name ? to.ToString() : type_name(to));
}

// Error{} of a misfit: its text is composed at the top, from the Misfit.
Error misfits(Misfit* misfit, int64_t index, std::string problem) {
  *misfit = Misfit{true, index, {}, std::move(problem)};
  return Error{Fault::user, misfit->problem, {}};
}

Result<ArrayPtr> arrow_cast(const ArrayPtr& array, const TypePtr& to, bool safe) {
  const auto options = safe ? arrow::compute::CastOptions::Safe(to) : arrow::compute::CastOptions::Unsafe(to);
  auto cast = arrow::compute::Cast(arrow::Datum(array), options);
  if (!cast.ok()) return from_arrow(cast.status());
  return cast.ValueUnsafe().make_array();
}

// Arrow wants room for every int64 in a decimal's type, whatever the values: go through one that has it.
Result<ArrayPtr> cast_integer_to_decimal(const ArrayPtr& array, const TypePtr& to) {
  const int scale = static_cast<const arrow::DecimalType&>(*to).scale();
  auto roomy =
      TRY(arrow_cast(array, arrow::decimal256(std::min(20 + std::max(scale, 0), 76), std::max(scale, 0)), true));
  return arrow_cast(roomy, to, true);
}

Result<ArrayPtr> cast_values(const ArrayPtr& array, const TypePtr& to, bool safe) {
  const bool through_decimal = arrow::is_integer(array->type_id()) && arrow::is_decimal(to->id());
  return through_decimal ? cast_integer_to_decimal(array, to) : arrow_cast(array, to, safe);
}

Result<ArrayPtr> cast_checked(const ArrayPtr& array, const TypePtr& to, bool lossless) {
  auto cast = TRY(cast_values(array, to, true));
  if (lossless) return cast;
  auto back = cast_values(cast, array->type(), false);
  const bool same = back.ok() && back.value()->Equals(
                                     *array, arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(true));
  if (!same) return user_error("not exact");
  return cast;
}

enum class Family { number, text, blob, calendar, time, duration, other };

Family family_of(const arrow::DataType& type) {
  const Type::type id = type.id();
  if (arrow::is_integer(id) || arrow::is_floating(id) || arrow::is_decimal(id)) return Family::number;
  switch (id) {
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
      return Family::text;
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW:
    case Type::FIXED_SIZE_BINARY:
      return Family::blob;
    case Type::DATE32:
    case Type::DATE64:
    case Type::TIMESTAMP:
      return Family::calendar;
    case Type::TIME32:
    case Type::TIME64:
      return Family::time;
    case Type::DURATION:
      return Family::duration;
    default:
      return Family::other;
  }
}

bool has_zone(const arrow::DataType& type) {
  return type.id() == Type::TIMESTAMP && !static_cast<const arrow::TimestampType&>(type).timezone().empty();
}

// Within a family a value may fit; across families it would be an interpretation, which is SQL's business.
bool may_fit(const arrow::DataType& from, const arrow::DataType& to) {
  const Family family = family_of(from);
  if (family != family_of(to) || family == Family::other) return false;
  return has_zone(from) == has_zone(to);
}

Result<ArrayPtr> cast_leaf(const ArrayPtr& array, const TypePtr& to, Misfit* misfit) {
  if (!may_fit(*array->type(), *to)) return types_differ(*array->type(), *to);
  const auto widened = widen(array->type(), to);
  // Arrow drops the milliseconds of a date64 silently: that pair is always compared.
  const bool lossless =
      widened.ok() && Result<TypePtr>(widened).value()->Equals(*to) && array->type_id() != Type::DATE64;
  auto cast = cast_checked(array, to, lossless);
  if (cast.ok()) return cast;
  // Only now, on the way to an error, look for the value: halve the range that fails.
  int64_t begin = 0;
  int64_t length = array->length();
  while (length > 1) {
    const int64_t half = length / 2;
    if (cast_checked(array->Slice(begin, half), to, lossless).ok()) {
      begin += half;
      length -= half;
    } else {
      length = half;
    }
  }
  if (length == 0) return types_differ(*array->type(), *to);
  return misfits(misfit, begin, fmt::format("{} does not fit {}", shown(*array, begin), type_name(*to)));
}

Result<std::shared_ptr<arrow::Buffer>> validity_of(const arrow::Array& array) {
  if (array.null_count() == 0) return nullptr;
  arrow::TypedBufferBuilder<bool> bits;
  TRY(to_result(bits.Reserve(array.length())));
  for (int64_t i = 0; i < array.length(); ++i) bits.UnsafeAppend(array.IsValid(i));
  return TRY(to_result(bits.Finish()));
}

// `child` is a column or a field that must not be null. Null structs around it are not counted: they were flattened.
Result<void> refuse_nulls(const ArrayPtr& child, const arrow::Field& field, const arrow::Array* parent,
                          Misfit* misfit) {
  if (field.nullable() || child->null_count() == 0) return {};
  for (int64_t i = 0; i < child->length(); ++i) {
    if (child->IsValid(i) || (parent != nullptr && parent->IsNull(i))) continue;
    return misfits(misfit, i, "NULL in a column that is NOT NULL");
  }
  return {};
}

Result<ArrayPtr> cast_struct(const arrow::StructArray& array, const TypePtr& to, Misfit* misfit) {
  const auto& from = static_cast<const arrow::StructType&>(*array.type());
  arrow::ArrayVector children;
  for (const auto& field : to->fields()) {
    const auto step = [&](Result<void> result) {
      if (!result.ok()) misfit->field = "." + field->name() + misfit->field;
      return result;
    };
    const int index = from.GetFieldIndex(field->name());
    ArrayPtr child;
    if (index < 0) {
      child = TRY(to_result(arrow::MakeArrayOfNull(field->type(), array.length())));
    } else {
      auto own = TRY(to_result(array.GetFlattenedField(index)));
      auto cast = cast_array(own, field->type(), misfit);
      if (!cast.ok()) {
        TRY(step(cast.error()));
      }
      child = std::move(cast).value();
    }
    TRY(step(refuse_nulls(child, *field, &array, misfit)));
    children.push_back(std::move(child));
  }
  auto validity = TRY(validity_of(array));
  return ArrayPtr(std::make_shared<arrow::StructArray>(to, array.length(), std::move(children), std::move(validity)));
}

// Offsets that begin at 0 and the elements of the rows that are not null: slices and hidden values are gone.
template <typename ListArray>
struct Elements {
  std::vector<int64_t> offsets;
  ArrayPtr values;
};
template <typename ListArray>
Result<Elements<ListArray>> elements_of(const ListArray& array) {
  Elements<ListArray> out;
  out.offsets.reserve(static_cast<size_t>(array.length()) + 1);
  out.offsets.push_back(0);
  for (int64_t i = 0; i < array.length(); ++i) {
    out.offsets.push_back(out.offsets.back() + (array.IsNull(i) ? 0 : array.value_length(i)));
  }
  out.values = TRY(to_result(array.Flatten(arrow::default_memory_pool())));
  return out;
}

template <typename Offset>
Result<std::shared_ptr<arrow::Buffer>> offsets_buffer(const std::vector<int64_t>& offsets) {
  arrow::TypedBufferBuilder<Offset> builder;
  TRY(to_result(builder.Reserve(static_cast<int64_t>(offsets.size()))));
  for (int64_t offset : offsets) {
    if (offset > std::numeric_limits<Offset>::max()) return refused("a batch's lists hold more than 2^31 elements");
    builder.UnsafeAppend(static_cast<Offset>(offset));
  }
  return TRY(to_result(builder.Finish()));
}

void move_to_row(const std::vector<int64_t>& offsets, Misfit* misfit) {
  if (!misfit->found) return;
  const auto after = std::upper_bound(offsets.begin(), offsets.end(), misfit->index);
  misfit->index = after - offsets.begin() - 1;
}

Result<ArrayPtr> assemble_list(const arrow::Array& array, const TypePtr& to, const std::vector<int64_t>& offsets,
                               const ArrayPtr& values) {
  auto validity = TRY(validity_of(array));
  auto buffer = TRY(to->id() == Type::LARGE_LIST ? offsets_buffer<int64_t>(offsets) : offsets_buffer<int32_t>(offsets));
  return arrow::MakeArray(
      arrow::ArrayData::Make(to, array.length(), {std::move(validity), std::move(buffer)}, {values->data()}));
}

template <typename ListArray>
Result<ArrayPtr> cast_list(const ListArray& array, const TypePtr& to, Misfit* misfit) {
  const auto elements = TRY(elements_of(array));
  const auto& element = *to->field(0);
  auto values = cast_array(elements.values, element.type(), misfit);
  Result<void> nulls;
  if (values.ok()) nulls = refuse_nulls(values.value(), element, nullptr, misfit);
  if (!values.ok() || !nulls.ok()) {
    misfit->field = "[]" + misfit->field;
    move_to_row(elements.offsets, misfit);
    return values.ok() ? nulls.error() : values.error();
  }
  return assemble_list(array, to, elements.offsets, values.value());
}

// Keys and values by position: writers disagree on what the two fields are called.
Result<ArrayPtr> cast_map(const arrow::MapArray& array, const TypePtr& to, Misfit* misfit) {
  const auto& type = static_cast<const arrow::MapType&>(*to);
  const auto elements = TRY(elements_of<arrow::ListArray>(array));
  const auto& entries = static_cast<const arrow::StructArray&>(*elements.values);
  arrow::ArrayVector parts;
  for (int i = 0; i < 2; ++i) {
    auto part = cast_array(entries.field(i), i == 0 ? type.key_type() : type.item_type(), misfit);
    if (!part.ok()) {
      misfit->field = (i == 0 ? ".key" : ".value") + misfit->field;
      move_to_row(elements.offsets, misfit);
      return std::move(part).error();
    }
    parts.push_back(std::move(part).value());
  }
  auto joined = std::make_shared<arrow::StructArray>(type.value_type(), entries.length(), std::move(parts));
  return assemble_list(array, to, elements.offsets, joined);
}

Result<ArrayPtr> cast_fixed_size_list(const ArrayPtr& array, const TypePtr& to, Misfit* misfit) {
  const auto& list = static_cast<const arrow::FixedSizeListArray&>(*array);
  const int32_t size = list.list_type()->list_size();
  if (size != static_cast<const arrow::FixedSizeListType&>(*to).list_size()) return types_differ(*array->type(), *to);
  const ArrayPtr own = list.values()->Slice(list.value_offset(0), list.length() * size);
  auto values = cast_array(own, to->field(0)->type(), misfit);
  if (!values.ok()) {
    misfit->field = "[]" + misfit->field;
    if (misfit->found && size > 0) misfit->index /= size;
    return values;
  }
  auto validity = TRY(validity_of(*array));
  return ArrayPtr(std::make_shared<arrow::FixedSizeListArray>(to, list.length(), values.value(), std::move(validity)));
}

bool is_var_list(Type::type id) { return id == Type::LIST || id == Type::LARGE_LIST; }

// Rare layouts become a common one first, by Arrow, with the same elements.
Result<ArrayPtr> with_plain_layout(const ArrayPtr& array) {
  switch (array->type_id()) {
    case Type::EXTENSION:
      return static_cast<const arrow::ExtensionArray&>(*array).storage();
    case Type::DICTIONARY:
      return arrow_cast(array, static_cast<const arrow::DictionaryType&>(*array->type()).value_type(), true);
    case Type::LIST_VIEW:
      return arrow_cast(array, arrow::list(array->type()->field(0)), true);
    case Type::LARGE_LIST_VIEW:
      return arrow_cast(array, arrow::large_list(array->type()->field(0)), true);
    default:
      return array;
  }
}

Result<ArrayPtr> cast_array(const ArrayPtr& array, const TypePtr& to, Misfit* misfit) {
  if (array->type()->Equals(*to)) return array;
  if (array->type_id() == Type::NA || (array->null_count() == array->length() && array->length() > 0)) {
    return to_result(arrow::MakeArrayOfNull(to, array->length()));
  }
  const ArrayPtr plain = TRY(with_plain_layout(array));
  if (plain != array) return cast_array(plain, to, misfit);
  const Type::type from = array->type_id();
  if (from == Type::STRUCT && to->id() == Type::STRUCT) {
    return cast_struct(static_cast<const arrow::StructArray&>(*array), to, misfit);
  }
  if (from == Type::MAP && to->id() == Type::MAP) {
    return cast_map(static_cast<const arrow::MapArray&>(*array), to, misfit);
  }
  if (from == Type::FIXED_SIZE_LIST && to->id() == Type::FIXED_SIZE_LIST)
    return cast_fixed_size_list(array, to, misfit);
  if (from == Type::FIXED_SIZE_LIST && is_var_list(to->id())) {
    return cast_array(TRY(arrow_cast(array, arrow::list(array->type()->field(0)), true)), to, misfit);
  }
  if (from == Type::LIST && is_var_list(to->id())) {
    return cast_list(static_cast<const arrow::ListArray&>(*array), to, misfit);
  }
  if (from == Type::LARGE_LIST && is_var_list(to->id())) {
    return cast_list(static_cast<const arrow::LargeListArray&>(*array), to, misfit);
  }
  return cast_leaf(array, to, misfit);
}

}  // namespace

Result<BatchPtr> conform(const BatchPtr& batch, const SchemaPtr& schema) {
  if (batch->schema() == schema || batch->schema()->Equals(*schema, /*check_metadata=*/true)) return batch;
  arrow::ArrayVector columns;
  columns.reserve(static_cast<size_t>(schema->num_fields()));
  for (const auto& field : schema->fields()) {
    const auto indices = batch->schema()->GetAllFieldIndices(field->name());
    if (indices.size() > 1) return user_error("column '{}' appears twice", field->name());
    ArrayPtr column;
    Misfit misfit;
    Result<void> fits;
    if (indices.empty()) {
      column = TRY(to_result(arrow::MakeArrayOfNull(field->type(), batch->num_rows())));
    } else {
      auto cast = cast_array(batch->column(indices[0]), field->type(), &misfit);
      if (cast.ok()) {
        column = std::move(cast).value();
      } else {
        fits = std::move(cast).error();
      }
    }
    if (fits.ok()) fits = refuse_nulls(column, *field, nullptr, &misfit);
    if (!fits.ok()) {
      const std::string name = field->name() + misfit.field;
      if (misfit.found) return user_error("column '{}', row {}: {}", name, misfit.index, misfit.problem);
      Error error = std::move(fits).error();
      error.what = fmt::format("column '{}': {}", name, error.what);
      return error;
    }
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(schema, batch->num_rows(), std::move(columns));
}

}  // namespace sluice
