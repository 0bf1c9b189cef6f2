#include "connector/sqlite/catalog.h"

#include <algorithm>

namespace sluice::sqlite {
namespace {

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return upper(x) == upper(y); });
}

Affinity affinity_of(std::string_view declared_type) {
  std::string type(declared_type);
  std::transform(type.begin(), type.end(), type.begin(), upper);
  auto contains = [&](const char* part) { return type.find(part) != std::string::npos; };
  if (contains("INT")) return Affinity::integer;
  if (contains("CHAR") || contains("CLOB") || contains("TEXT")) return Affinity::text;
  if (type.empty() || contains("BLOB")) return Affinity::blob;
  if (contains("REAL") || contains("FLOA") || contains("DOUB")) return Affinity::real;
  return Affinity::numeric;
}

const TableColumn* TableInfo::column(std::string_view column_name) const {
  for (const auto& item : columns) {
    if (same_name(item.name, column_name)) return &item;
  }
  return nullptr;
}

Result<std::optional<TableInfo>> table_info(Database& database, std::string_view table) {
  auto list = TRY(database.prepare(
      "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND lower(name) = lower(?)"));
  if (!TRY(list.bind(1, table).step())) return std::optional<TableInfo>();
  TableInfo info;
  info.name = list.text(0);
  info.is_view = list.text(1) == "view";
  info.without_rowid = list.integer(2) != 0;
  list.reset();
  // hidden: 1 is a hidden column of a virtual table, 2 and 3 are generated columns.
  auto columns = TRY(database.prepare("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?) WHERE hidden <> 1"));
  columns.bind(1, info.name);
  while (TRY(columns.step())) {
    TableColumn column;
    column.name = columns.text(0);
    column.declared = columns.text(1);
    column.affinity = affinity_of(column.declared);
    column.primary_key = static_cast<int>(columns.integer(2));
    column.generated = columns.integer(3) != 0;
    info.columns.push_back(std::move(column));
  }
  return std::optional(std::move(info));
}

Result<std::vector<std::string>> table_names(Database& database) {
  auto list = TRY(database.prepare(
      "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
      "AND name NOT IN ('sluice_positions', 'sluice_fence') ORDER BY name"));
  std::vector<std::string> names;
  while (TRY(list.step())) names.emplace_back(list.text(0));
  return names;
}

}  // namespace sluice::sqlite
