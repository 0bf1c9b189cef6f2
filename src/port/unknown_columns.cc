#include "port/unknown_columns.h"

#include <algorithm>

#include <arrow/type.h>

#include "batch/plain.h"

namespace sluice {
namespace {

std::string unknown_field(const arrow::FieldVector& fields, const arrow::FieldVector& known);

// The name, with what encloses it, of a field inside of `type` that `known` lacks. Empty: there is none.
std::string unknown_inside(const arrow::DataType& type, const arrow::DataType& known) {
  using arrow::Type;
  const bool structs = type.id() == Type::STRUCT && known.id() == Type::STRUCT;
  if (structs) {
    auto name = unknown_field(type.fields(), known.fields());
    return name.empty() ? name : "." + name;
  }
  if (type.id() == Type::MAP && known.id() == Type::MAP) {
    return unknown_inside(*static_cast<const arrow::MapType&>(type).item_type(),
                          *static_cast<const arrow::MapType&>(known).item_type());
  }
  if (type.num_fields() != 1 || known.num_fields() != 1) return {};
  return unknown_inside(*type.field(0)->type(), *known.field(0)->type());
}

std::string unknown_field(const arrow::FieldVector& fields, const arrow::FieldVector& known) {
  for (const auto& field : fields) {
    const auto* same = type_named(known, field->name());
    if (same == nullptr) return field->name();
    auto inside = unknown_inside(*field->type(), *same);
    if (!inside.empty()) return field->name() + inside;
  }
  return {};
}

}  // namespace

Result<void> refuse_unknown_columns(const DecoderOptions& options, std::string_view file,
                                    const arrow::FieldVector& fields) {
  if (!options.refuse_unknown) return {};
  arrow::FieldVector looked_at;
  for (const auto& field : fields) {
    const bool ignored =
        std::find(options.ignored.begin(), options.ignored.end(), field->name()) != options.ignored.end();
    if (!ignored) looked_at.push_back(field);
  }
  auto name = unknown_field(looked_at, options.schema->fields());
  if (name.empty()) return {};
  return user_error(
      "{}: column '{}' is in none of the files that the schema was taken from; look at all of them with "
      "sample_files := 0, or say with columns := '…' which are read",
      file, name);
}

}  // namespace sluice
