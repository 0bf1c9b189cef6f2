// The statements that bring rows into a table: straight, or by way of a temporary table.
#include <algorithm>
#include <array>

#include "connector/postgresql/target_table.h"

namespace sluice::postgresql {
namespace {

using postgres::quote;
using postgres::quote_text;

constexpr uint32_t kCharN = 1042;  // bpchar; "character" without a length would be one

std::string stage_type(const TargetColumn& column) {
  if (column.as_text) return "text";
  if (column.type.oid == kCharN) return "bpchar";
  if (column.type.element != nullptr && column.type.element->oid == kCharN) return "bpchar[]";
  return column.type.name;
}

// A staged column as the table has it. A cast to bit(3) would cut a longer value off; assigning one that is cast
// without the length refuses it.
std::string staged_value(const TargetColumn& column) {
  const std::string name = quote(column.name);
  return column.as_text ? fmt::format("s.{}::{}", name, column.type.unlimited) : "s." + name;
}

template <typename Render>
std::string list_of(const std::vector<TargetColumn>& columns, Render render) {
  std::string out;
  for (const auto& column : columns) {
    const std::string item = render(column);
    if (!item.empty()) out += (out.empty() ? "" : ", ") + item;
  }
  return out;
}

std::string names_of(const std::vector<TargetColumn>& columns) {
  return list_of(columns, [](const TargetColumn& column) { return quote(column.name); });
}

std::string key_list(const TargetTable& table, std::string_view alias) {
  return list_of(table.columns, [&](const TargetColumn& column) {
    return column.in_key ? fmt::format("{}{}", alias, quote(column.name)) : std::string();
  });
}

// t.id = s.id AND …; the stage's side as it is cast.
std::string key_match(const TargetTable& table) {
  std::string out;
  for (const auto& column : table.columns) {
    if (!column.in_key) continue;
    out += fmt::format("{}t.{} = {}", out.empty() ? "" : " AND ", quote(column.name), staged_value(column));
  }
  return out;
}
std::string same_key(const TargetTable& table, std::string_view a, std::string_view b) {
  std::string out;
  for (const auto& column : table.columns) {
    if (column.in_key) out += fmt::format("{0}{1}.{3} = {2}.{3}", out.empty() ? "" : " AND ", a, b, quote(column.name));
  }
  return out;
}

// Values that the last change of a key left as they were may have come with an earlier one of the same epoch.
std::string take_earlier_values(const TargetTable& table, const std::string& column) {
  return fmt::format(
      "UPDATE pg_temp.{0} s SET {1} = p.{1}, _sluice_unchanged = array_remove(s._sluice_unchanged, {2}) FROM (SELECT "
      "DISTINCT ON ({3}) * FROM pg_temp.{0} WHERE NOT _sluice_delete AND NOT coalesce({2} = ANY (_sluice_unchanged), "
      "false) ORDER BY {3}, _sluice_row DESC) p WHERE {4} AND p._sluice_row < s._sluice_row AND {2} = "
      "ANY (s._sluice_unchanged)",
      table.stage_name(), quote(column), quote_text(column), key_list(table, ""), same_key(table, "s", "p"));
}

std::string keep_last_of_each_key(const TargetTable& table) {
  return fmt::format("DELETE FROM pg_temp.{0} s USING pg_temp.{0} n WHERE {1} AND n._sluice_row > s._sluice_row",
                     table.stage_name(), same_key(table, "s", "n"));
}

// What a change left as it was stays in the table.
std::string update_rest(const TargetTable& table, const std::set<std::string>& unchanged) {
  const std::string assignments = list_of(table.columns, [&](const TargetColumn& column) -> std::string {
    if (column.in_key) return {};
    const std::string name = quote(column.name);
    if (!unchanged.contains(column.name)) return fmt::format("{} = {}", name, staged_value(column));
    return fmt::format("{0} = CASE WHEN {1} = ANY (s._sluice_unchanged) THEN t.{0} ELSE {2} END", name,
                       quote_text(column.name), staged_value(column));
  });
  return fmt::format(
      "UPDATE {} t SET {} FROM pg_temp.{} s WHERE {} AND NOT s._sluice_delete AND "
      "s._sluice_unchanged <> '{{}}'",
      table.name.quoted(), assignments, table.stage_name(), key_match(table));
}

// A row that is not in the table has no value to keep.
std::string check_unchanged(const TargetTable& table) {
  return fmt::format(
      "SELECT format('there is no row with the key %s, and the change of it does not carry its column %L (an unchanged "
      "TOAST value); copy the table anew, or set REPLICA IDENTITY FULL at the source', concat_ws(', ', {}), "
      "s._sluice_unchanged[1]) FROM pg_temp.{} s WHERE NOT s._sluice_delete AND "
      "s._sluice_unchanged <> '{{}}' AND NOT EXISTS (SELECT FROM {} t WHERE {}) LIMIT 1",
      key_list(table, "s."), table.stage_name(), table.name.quoted(), key_match(table));
}

// Types whose values an assignment rounds or cuts off without a word; of bits it refuses those that are too long.
bool is_cut_silently(const postgres::Type& type) {
  constexpr std::array<std::string_view, 7> kNames = {
      "numeric",  "character varying",      "timestamp without time zone", "timestamp with time zone",
      "interval", "time without time zone", "time with time zone"};
  std::string_view name = type.unlimited;
  if (name.ends_with("[]")) name.remove_suffix(2);
  return type.typmod >= 0 && std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// The encoder sees single values; what the server reads out of a text is compared by the server: varchar has up to the
// declared length of it, numeric its rounded value.
std::string check_exact(const TargetTable& table, const TargetColumn& column) {
  const std::string name = "s." + quote(column.name);
  return fmt::format(
      "SELECT format('column %L: %s does not fit %s', {}, {}, {}) FROM pg_temp.{} s WHERE {}::{} IS DISTINCT FROM "
      "{}::{}::{} LIMIT 1",
      quote_text(column.name), name, quote_text(column.declared), table.stage_name(), name, column.type.unlimited, name,
      column.declared, column.type.unlimited);
}

}  // namespace

bool TargetTable::staged() const {
  return upsert || std::any_of(columns.begin(), columns.end(), [](const auto& column) { return column.as_text; });
}

std::string TargetTable::stage_name() const { return fmt::format("sluice_stage_{}", serial); }

std::string TargetTable::create_stage() const {
  const std::string own =
      upsert ? "_sluice_row bigint, _sluice_delete boolean, _sluice_unchanged text[], " : std::string();
  return fmt::format("CREATE TEMP TABLE {} ({}{}) ON COMMIT DELETE ROWS", stage_name(), own,
                     list_of(columns, [](const TargetColumn& column) {
                       return fmt::format("{} {}", quote(column.name), stage_type(column));
                     }));
}

std::string TargetTable::copy() const {
  if (!staged()) return fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", name.quoted(), names_of(columns));
  return fmt::format("COPY pg_temp.{} ({}{}) FROM STDIN (FORMAT binary)", stage_name(),
                     upsert ? "_sluice_row, _sluice_delete, _sluice_unchanged, " : "", names_of(columns));
}

std::vector<std::string> TargetTable::merge(bool deletes, const std::set<std::string>& unchanged) const {
  std::vector<std::string> statements;
  for (const auto& column : columns) {
    if (column.as_text && is_cut_silently(column.type)) statements.push_back(check_exact(*this, column));
  }
  const std::string values = list_of(columns, staged_value);
  const std::string insert = fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM ", name.quoted(),
                                         names_of(columns), values);
  if (!upsert) {
    statements.push_back(fmt::format("{}pg_temp.{} s", insert, stage_name()));
    return statements;
  }
  for (const auto& column : unchanged) statements.push_back(take_earlier_values(*this, column));
  if (!unchanged.empty()) {
    statements.push_back(keep_last_of_each_key(*this));
    statements.push_back(check_unchanged(*this));
    statements.push_back(update_rest(*this, unchanged));
  }
  const std::string keys = key_list(*this, "");
  const std::string last =
      fmt::format("(SELECT DISTINCT ON ({0}) * FROM pg_temp.{1} ORDER BY {0}, _sluice_row DESC) s", keys, stage_name());
  if (deletes) {
    statements.push_back(
        fmt::format("DELETE FROM {} t USING {} WHERE s._sluice_delete AND {}", name.quoted(), last, key_match(*this)));
  }
  const std::string updates = list_of(columns, [](const TargetColumn& column) {
    return column.in_key ? std::string() : fmt::format("{0} = excluded.{0}", quote(column.name));
  });
  statements.push_back(fmt::format("{}{} WHERE NOT s._sluice_delete{} ON CONFLICT ({}) DO {}", insert, last,
                                   unchanged.empty() ? "" : " AND coalesce(s._sluice_unchanged, '{}') = '{}'", keys,
                                   updates.empty() ? "NOTHING" : "UPDATE SET " + updates));
  return statements;
}

}  // namespace sluice::postgresql
