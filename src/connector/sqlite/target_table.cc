#include "connector/sqlite/target_table.h"

#include <arrow/api.h>

#include <algorithm>
#include <map>

#include "batch/change.h"
#include "batch/json_text.h"
#include "batch/schema.h"
#include "connector/sqlite/cell.h"

namespace sluice::sqlite {
namespace {

constexpr size_t kShownRowBytes = 300;

// Would a column of this affinity change what we store? SQLite converts text that looks like a number, and numbers.
bool keeps_values(Affinity affinity, Storage storage, const arrow::DataType& type) {
  if (affinity == Affinity::blob) return true;
  switch (storage) {
    case Storage::blob:
      return true;
    case Storage::integer:
      if (affinity == Affinity::real) return arrow::is_integer(type.id()) ? type.bit_width() <= 32 : true;
      return affinity != Affinity::text;
    case Storage::real:
      return affinity != Affinity::text;
    case Storage::text:
      if (affinity == Affinity::text) return true;
      // Never looks like a number, so it stays as it is; decimals up to 15 digits come back digit for digit.
      if (arrow::is_temporal(type.id()) || arrow::is_nested(type.id())) return true;
      return arrow::is_decimal(type.id()) && affinity == Affinity::numeric &&
             static_cast<const arrow::DecimalType&>(type).precision() <= 15;
  }
  return false;
}

std::string shown_row(const arrow::RecordBatch& batch, int64_t row) {
  std::string shown = row_as_json(batch, row);
  if (shown.size() > kShownRowBytes) shown = shown.substr(0, kShownRowBytes) + "…";
  return shown;
}

// The op column of a batch of changes: rows with "delete" are deleted by key.
class Operations {
 public:
  explicit Operations(const arrow::RecordBatch& batch) : column_(batch.GetColumnByName(std::string(kOpColumn))) {
    if (column_ != nullptr && column_->type_id() != arrow::Type::STRING) column_ = nullptr;
  }
  [[nodiscard]] bool is_delete(int64_t row) const {
    if (column_ == nullptr) return false;
    const auto& text = static_cast<const arrow::StringArray&>(*column_);
    return !text.IsNull(row) && text.GetView(row) == "delete";
  }
  [[nodiscard]] bool present() const { return column_ != nullptr; }

 private:
  std::shared_ptr<arrow::Array> column_;
};

std::vector<std::unique_ptr<Cells>> cells_of(const arrow::RecordBatch& batch, const std::vector<int>& columns) {
  std::vector<std::unique_ptr<Cells>> cells;
  for (int column : columns) cells.push_back(Cells::of(batch.column(column)));
  return cells;
}

}  // namespace

std::string SqliteSinkOptions::table_for(const TableId& id) const {
  std::string name = table;
  const std::string_view mark = "{table}";
  for (size_t at = name.find(mark); at != std::string::npos; at = name.find(mark, at + id.name.size())) {
    name.replace(at, mark.size(), id.name);
  }
  return name;
}

std::vector<int> TargetTable::stored_columns(const arrow::Schema& schema) const {
  std::vector<int> columns;
  for (int i = 0; i < schema.num_fields(); ++i) {
    if (!options_.upsert || !is_change_column(schema.field(i)->name())) columns.push_back(i);
  }
  return columns;
}

bool TargetTable::is_key(std::string_view column) const {
  return std::any_of(options_.key.begin(), options_.key.end(),
                     [&](const auto& name) { return same_name(name, column); });
}

Result<bool> TargetTable::exists(Database& database) const { return TRY(table_info(database, name_)).has_value(); }

Result<bool> TargetTable::has_rows(Database& database) const {
  return TRY(database.integer(fmt::format("SELECT EXISTS (SELECT 1 FROM {})", quote(name_)))) != 0;
}

Result<void> TargetTable::create(Database& database, const arrow::Schema& schema) const {
  std::string columns;
  for (int i : stored_columns(schema)) {
    const auto& field = *schema.field(i);
    columns += fmt::format("{}{} {}{}", columns.empty() ? "" : ", ", quote(field.name()),
                           declared_type(TRY(storage_of(field))), is_key(field.name()) ? " NOT NULL" : "");
  }
  std::string key;
  for (const auto& name : options_.key) key += (key.empty() ? "" : ", ") + quote(name);
  if (!key.empty()) columns += fmt::format(", PRIMARY KEY ({})", key);
  return database.execute(fmt::format("CREATE TABLE IF NOT EXISTS {} ({})", quote(name_), columns));
}

Result<void> TargetTable::check(Database& database, const arrow::Schema& schema) const {
  auto info = TRY(table_info(database, name_));
  if (!info.has_value()) {
    return user_error("{}: there is no table '{}'; create it, or leave out create_table := false", database.path(),
                      name_);
  }
  if (info->is_view) return user_error("{}: '{}' is a view; name a table to write into", database.path(), info->name);
  for (int i : stored_columns(schema)) {
    const auto& field = *schema.field(i);
    const auto* column = info->column(field.name());
    if (column == nullptr) {
      return user_error("{}: table '{}' has no column '{}'; add it to the table or leave it out of the SELECT",
                        database.path(), info->name, field.name());
    }
    if (!keeps_values(column->affinity, TRY(storage_of(field)), *field.type())) {
      return user_error(
          "{}: column '{}' of table '{}' is declared {} and would change values of type {}; cast it in the SELECT or "
          "declare the column {}",
          database.path(), field.name(), info->name, column->declared, type_name(*field.type()),
          declared_type(TRY(storage_of(field))));
    }
  }
  auto insert = database.prepare(insert_sql(schema));
  if (!insert.ok() && insert.error().what.find("ON CONFLICT") != std::string::npos) {
    return user_error("{}: table '{}' has no primary key or unique index on ({}), which upserts need", database.path(),
                      info->name, fmt::join(options_.key, ", "));
  }
  if (!insert.ok()) return std::move(insert).error();
  return {};
}

Result<void> TargetTable::ensure(Database& database, const arrow::Schema& schema) const {
  if (options_.create_table) TRY(create(database, schema));
  return check(database, schema);
}

Result<void> TargetTable::extend(Database& database, const arrow::Schema& schema) const {
  auto info = TRY(table_info(database, name_));
  if (!info.has_value()) return ensure(database, schema);
  for (int i : stored_columns(schema)) {
    const auto& field = *schema.field(i);
    if (info->column(field.name()) != nullptr) continue;
    TRY(database.execute(fmt::format("ALTER TABLE {} ADD COLUMN {} {}", quote(name_), quote(field.name()),
                                     declared_type(TRY(storage_of(field))))));
  }
  return check(database, schema);
}

Result<void> TargetTable::clear(Database& database) const {
  if (!TRY(exists(database))) return {};
  return database.execute(fmt::format("{} {}", options_.create_table ? "DROP TABLE" : "DELETE FROM", quote(name_)));
}

std::string TargetTable::insert_sql(const arrow::Schema& schema) const {
  std::string columns, values, updates, key;
  for (int i : stored_columns(schema)) {
    const auto& name = schema.field(i)->name();
    columns += (columns.empty() ? "" : ", ") + quote(name);
    values += values.empty() ? "?" : ", ?";
    if (!is_key(name)) updates += fmt::format("{0}{1} = excluded.{1}", updates.empty() ? "" : ", ", quote(name));
  }
  auto sql = fmt::format("INSERT INTO {} ({}) VALUES ({})", quote(name_), columns, values);
  if (!options_.upsert) return sql;
  for (const auto& name : options_.key) key += (key.empty() ? "" : ", ") + quote(name);
  return sql + fmt::format(" ON CONFLICT ({}) DO {}", key, updates.empty() ? "NOTHING" : "UPDATE SET " + updates);
}

std::string TargetTable::where_key() const {
  std::string where;
  for (const auto& name : options_.key) where += fmt::format("{}{} = ?", where.empty() ? "" : " AND ", quote(name));
  return where;
}

std::string TargetTable::delete_sql() const {
  return fmt::format("DELETE FROM {} WHERE {}", quote(name_), where_key());
}

std::string TargetTable::update_sql(const arrow::Schema& schema, const std::vector<int>& columns) const {
  std::string updates;
  for (int column : columns) updates += fmt::format("{} = ?, ", quote(schema.field(column)->name()));
  const std::string same = quote(options_.key.front());  // there is something to set, whatever was left out
  return fmt::format("UPDATE {} SET {}{} = {} WHERE {}", quote(name_), updates, same, same, where_key());
}

// Updates that do not carry every column (kUnchangedColumn): the row that is there keeps those.
class TargetTable::Updates {
 public:
  Updates(const TargetTable& table, Database& database, const arrow::RecordBatch& batch)
      : table_(table), database_(database), batch_(batch) {
    if (!table.options_.upsert) return;
    auto column = batch.GetColumnByName(std::string(kUnchangedColumn));
    names_ = std::dynamic_pointer_cast<arrow::StringArray>(column);
  }
  [[nodiscard]] bool concerns(int64_t row) const { return names_ != nullptr && !names_->IsNull(row); }

  Result<void> run(int64_t row) {
    const std::string names(names_->GetView(row));
    auto found = statements_.find(names);
    if (found == statements_.end()) found = statements_.emplace(names, TRY(prepare(names))).first;
    auto& [statement, cells] = found->second;
    int parameter = 0;
    for (auto& cell : cells) cell->bind(row, statement, ++parameter);
    TRY(statement.run());
    if (database_.changes() > 0) return {};
    return refused(
        "an update does not carry '{}', which it left as it was, and its row is not in the table; set REPLICA IDENTITY "
        "FULL on the table at the source:",
        names);
  }

 private:
  using Prepared = std::pair<Statement, std::vector<std::unique_ptr<Cells>>>;
  Result<Prepared> prepare(const std::string& names) const {
    const auto kept = list_of_names(names);
    const auto& schema = *batch_.schema();
    std::vector<int> columns;
    for (int column : table_.stored_columns(schema)) {
      const auto& name = schema.field(column)->name();
      if (!table_.is_key(name) && std::find(kept.begin(), kept.end(), name) == kept.end()) columns.push_back(column);
    }
    auto statement = TRY(database_.prepare(table_.update_sql(schema, columns)));
    for (const auto& name : table_.options_.key) columns.push_back(schema.GetFieldIndex(name));
    return Prepared{std::move(statement), cells_of(batch_, columns)};
  }

  const TargetTable& table_;
  Database& database_;
  const arrow::RecordBatch& batch_;
  std::shared_ptr<arrow::StringArray> names_;
  std::map<std::string, Prepared> statements_;
};

Result<void> TargetTable::write(Database& database, const arrow::RecordBatch& batch) const {
  const auto& schema = *batch.schema();
  auto refused_row = [&](const Error& error, int64_t row) {
    return Error{error.fault, fmt::format("{} in table '{}', row {}", error.what, name_, shown_row(batch, row)), {}};
  };
  auto columns = cells_of(batch, stored_columns(schema));
  auto insert = TRY(database.prepare(insert_sql(schema)));
  const Operations operations(batch);
  Updates updates(*this, database, batch);
  std::vector<std::unique_ptr<Cells>> keys;
  Statement remove;
  if (options_.upsert && operations.present()) {
    std::vector<int> key_columns;
    for (const auto& name : options_.key) key_columns.push_back(schema.GetFieldIndex(name));
    keys = cells_of(batch, key_columns);
    remove = TRY(database.prepare(delete_sql()));
  }
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    const bool removing = !keys.empty() && operations.is_delete(row);
    if (!removing && updates.concerns(row)) {
      if (auto done = updates.run(row); !done.ok()) return refused_row(done.error(), row);
      continue;
    }
    auto& statement = removing ? remove : insert;
    int parameter = 0;
    for (auto& cells : removing ? keys : columns) cells->bind(row, statement, ++parameter);
    auto done = statement.run();
    if (!done.ok()) return refused_row(done.error(), row);
  }
  return {};
}

std::vector<UnstorableRow> unstorable_rows(const arrow::RecordBatch& batch, const SqliteSinkOptions& options) {
  std::vector<UnstorableRow> found;
  const auto& schema = *batch.schema();
  for (int column = 0; column < batch.num_columns(); ++column) {
    const auto& name = schema.field(column)->name();
    const auto& array = batch.column(column);
    const bool key = options.upsert && std::any_of(options.key.begin(), options.key.end(),
                                                   [&](const auto& each) { return each == name; });
    auto cells = Cells::of(array);
    if (!cells->may_have_problems() && !(key && array->null_count() > 0)) continue;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (key && array->IsNull(row)) found.push_back({row, fmt::format("key column '{}' is NULL", name)});
      if (auto problem = cells->problem(row)) {
        found.push_back({row, fmt::format("column '{}': {}", name, *problem)});
      }
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.row < b.row; });
  found.erase(std::unique(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.row == b.row; }),
              found.end());
  return found;
}

}  // namespace sluice::sqlite
