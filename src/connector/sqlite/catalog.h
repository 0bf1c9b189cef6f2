// What an SQLite database says of its tables.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sqlite/database.h"

namespace sluice::sqlite {

// What a column turns values into: https://sqlite.org/datatype3.html#determination_of_column_affinity
enum class Affinity { integer, text, blob, real, numeric };
Affinity affinity_of(std::string_view declared_type);

struct TableColumn {
  std::string name;
  std::string declared;
  Affinity affinity = Affinity::blob;
  int primary_key = 0;  // place in the primary key, from 1
  bool generated = false;
};

struct TableInfo {
  std::string name;  // as the database spells it: names are case-insensitive
  bool is_view = false;
  bool without_rowid = false;
  std::vector<TableColumn> columns;

  [[nodiscard]] const TableColumn* column(std::string_view column_name) const;  // case-insensitive, as in SQLite
};

Result<std::optional<TableInfo>> table_info(Database& database, std::string_view table);
Result<std::vector<std::string>> table_names(Database& database);

bool same_name(std::string_view a, std::string_view b);  // ASCII case-insensitive, as SQLite compares names

}  // namespace sluice::sqlite
