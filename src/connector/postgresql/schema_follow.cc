#include "connector/postgresql/schema_follow.h"

#include <algorithm>

#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include "batch/change.h"
#include "connector/postgresql/change_builder.h"

namespace sluice::postgresql {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool has(const postgres::pgoutput::Relation& relation, const std::string& name) {
  return std::any_of(relation.columns.begin(), relation.columns.end(),
                     [&](const auto& column) { return column.name == name; });
}

// Change columns stay at the end.
void insert_before_changes(arrow::FieldVector* fields, std::shared_ptr<arrow::Field> field) {
  auto place =
      std::find_if(fields->begin(), fields->end(), [](const auto& other) { return is_change_column(other->name()); });
  fields->insert(place, std::move(field));
}

// With another replica identity, or a first large column, rows leave out what they carried before.
bool follow_identity(const postgres::pgoutput::Relation& relation, const std::vector<postgres::Type>& types,
                     arrow::FieldVector* fields) {
  if (relation.identity == 'f') return false;
  bool changed = false;
  bool leaves_out = false;
  for (size_t i = 0; i < relation.columns.size(); ++i) {
    const auto& column = relation.columns[i];
    if (column.in_key) continue;
    const auto field =
        std::find_if(fields->begin(), fields->end(), [&](const auto& other) { return other->name() == column.name; });
    if (field == fields->end()) continue;
    leaves_out = leaves_out || may_be_left_out(types[i]);
    if ((*field)->nullable()) continue;
    *field = (*field)->WithNullable(true);
    changed = true;
  }
  const bool known =
      std::any_of(fields->begin(), fields->end(), [](const auto& field) { return field->name() == kUnchangedColumn; });
  if (!leaves_out || known) return changed;
  fields->push_back(unchanged_field());
  return true;
}

}  // namespace

Result<FollowedSchemaStep> follow_relation(const postgres::pgoutput::Relation& relation,
                                           const std::vector<postgres::Type>& types, const SchemaPtr& full,
                                           const std::vector<std::string>& dropped,
                                           const std::vector<std::string>& asked, const postgres::TypePolicy& policy) {
  FollowedSchemaStep out;
  arrow::FieldVector fields = full->fields();
  std::vector<std::string> gone;
  bool changed = false;
  for (auto& field : fields) {
    if (is_change_column(field->name()) || has(relation, field->name())) continue;
    out.dropped.push_back(field->name());
    if (!contains(dropped, field->name())) gone.push_back(field->name());
    changed = changed || !field->nullable();
    field = field->WithNullable(true);
  }
  std::string added;
  for (size_t i = 0; i < relation.columns.size(); ++i) {
    const std::string& name = relation.columns[i].name;
    if (!asked.empty() && !contains(asked, name) && full->GetFieldIndex(name) < 0) continue;
    if (is_change_column(name)) {
      return refused(
          "column '{}' of {}.{} has a name that is reserved for change data; rename it, or leave it out of "
          "the publication",
          name, relation.schema, relation.name);
    }
    const auto type = postgres::arrow_type(types[i], policy);
    if (full->GetFieldIndex(name) < 0) {
      if (added.empty()) added = name;
      insert_before_changes(&fields, arrow::field(name, type));
      changed = true;
      continue;
    }
    auto& place = *std::find_if(fields.begin(), fields.end(), [&](const auto& other) { return other->name() == name; });
    if (place->type()->Equals(type)) continue;
    auto wider = widen(place->type(), type);
    if (!wider.ok()) {
      return refused(
          "column '{}' of {}.{} became {} at the source and was {}: rows already delivered do not fit that; 'sluice "
          "reset' the pipeline to copy the table again, into a new target",
          name, relation.schema, relation.name, types[i].name, type_name(*place->type()));
    }
    if (wider.value()->Equals(place->type())) continue;
    place = place->WithType(std::move(wider).value());
    changed = true;
  }
  changed = follow_identity(relation, types, &fields) || changed;
  if (!added.empty() && !gone.empty()) {
    return refused(
        "column '{}' of {}.{} is gone and '{}' is new: this may be a rename, or two other columns, and the stream does "
        "not say which; rename it back, or make the target as it has to be and 'sluice reset' the pipeline",
        gone.front(), relation.schema, relation.name, added);
  }
  out.full = changed ? arrow::schema(std::move(fields)) : full;
  return out;
}

Result<FollowedSchemaStep> follow_table(const Table& table, const SchemaPtr& full,
                                        const std::vector<std::string>& dropped, const std::vector<std::string>& asked,
                                        const postgres::TypePolicy& policy) {
  postgres::pgoutput::Relation relation;
  relation.schema = table.name.schema;
  relation.name = table.name.name;
  relation.identity = table.identity == ReplicaIdentity::full ? 'f' : 'd';
  std::vector<postgres::Type> types;
  for (const auto& column : table.columns) {
    if (!is_delivered(column)) continue;
    relation.columns.push_back({contains(table.identity_columns, column.name), column.name});
    types.push_back(column.type);
  }
  return follow_relation(relation, types, full, dropped, asked, policy);
}

Result<SchemaPtr> with_missing_values(const SchemaPtr& before, const SchemaPtr& after, const FindMissing& find) {
  std::vector<std::string> added;
  for (const auto& field : after->fields()) {
    if (before->GetFieldIndex(field->name()) < 0 && !is_change_column(field->name())) added.push_back(field->name());
  }
  if (added.empty()) return after;
  const auto values = TRY(find(added));
  arrow::FieldVector fields = after->fields();
  for (auto& field : fields) {
    const auto value = values.find(field->name());
    if (value == values.end() || !contains(added, field->name())) continue;
    field = field->WithMetadata(arrow::key_value_metadata({std::string(postgres::kMissingValue)}, {value->second}));
  }
  return arrow::schema(std::move(fields));
}

}  // namespace sluice::postgresql
