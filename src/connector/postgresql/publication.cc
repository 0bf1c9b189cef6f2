#include "connector/postgresql/publication.h"

#include <algorithm>

namespace sluice::postgresql {
namespace {

using postgres::quote;
using postgres::quote_text;

// What our own publications carry, so that `drop` removes no other.
constexpr std::string_view kOurs = "made by sluice";

// FNV-1a: it has to be the same in every version of this program, and nothing more.
std::string digest(std::string_view text) {
  uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return fmt::format("{:016x}", hash);
}

Result<void> create(Connection& connection, const SourceSettings& settings, const std::vector<Table>& tables) {
  std::string list;
  for (const auto& table : tables) {
    if (!list.empty()) list += ", ";
    list += "TABLE " + table.name.quoted();
    if (!settings.columns.empty()) {
      std::vector<std::string> names;
      for (const auto& column : table.columns) {
        const auto& asked = settings.columns;
        const auto& identity = table.identity_columns;
        const bool wanted = std::find(asked.begin(), asked.end(), column.name) != asked.end() ||
                            std::find(identity.begin(), identity.end(), column.name) != identity.end();
        if (wanted && !column.generated) names.push_back(quote(column.name));
      }
      list += fmt::format(" ({})", fmt::join(names, ", "));
    }
    if (!settings.condition.empty()) list += fmt::format(" WHERE ({})", settings.condition);
  }
  TRY(connection.query(fmt::format("CREATE PUBLICATION {} FOR {} WITH (publish_via_partition_root = true)",
                                   quote(settings.publication), list)));
  TRY(connection.query(fmt::format("COMMENT ON PUBLICATION {} IS {}", quote(settings.publication), quote_text(kOurs))));
  return {};
}

}  // namespace

Result<std::string> check_publication(Connection& connection, const SourceSettings& settings,
                                      const std::vector<Table>& tables) {
  const std::string& name = settings.publication;
  auto found = TRY(connection.query(
      fmt::format("SELECT oid, pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot, puballtables FROM "
                  "pg_catalog.pg_publication WHERE pubname = {}",
                  quote_text(name))));
  if (found.rows() == 0) return std::string();
  std::string definition;
  for (int column = 1; column < found.columns(); ++column) definition += found.text(0, column);
  for (const auto& table : tables) {
    auto rows = TRY(connection.query(fmt::format(
        "SELECT (SELECT count(*) FROM pg_catalog.pg_publication_tables t WHERE t.pubname = {} AND t.schemaname = {} "
        "AND "
        "t.tablename = {}), (SELECT to_jsonb(r)->>'prattrs' FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = {} "
        "AND r.prrelid = {}), (SELECT to_jsonb(r)->>'prqual' FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = {} "
        "AND r.prrelid = {})",
        quote_text(name), quote_text(table.name.schema), quote_text(table.name.name), found.integer(0, 0), table.oid,
        found.integer(0, 0), table.oid)));
    if (rows.integer(0, 0) == 0) {
      if (table.is_partitioned && found.text(0, 5) != "t") {
        return user_error(
            "{}: publication '{}' sends the changes of {} under its partitions' names; ALTER PUBLICATION {} SET "
            "(publish_via_partition_root = true)",
            connection.where(), name, table.name.plain(), quote(name));
      }
      return user_error("{}: publication '{}' does not publish {}; ALTER PUBLICATION {} ADD TABLE {}",
                        connection.where(), name, table.name.plain(), quote(name), table.name.quoted());
    }
    definition += fmt::format("|{}|{}|{}", table.name.plain(), rows.text(0, 1), rows.text(0, 2));
  }
  return digest(definition);
}

Result<std::string> ensure_publication(Connection& connection, const SourceSettings& settings,
                                       const std::vector<Table>& tables) {
  auto known = TRY(check_publication(connection, settings, tables));
  if (!known.empty()) return known;
  TRY(create(connection, settings, tables).while_doing("creating the publication"));
  return check_publication(connection, settings, tables);
}

Result<void> drop_publication(Connection& connection, const std::string& name) {
  auto rows = TRY(connection.query(fmt::format(
      "SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = {} AND obj_description(oid, 'pg_publication') = {}",
      quote_text(name), quote_text(kOurs))));
  if (rows.rows() == 0) return {};
  TRY(connection.query("DROP PUBLICATION IF EXISTS " + quote(name)));
  return {};
}

}  // namespace sluice::postgresql
