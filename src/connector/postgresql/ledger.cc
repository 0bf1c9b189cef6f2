#include "connector/postgresql/ledger.h"

#include <charconv>
#include <vector>

namespace sluice::postgresql {
namespace {

using postgres::Connection;

// {"a","b"}: one text[] parameter.
template <typename Texts, typename Get>
std::string array_literal(const Texts& texts, Get get) {
  std::string out = "{";
  for (const auto& each : texts) {
    out += out.size() > 1 ? ",\"" : "\"";
    for (char c : get(each)) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "}";
}
std::string splits_of(const Positions& positions) {
  return array_literal(positions, [](const auto& entry) -> const std::string& { return entry.first; });
}
std::string tokens_of(const Positions& positions) {
  return array_literal(positions, [](const auto& entry) -> const std::string& { return entry.second.token; });
}

const std::string* token_of(const Positions& positions, const std::string& split) {
  auto found = positions.find(split);
  return found == positions.end() ? nullptr : &found->second.token;
}

enum class Found { at_from, at_upto, elsewhere };

Found where(const std::string* held, const std::string* from, const std::string& upto) {
  const bool same = held == nullptr || from == nullptr ? held == from : *held == *from;
  if (same) return Found::at_from;
  return held != nullptr && *held == upto ? Found::at_upto : Found::elsewhere;
}

Result<Positions> positions_of(Result<postgres::Rows> result) {
  const auto rows = TRY(std::move(result));
  Positions positions;
  for (int i = 0; i < rows.rows(); ++i) {
    positions.emplace(std::string(rows.text(i, 0)), Position{std::string(rows.text(i, 1))});
  }
  return positions;
}

}  // namespace

Result<bool> Ledger::exists(Connection& connection) {
  // Not to_regclass(): it may answer from a cache of before the lock that create_tables() waits for.
  auto rows =
      TRY(connection.query("SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                           "WHERE n.nspname = 'sluice' AND c.relname IN ('positions', 'fence', 'members')"));
  return rows.rows() == 3;
}

// CREATE … IF NOT EXISTS of two sessions at once fails in one of them: the lock lets one go first.
Result<void> Ledger::create_tables(Connection& connection) {
  if (TRY(exists(connection))) return {};
  (void)TRY(connection.query("SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('sluice'))"));
  if (TRY(exists(connection))) return {};
  (void)TRY(connection.query(
      "CREATE SCHEMA IF NOT EXISTS sluice; "
      "CREATE TABLE IF NOT EXISTS sluice.positions (pipeline text NOT NULL, sink text NOT NULL, split text NOT NULL, "
      "position text NOT NULL, PRIMARY KEY (pipeline, sink, split)); "
      "CREATE TABLE IF NOT EXISTS sluice.fence (pipeline text NOT NULL, sink text NOT NULL, generation bigint NOT "
      "NULL, PRIMARY KEY (pipeline, sink)); "
      "CREATE TABLE IF NOT EXISTS sluice.members (pipeline text NOT NULL, sink text NOT NULL, generation bigint NOT "
      "NULL, PRIMARY KEY (pipeline, sink, generation))"));
  return {};
}

Result<Generation> Ledger::take_fence(Connection& connection, Generation generation) const {
  auto rows = TRY(connection.query(
      "INSERT INTO sluice.fence AS f VALUES ($1, $2, $3::bigint) ON CONFLICT (pipeline, sink) DO UPDATE SET generation "
      "= greatest(excluded.generation, f.generation + 1) RETURNING generation",
      {pipeline_, sink_, std::to_string(generation)}));
  TRY(forget_members(connection));  // behind the fence's lock, as everywhere
  return static_cast<Generation>(rows.integer(0, 0));
}

Result<void> Ledger::share_fence(Connection& connection, Generation generation,
                                 std::span<const Generation> spared) const {
  (void)TRY(connection.query("INSERT INTO sluice.fence VALUES ($1, $2, $3::bigint) ON CONFLICT DO NOTHING",
                             {pipeline_, sink_, std::to_string(generation)}));
  (void)TRY(lock_fence(connection));
  const auto number = [](Generation each) { return std::to_string(each); };
  (void)TRY(connection.query(
      "DELETE FROM sluice.members WHERE pipeline = $1 AND sink = $2 AND generation <> ALL ($3::bigint[])",
      {pipeline_, sink_, array_literal(spared, number)}));
  (void)TRY(connection.query("INSERT INTO sluice.members VALUES ($1, $2, $3::bigint) ON CONFLICT DO NOTHING",
                             {pipeline_, sink_, std::to_string(generation)}));
  return {};
}

Result<bool> Ledger::is_member(Connection& connection, Generation generation) const {
  const auto rows =
      TRY(connection.query("SELECT FROM sluice.members WHERE pipeline = $1 AND sink = $2 AND generation = $3::bigint",
                           {pipeline_, sink_, std::to_string(generation)}));
  return rows.rows() == 1;
}

Result<Generation> Ledger::lock_fence(Connection& connection) const {
  auto rows = TRY(connection.query(
      "SELECT generation FROM sluice.fence WHERE pipeline = $1 AND sink = $2 FOR NO KEY UPDATE", {pipeline_, sink_}));
  return rows.rows() == 0 ? Generation{0} : static_cast<Generation>(rows.integer(0, 0));
}

Result<Positions> Ledger::load(Connection& connection) const {
  return positions_of(connection.query("SELECT split, position FROM sluice.positions WHERE pipeline = $1 AND sink = $2",
                                       {pipeline_, sink_}));
}

Result<Positions> Ledger::held(Connection& connection, const Positions& of) const {
  return positions_of(
      connection.query("SELECT split, position FROM sluice.positions WHERE pipeline = $1 AND sink = $2 AND split = ANY "
                       "($3::text[]) FOR NO KEY UPDATE",
                       {pipeline_, sink_, splits_of(of)}));
}

Result<void> Ledger::store(Connection& connection, const Positions& positions) const {
  (void)TRY(connection.query(
      "INSERT INTO sluice.positions SELECT $1, $2, split, position FROM unnest($3::text[], $4::text[]) AS p(split, "
      "position) ON CONFLICT (pipeline, sink, split) DO UPDATE SET position = excluded.position",
      {pipeline_, sink_, splits_of(positions), tokens_of(positions)}));
  return {};
}

Result<bool> Ledger::advance(Connection& connection, const Positions& from, const Positions& upto) const {
  if (upto.empty()) return true;
  const Positions now = TRY(held(connection, upto));
  bool any_at_from = false;
  bool any_at_upto = false;
  for (const auto& [split, position] : upto) {
    const std::string* expected = token_of(from, split);
    const std::string* found = token_of(now, split);
    switch (where(found, expected, position.token)) {
      case Found::at_from:
        // A split that stands still says nothing of whether the epoch is here.
        any_at_from = any_at_from || expected == nullptr || *expected != position.token;
        break;
      case Found::at_upto:
        any_at_upto = true;
        break;
      case Found::elsewhere:
        return refused(
            "{}: the positions of pipeline '{}' moved in the target (split '{}' is at '{}', expected '{}'): another "
            "process writes for this pipeline",
            connection.where(), pipeline_, split, found == nullptr ? "nothing" : *found,
            expected == nullptr ? "nothing" : *expected);
    }
  }
  if (any_at_upto && any_at_from) {
    return refused("{}: the positions of pipeline '{}' moved in the target: another process writes for this pipeline",
                   connection.where(), pipeline_);
  }
  if (any_at_upto) return false;
  TRY(store(connection, upto));
  return true;
}

Result<void> Ledger::replace(Connection& connection, const Positions& positions) const {
  (void)TRY(connection.query("DELETE FROM sluice.positions WHERE pipeline = $1 AND sink = $2", {pipeline_, sink_}));
  return positions.empty() ? Result<void>() : store(connection, positions);
}

Result<void> Ledger::forget(Connection& connection) const {
  TRY(replace(connection, {}));
  TRY(forget_members(connection));
  (void)TRY(connection.query("DELETE FROM sluice.fence WHERE pipeline = $1 AND sink = $2", {pipeline_, sink_}));
  return {};
}

Result<void> Ledger::forget_members(Connection& connection) const {
  (void)TRY(connection.query("DELETE FROM sluice.members WHERE pipeline = $1 AND sink = $2", {pipeline_, sink_}));
  return {};
}

}  // namespace sluice::postgresql
