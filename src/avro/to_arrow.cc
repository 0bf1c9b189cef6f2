// Avro → Arrow.
#include <algorithm>
#include <set>

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include "avro/arrow_schema.h"

namespace sluice::avro {
namespace {

// Named types may be used many times over: a small schema can describe any number of columns.
constexpr int kColumnsMax = 50'000;
constexpr int kDecimal128Digits = 38;
constexpr int kDecimal256Digits = 76;

std::shared_ptr<arrow::Field> make_field(const std::string& name, TypePtr type, bool nullable, std::optional<int> id) {
  auto field = arrow::field(name, std::move(type), nullable);
  return id ? field->WithMetadata(arrow::key_value_metadata({kFieldId}, {std::to_string(*id)})) : field;
}

bool nullable_of(const Type& type) {
  if (type.kind == Kind::null) return true;
  if (type.kind != Kind::either) return false;
  return std::any_of(type.branches.begin(), type.branches.end(), [](const Type* b) { return b->kind == Kind::null; });
}

class Mapper {
 public:
  Result<TypePtr> map(const Type& type) {
    if (++columns_ > kColumnsMax) return user_error("the schema describes more than {} columns", kColumnsMax);
    switch (type.kind) {
      case Kind::null:
        return arrow::null();
      case Kind::boolean:
        return arrow::boolean();
      case Kind::int32:
        return int32_type(type);
      case Kind::int64:
        return int64_type(type);
      case Kind::float32:
        return arrow::float32();
      case Kind::float64:
        return arrow::float64();
      case Kind::bytes:
        return type.logical == Logical::decimal ? decimal(type) : Result<TypePtr>(arrow::binary());
      case Kind::string:
      case Kind::enumeration:
        return arrow::utf8();
      case Kind::fixed:
        return fixed(type);
      case Kind::array:
        return array(type);
      case Kind::map:
        return map_type(type);
      case Kind::record:
        return record(type);
      case Kind::either:
        return either(type);
    }
    return bug("an Avro kind that is not mapped");
  }

 private:
  static TypePtr int32_type(const Type& type) {
    if (type.logical == Logical::date) return arrow::date32();
    if (type.logical == Logical::time_millis) return arrow::time32(arrow::TimeUnit::MILLI);
    return arrow::int32();
  }

  static TypePtr int64_type(const Type& type) {
    const std::string zone = type.utc ? "UTC" : "";
    switch (type.logical) {
      case Logical::time_micros:
        return arrow::time64(arrow::TimeUnit::MICRO);
      case Logical::timestamp_millis:
        return arrow::timestamp(arrow::TimeUnit::MILLI, zone);
      case Logical::timestamp_micros:
        return arrow::timestamp(arrow::TimeUnit::MICRO, zone);
      case Logical::timestamp_nanos:
        return arrow::timestamp(arrow::TimeUnit::NANO, zone);
      case Logical::local_timestamp_millis:
        return arrow::timestamp(arrow::TimeUnit::MILLI);
      case Logical::local_timestamp_micros:
        return arrow::timestamp(arrow::TimeUnit::MICRO);
      case Logical::local_timestamp_nanos:
        return arrow::timestamp(arrow::TimeUnit::NANO);
      default:
        return arrow::int64();
    }
  }

  static Result<TypePtr> decimal(const Type& type) {
    if (type.precision <= kDecimal128Digits) return arrow::decimal128(type.precision, type.scale);
    if (type.precision <= kDecimal256Digits) return arrow::decimal256(type.precision, type.scale);
    return user_error(
        "{} has more than {} digits; a reader schema (schema_file) without its logicalType gives the bytes",
        describe(type), kDecimal256Digits);
  }

  static Result<TypePtr> fixed(const Type& type) {
    if (type.logical == Logical::decimal) return decimal(type);
    if (type.logical == Logical::uuid) return arrow::utf8();
    if (type.logical == Logical::duration) return arrow::month_day_nano_interval();
    return arrow::fixed_size_binary(static_cast<int32_t>(type.size));
  }

  Result<TypePtr> array(const Type& type) {
    if (type.logical == Logical::map) {
      const auto& fields = type.element->fields;
      auto key = make_field("key", TRY(map(*fields[0].type)), false, fields[0].id);
      auto value = make_field("value", TRY(map(*fields[1].type)), nullable_of(*fields[1].type), fields[1].id);
      return std::make_shared<arrow::MapType>(std::move(key), std::move(value));
    }
    return arrow::list(make_field("item", TRY(map(*type.element)), nullable_of(*type.element), type.element_id));
  }

  Result<TypePtr> map_type(const Type& type) {
    auto value = make_field("value", TRY(map(*type.element)), nullable_of(*type.element), type.element_id);
    return std::make_shared<arrow::MapType>(make_field("key", arrow::utf8(), false, type.key_id), std::move(value));
  }

  Result<TypePtr> record(const Type& type) {
    if (!open_.insert(&type).second) {
      return user_error(
          "record {} holds itself, which no table can; leave that field out with a reader schema (schema_file)",
          type.name);
    }
    arrow::FieldVector fields;
    for (const auto& field : type.fields) {
      auto mapped = map(*field.type);
      if (!mapped.ok()) return user_error("field \"{}\": {}", field.column, mapped.error().what);
      fields.push_back(make_field(field.column, mapped.value(), nullable_of(*field.type), field.id));
    }
    open_.erase(&type);
    return arrow::struct_(fields);
  }

  Result<TypePtr> either(const Type& type) {
    if (const auto* only = optional_of(type)) return map(*only);
    if (type.branches.size() == 1) return map(*type.branches[0]);
    arrow::FieldVector members;
    for (const auto* branch : type.branches) {
      if (branch->kind == Kind::null) continue;
      members.push_back(arrow::field(fmt::format("member{}", members.size()), TRY(map(*branch))));
    }
    return arrow::struct_(members);
  }

  int columns_ = 0;
  std::set<const Type*> open_;
};

}  // namespace

Result<TypePtr> to_arrow(const Type& type) { return Mapper().map(type); }

Result<SchemaPtr> to_arrow(const Schema& schema) {
  const auto& root = schema.root();
  auto type = TRY(to_arrow(root));
  if (root.kind == Kind::record) return arrow::schema(type->fields());
  return arrow::schema({arrow::field("value", std::move(type), nullable_of(root))});
}

}  // namespace sluice::avro
