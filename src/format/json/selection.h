// Which parts of a schema a reader wants, as a tree: a field of a struct keeps the struct, with that field only.
#pragma once

#include <map>
#include <string>

#include "batch/schema.h"
#include "port/pushdown.h"

namespace sluice::json {

struct Selection {
  bool all = false;
  std::map<std::string, Selection, std::less<>> fields;

  [[nodiscard]] bool any() const { return all || !fields.empty(); }
  void add(const ColumnPath& path);
  // The part below a field; nothing when it is not wanted.
  [[nodiscard]] const Selection& below(const std::string& name) const;
};

// The types a decoder makes: `null` (nothing but nulls were seen) and views become text, dictionaries their values.
// Types that JSON cannot be read into are Fault::user.
Result<TypePtr> decoded_type(const TypePtr& type, const std::string& path);
Result<SchemaPtr> decoded_schema(const arrow::Schema& schema);

// `schema` with the wanted parts only, in the schema's order. A path that does not exist is Fault::user.
Result<SchemaPtr> select(const SchemaPtr& schema, const std::vector<ColumnPath>& columns);
// The field at `path` through structs, or null.
const arrow::Field* find_field(const arrow::Schema& schema, const ColumnPath& path);

}  // namespace sluice::json
