#include "connector/postgresql/publication.h"

#include <algorithm>
#include <optional>

namespace sluice::postgresql {
namespace {

using postgres::quote;
using postgres::quote_text;

// What our own publications carry, so that nobody else's is altered or dropped.
std::string ours(const SourceSettings& settings) { return "made by sluice for " + settings.pipeline; }

// FNV-1a: it has to be the same in every version of this program, and nothing more.
std::string digest(std::string_view text) {
  uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return fmt::format("{:016x}", hash);
}

// A row of pg_publication.
struct Publication {
  int64_t oid = 0;
  std::string flags;      // what it publishes
  std::string left_out;   // the first kind of change that it does not publish
  bool as_roots = false;  // partitions come as their root
  std::string comment;
};

Result<std::optional<Publication>> find_publication(Connection& connection, const std::string& name) {
  auto rows = TRY(connection.query(
      fmt::format("SELECT oid, pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot, puballtables, "
                  "obj_description(oid, 'pg_publication') FROM pg_catalog.pg_publication WHERE pubname = {}",
                  quote_text(name))));
  if (rows.rows() == 0) return std::optional<Publication>();
  Publication found;
  found.oid = rows.integer(0, 0);
  for (int column = 1; column <= 6; ++column) found.flags += rows.text(0, column);
  int column = 1;
  for (const char* kind : {"INSERT", "UPDATE", "DELETE", "TRUNCATE"}) {
    if (rows.text(0, column++) != "t" && found.left_out.empty()) found.left_out = kind;
  }
  found.as_roots = rows.text(0, 5) == "t";
  found.comment = rows.text(0, 7);
  return std::optional(std::move(found));
}

// Columns that the stream has to carry: those that are read, and the identity's.
std::vector<std::string> columns_in_stream(const Table& table) {
  std::vector<std::string> names;
  for (const auto& column : table.columns) {
    if (!column.generated) names.push_back(column.name);
  }
  if (table.identity == ReplicaIdentity::full) return names;
  for (const auto& name : table.identity_columns) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

// Tables without those that inherit from them: these are followed as tables of their own. With the whole old row the
// server takes no list of columns: it would refuse the table's UPDATEs and DELETEs (pub_collist_contains_invalid_column
// in src/backend/commands/publicationcmds.c).
std::string table_list(const SourceSettings& settings, const std::vector<Table>& tables) {
  std::string list;
  for (const auto& table : tables) {
    list += list.empty() ? "TABLE " : ", ";
    list += table.from();
    if (!settings.columns.empty() && table.identity != ReplicaIdentity::full) {
      std::vector<std::string> names = columns_in_stream(table);
      for (auto& name : names) name = quote(name);
      list += fmt::format(" ({})", fmt::join(names, ", "));
    }
    if (!settings.condition.empty()) list += fmt::format(" WHERE ({})", settings.condition);
  }
  return list;
}

// With a filter on any other column the server refuses every UPDATE and DELETE of the table, whoever makes it.
Result<void> check_filter(Connection& connection, const SourceSettings& settings, const std::vector<Table>& tables) {
  if (settings.condition.empty()) return {};
  for (const auto& table : tables) {
    auto rows = TRY(connection.query(
        fmt::format("SELECT DISTINCT a.attname FROM pg_catalog.pg_publication p "
                    "JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid "
                    "CROSS JOIN LATERAL regexp_matches(r.prqual::text, ':varattno (\\d+)', 'g') AS used "
                    "JOIN pg_catalog.pg_attribute a ON a.attrelid = r.prrelid AND a.attnum = used[1]::int "
                    "WHERE p.pubname = {} AND r.prrelid = {} ORDER BY 1",
                    quote_text(settings.publication), table.oid)));
    const auto& identity = table.identity_columns;
    for (int i = 0; i < rows.rows(); ++i) {
      if (std::find(identity.begin(), identity.end(), rows.text(i, 0)) != identity.end()) continue;
      return user_error(
          "{}: where needs column '{}' of {}, which is not in its replica identity, so that the server would refuse "
          "every UPDATE and DELETE of the table; ALTER TABLE {} REPLICA IDENTITY FULL, or say WHERE in the statement "
          "instead",
          connection.where(), rows.text(i, 0), table.name.plain(), table.name.quoted());
    }
  }
  return {};
}

Result<void> create(Connection& connection, const SourceSettings& settings, const std::vector<Table>& tables) {
  TRY(connection.query(fmt::format("CREATE PUBLICATION {} FOR {} WITH (publish_via_partition_root = true)",
                                   quote(settings.publication), table_list(settings, tables))));
  TRY(connection.query(
      fmt::format("COMMENT ON PUBLICATION {} IS {}", quote(settings.publication), quote_text(ours(settings)))));
  return check_filter(connection, settings, tables);
}

// What is as it has to be the server leaves alone.
Result<void> alter(Connection& connection, const SourceSettings& settings, const std::vector<Table>& tables) {
  const std::string name = quote(settings.publication);
  TRY(connection.query(fmt::format("ALTER PUBLICATION {} SET {}", name, table_list(settings, tables))));
  TRY(
      connection.query(fmt::format("ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate', "
                                   "publish_via_partition_root = true)",
                                   name)));
  return check_filter(connection, settings, tables);
}

Error not_published(const Connection& connection, const Publication& found, const SourceSettings& settings,
                    const Table& table) {
  const std::string& name = settings.publication;
  if (found.comment == ours(settings)) {
    return refused(
        "{}: publication '{}' does not publish {}, so that changes may be missing; 'sluice reset' the pipeline to "
        "publish it and to copy the tables again",
        connection.where(), name, table.name.plain());
  }
  if (table.is_partitioned && !found.as_roots) {
    return user_error(
        "{}: publication '{}' sends the changes of {} under its partitions' names; ALTER PUBLICATION {} SET "
        "(publish_via_partition_root = true)",
        connection.where(), name, table.name.plain(), quote(name));
  }
  return user_error("{}: publication '{}' does not publish {}; ALTER PUBLICATION {} ADD TABLE {}", connection.where(),
                    name, table.name.plain(), quote(name), table.name.quoted());
}

// What it says about each table, with the oids: one that was removed and made again did not publish in between.
using Definitions = std::vector<std::string>;
Result<Definitions> definitions_of(Connection& connection, const SourceSettings& settings, const Publication& found,
                                   const std::vector<Table>& tables) {
  Definitions out;
  for (const auto& table : tables) {
    auto rows = TRY(connection.query(fmt::format(
        "SELECT r.oid, to_jsonb(r)->>'prattrs', to_jsonb(r)->>'prqual' FROM pg_catalog.pg_publication_tables t LEFT "
        "JOIN pg_catalog.pg_publication_rel r ON r.prpubid = {} AND r.prrelid = {} WHERE t.pubname = {} AND "
        "t.schemaname = {} AND t.tablename = {}",
        found.oid, table.oid, quote_text(settings.publication), quote_text(table.name.schema),
        quote_text(table.name.name))));
    if (rows.rows() == 0) return not_published(connection, found, settings, table);
    out.push_back(fmt::format("|{}|{}|{}|{}|{}", table.name.plain(), table.oid, rows.text(0, 0), rows.text(0, 1),
                              rows.text(0, 2)));
  }
  return out;
}

std::string digest_of(const Publication& found, const Definitions& tables) {
  return digest(fmt::format("{}|{}{}", found.oid, found.flags, fmt::join(tables, "")));
}

// Without the newest of the fresh tables, without the two newest, …
std::set<std::string> digests_of(const Publication& found, const Definitions& definitions,
                                 const std::vector<Table>& tables, const std::set<std::string>& fresh) {
  std::set<std::string> out = {digest_of(found, definitions)};
  std::set<uint32_t> newest_first;
  for (const auto& table : tables) {
    if (fresh.contains(table.name.plain())) newest_first.insert(table.oid);
  }
  std::set<uint32_t> without;
  for (auto oid = newest_first.rbegin(); oid != newest_first.rend(); ++oid) {
    without.insert(*oid);
    Definitions rest;
    for (size_t i = 0; i < tables.size(); ++i) {
      if (!without.contains(tables[i].oid)) rest.push_back(definitions[i]);
    }
    out.insert(digest_of(found, rest));
  }
  return out;
}

// Tables that came to be since.
Result<void> add_fresh(Connection& connection, const SourceSettings& settings, const std::vector<Table>& tables,
                       const std::set<std::string>& fresh) {
  auto rows =
      TRY(connection.query("SELECT schemaname || '.' || tablename FROM pg_catalog.pg_publication_tables WHERE "
                           "pubname = " +
                           quote_text(settings.publication)));
  std::set<std::string> published;
  for (int i = 0; i < rows.rows(); ++i) published.emplace(rows.text(i, 0));
  std::vector<Table> added;
  for (const auto& table : tables) {
    const std::string name = table.name.plain();
    if (fresh.contains(name) && !published.contains(name)) added.push_back(table);
  }
  if (added.empty()) return {};
  TRY(connection.query(
      fmt::format("ALTER PUBLICATION {} ADD {}", quote(settings.publication), table_list(settings, added))));
  return check_filter(connection, settings, added);
}

// Does the stream have the rows and columns that the copy has? The server writes a filter in its own words, which are
// asked for where somebody else made it.
Result<void> compare_table(Connection& connection, const SourceSettings& settings, const Publication& found,
                           const Table& table) {
  const std::string& name = settings.publication;
  std::string needed;
  for (const auto& column : columns_in_stream(table)) needed += (needed.empty() ? "" : ", ") + quote_text(column);
  auto rows = TRY(connection.query(fmt::format(
      "SELECT to_jsonb(t)->>'rowfilter', (SELECT min(name) FROM unnest(ARRAY[{}]::text[]) AS name WHERE NOT "
      "to_jsonb(t)->'attnames' ? name) FROM pg_catalog.pg_publication_tables t WHERE t.pubname = {} AND t.schemaname = "
      "{} AND t.tablename = {}",
      needed, quote_text(name), quote_text(table.name.schema), quote_text(table.name.name))));
  if (rows.rows() == 0) return not_published(connection, found, settings, table);
  if (!rows.is_null(0, 1)) {
    return user_error(
        "{}: publication '{}' leaves out column '{}' of {}; name the columns that it has with columns, or ALTER "
        "PUBLICATION {} SET TABLE … with all that are read",
        connection.where(), name, rows.text(0, 1), table.name.plain(), quote(name));
  }
  const std::string_view filter = rows.text(0, 0);
  const std::string& asked = settings.condition;
  if (filter == asked || filter == "(" + asked + ")") return {};
  if (filter.empty()) {
    return user_error(
        "{}: publication '{}' sends the changes of all rows of {}, and where asks for some; leave out where and say "
        "WHERE in the statement, or give the publication that filter",
        connection.where(), name, table.name.plain());
  }
  return user_error(
      "{}: publication '{}' sends only the changes of rows of {} with {}, and the copy would read {}; write where := "
      "{}, or take the filter out of the publication",
      connection.where(), name, table.name.plain(), filter, asked.empty() ? std::string("all") : "those with " + asked,
      quote_text(filter));
}

Result<void> compare(Connection& connection, const SourceSettings& settings, const Publication& found,
                     const std::vector<Table>& tables) {
  for (const auto& table : tables) TRY(compare_table(connection, settings, found, table));
  if (found.left_out.empty()) return {};
  return user_error(
      "{}: publication '{}' does not publish {}; ALTER PUBLICATION {} SET (publish = 'insert, update, delete, "
      "truncate')",
      connection.where(), settings.publication, found.left_out, quote(settings.publication));
}

}  // namespace

Result<void> check_publication(Connection& connection, const SourceSettings& settings,
                               const std::vector<Table>& tables) {
  const auto found = TRY(find_publication(connection, settings.publication));
  if (!found || found->comment == ours(settings)) return {};
  return compare(connection, settings, *found, tables);
}

Result<EnsuredPublication> ensure_publication(Connection& connection, const SourceSettings& settings,
                                              const std::vector<Table>& tables, bool goes_on,
                                              const std::set<std::string>& fresh) {
  auto found = TRY(find_publication(connection, settings.publication));
  if (!found && goes_on) {
    return refused(
        "{}: publication '{}' is gone, so that changes may be missing; 'sluice reset' the pipeline to copy the tables "
        "again",
        connection.where(), settings.publication);
  }
  EnsuredPublication out;
  out.is_made = !found;
  std::optional<std::string> before;
  if (!found) {
    TRY(create(connection, settings, tables).while_doing("creating the publication"));
  } else if (found->comment != ours(settings)) {
    TRY(compare(connection, settings, *found, tables));
  } else if (goes_on) {
    TRY(add_fresh(connection, settings, tables, fresh).while_doing("adding new tables to the publication"));
  } else {
    auto definitions = definitions_of(connection, settings, *found, tables);
    before = definitions.ok() ? digest_of(*found, *definitions) : std::string();
    TRY(alter(connection, settings, tables).while_doing("altering the publication"));
  }
  found = TRY(find_publication(connection, settings.publication));
  const auto definitions = TRY(definitions_of(connection, settings, *found, tables));
  out.digest = digest_of(*found, definitions);
  out.digests = digests_of(*found, definitions, tables, fresh);
  out.is_altered = before && *before != out.digest;
  return out;
}

Result<void> await_writers(Context& context, Connection& connection, const std::vector<uint32_t>& tables) {
  if (tables.empty()) return {};
  constexpr Millis kPatience{10'000};
  constexpr Millis kLook{50};
  auto rows = TRY(connection.query(
      fmt::format("SELECT coalesce(string_agg(DISTINCT quote_literal(virtualtransaction), ', '), quote_literal('')) "
                  "FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND granted "
                  "AND mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') "
                  "AND pid IS DISTINCT FROM pg_catalog.pg_backend_pid() "
                  "AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) "
                  "AND relation IN (SELECT unnest(ARRAY[{0}]::oid[]) UNION SELECT relid "
                  "FROM unnest(ARRAY[{0}]::oid[]) AS root, pg_catalog.pg_partition_tree(root))",
                  fmt::join(tables, ", "))));
  const std::string writing =
      fmt::format("SELECT count(*) FROM pg_catalog.pg_locks WHERE virtualtransaction IN ({})", rows.text(0, 0));
  const auto until = context.clock.steady() + kPatience;
  while (TRY(connection.query(writing)).integer(0, 0) > 0) {
    if (context.clock.steady() >= until) {
      return transient("{}: tables cannot be followed before the transactions have ended that wrote to them before",
                       connection.where());
    }
    if (!context.clock.sleep(kLook, context.stop)) return cancelled();
  }
  return {};
}

Result<void> drop_publication(Connection& connection, const SourceSettings& settings) {
  const auto found = TRY(find_publication(connection, settings.publication));
  if (!found || found->comment != ours(settings)) return {};
  TRY(connection.query("DROP PUBLICATION IF EXISTS " + quote(settings.publication)));
  return {};
}

}  // namespace sluice::postgresql
