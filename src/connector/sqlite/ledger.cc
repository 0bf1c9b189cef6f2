#include "connector/sqlite/ledger.h"

namespace sluice::sqlite {
namespace {

enum class Found { at_from, at_upto, elsewhere };

Found where(const std::string* held, const std::string* from, const std::string& upto) {
  const bool same = held == nullptr || from == nullptr ? held == from : *held == *from;
  if (same) return Found::at_from;
  return held != nullptr && *held == upto ? Found::at_upto : Found::elsewhere;
}

}  // namespace

Result<void> Ledger::create_tables(Database& database) {
  return database.execute(R"(
    CREATE TABLE IF NOT EXISTS sluice_positions (
      pipeline TEXT NOT NULL, sink TEXT NOT NULL, split TEXT NOT NULL, position TEXT NOT NULL,
      PRIMARY KEY (pipeline, sink, split)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS sluice_fence (
      pipeline TEXT NOT NULL, sink TEXT NOT NULL, generation INTEGER NOT NULL,
      PRIMARY KEY (pipeline, sink)) WITHOUT ROWID)");
}

Result<bool> Ledger::exists(Database& database) {
  return TRY(database.integer(
             "SELECT count(*) FROM sqlite_schema WHERE name IN ('sluice_positions', 'sluice_fence')")) == 2;
}

Result<Generation> Ledger::take_fence(Database& database, Generation generation) const {
  auto take =
      TRY(database.prepare("INSERT INTO sluice_fence VALUES (?, ?, ?) "
                           "ON CONFLICT DO UPDATE SET generation = max(excluded.generation, generation + 1)"));
  TRY(take.bind(1, pipeline_).bind(2, sink_).bind(3, static_cast<int64_t>(generation)).run());
  return fence(database);
}

Result<Generation> Ledger::fence(Database& database) const {
  auto select = TRY(database.prepare("SELECT generation FROM sluice_fence WHERE pipeline = ? AND sink = ?"));
  if (!TRY(select.bind(1, pipeline_).bind(2, sink_).step())) return Generation{0};
  return static_cast<Generation>(select.integer(0));
}

Result<Positions> Ledger::load(Database& database) const {
  auto select = TRY(
      database.prepare("SELECT split, position FROM sluice_positions WHERE pipeline = ? AND sink = ? ORDER BY split"));
  select.bind(1, pipeline_).bind(2, sink_);
  Positions found;
  while (TRY(select.step())) {
    found.emplace_hint(found.end(), std::string(select.text(0)), Position{std::string(select.text(1))});
  }
  return found;
}

Result<bool> Ledger::advance(Database& database, const Positions& from, const Positions& upto) const {
  auto select =
      TRY(database.prepare("SELECT position FROM sluice_positions WHERE pipeline = ? AND sink = ? AND split = ?"));
  auto set = TRY(database.prepare(
      "INSERT INTO sluice_positions VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET position = excluded.position"));
  select.bind(1, pipeline_).bind(2, sink_);
  set.bind(1, pipeline_).bind(2, sink_);
  bool any_at_from = upto.empty();
  bool any_at_upto = false;
  for (const auto& [split, position] : upto) {
    std::optional<std::string> held;
    if (TRY(select.bind(3, split).step())) {
      held = std::string(select.text(0));
      select.reset();
    }
    auto before = from.find(split);
    const std::string* expected = before == from.end() ? nullptr : &before->second.token;
    switch (where(held.has_value() ? &*held : nullptr, expected, position.token)) {
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
            database.path(), pipeline_, split, held.value_or("nothing"), expected == nullptr ? "nothing" : *expected);
    }
    TRY(set.bind(3, split).bind(4, position.token).run());
  }
  if (any_at_upto && any_at_from) {
    return refused("{}: the positions of pipeline '{}' moved in the target: another process writes for this pipeline",
                   database.path(), pipeline_);
  }
  return !any_at_upto;
}

Result<void> Ledger::replace(Database& database, const Positions& positions) const {
  auto remove = TRY(database.prepare("DELETE FROM sluice_positions WHERE pipeline = ? AND sink = ?"));
  TRY(remove.bind(1, pipeline_).bind(2, sink_).run());
  return TRY(advance(database, {}, positions)) ? Result<void>()
                                               : bug("positions of pipeline '{}' were not replaced", pipeline_);
}

Result<void> Ledger::forget(Database& database) const {
  for (const char* table : {"sluice_positions", "sluice_fence"}) {
    auto remove = TRY(database.prepare(fmt::format("DELETE FROM {} WHERE pipeline = ? AND sink = ?", table)));
    TRY(remove.bind(1, pipeline_).bind(2, sink_).run());
  }
  if (TRY(database.integer("SELECT count(*) FROM sluice_fence")) > 0) return {};
  if (TRY(database.integer("SELECT count(*) FROM sluice_positions")) > 0) return {};
  return database.execute("DROP TABLE sluice_fence; DROP TABLE sluice_positions");
}

}  // namespace sluice::sqlite
