#include "state/sqlite/schema.h"

#include <array>

namespace sluice {
namespace {

// PRAGMA application_id of our files: "Slce".
constexpr int64_t kApplicationId = 0x536c6365;

// Version n is reached by running kSteps[n - 1]. A step that has been released is never edited.
//
// A pipeline's row stays when it is dropped (defined = 0): its id names the byte of the lease lock and its generation
// must go on growing. Positions and intents are rows, not JSON: split names are file names and need not be UTF-8.
constexpr std::array<std::string_view, 5> kSteps = {
    R"(
CREATE TABLE pipeline (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  generation INTEGER NOT NULL DEFAULT 0,
  owner TEXT,
  defined INTEGER NOT NULL DEFAULT 0,
  kind TEXT NOT NULL DEFAULT '',
  definition TEXT NOT NULL DEFAULT '',
  source TEXT NOT NULL DEFAULT '',
  sink TEXT NOT NULL DEFAULT '',
  last_epoch INTEGER NOT NULL DEFAULT 0,
  rows_delivered INTEGER NOT NULL DEFAULT 0,
  bytes_delivered INTEGER NOT NULL DEFAULT 0,
  rows_dead INTEGER NOT NULL DEFAULT 0,
  finished INTEGER NOT NULL DEFAULT 0,
  last_error TEXT NOT NULL DEFAULT '',
  updated_us INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE position (
  pipeline INTEGER NOT NULL REFERENCES pipeline(id),
  split TEXT NOT NULL,
  token TEXT NOT NULL,
  PRIMARY KEY (pipeline, split)
) WITHOUT ROWID;
CREATE TABLE intent (
  pipeline INTEGER NOT NULL REFERENCES pipeline(id),
  epoch INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  conditional INTEGER NOT NULL,
  PRIMARY KEY (pipeline, epoch)
) WITHOUT ROWID;
CREATE TABLE intent_part (
  pipeline INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  dead_letters INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  payload TEXT NOT NULL,
  rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  objects INTEGER NOT NULL,
  PRIMARY KEY (pipeline, epoch, dead_letters, ordinal)
) WITHOUT ROWID;
CREATE TABLE intent_position (
  pipeline INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  split TEXT NOT NULL,
  token TEXT NOT NULL,
  PRIMARY KEY (pipeline, epoch, split)
) WITHOUT ROWID;
)",
    "ALTER TABLE pipeline ADD COLUMN dead_letters TEXT NOT NULL DEFAULT ''",
    // Schemas a pipeline has followed; source and output as batch/schema_text.h writes them.
    R"(
CREATE TABLE followed_schema (
  pipeline INTEGER NOT NULL REFERENCES pipeline(id),
  table_schema TEXT NOT NULL,
  table_name TEXT NOT NULL,
  version INTEGER NOT NULL,
  source TEXT NOT NULL,
  output TEXT NOT NULL,
  PRIMARY KEY (pipeline, table_schema, table_name)
) WITHOUT ROWID;
)",
    // An epoch over 10,000 small files had its positions written, copied and deleted row by row: now one value, as
    // tables.cc writes it, until they become the pipeline's.
    R"(
ALTER TABLE intent ADD COLUMN upto BLOB NOT NULL DEFAULT '';
UPDATE intent SET upto = coalesce((
  SELECT group_concat(length(CAST(split AS BLOB)) || ':' || split || length(CAST(token AS BLOB)) || ':' || token, '')
  FROM intent_position p WHERE p.pipeline = intent.pipeline AND p.epoch = intent.epoch), '');
DROP TABLE intent_position;
)",
    // That value then becomes the pipeline's with the end of its intent, and rows only when there are many of it.
    R"(
CREATE TABLE position_step (
  pipeline INTEGER NOT NULL REFERENCES pipeline(id),
  epoch INTEGER NOT NULL,
  upto BLOB NOT NULL,
  PRIMARY KEY (pipeline, epoch)
);
INSERT INTO position_step SELECT pipeline, epoch, upto FROM intent;
ALTER TABLE intent DROP COLUMN upto;
)"};

Result<int64_t> version_of(sqlite::Database& database) {
  if (TRY(database.integer("SELECT count(*) FROM sqlite_schema")) == 0) return 0;
  if (TRY(database.integer("PRAGMA application_id")) != kApplicationId) {
    return refused("{}: this SQLite database is not a Sluice state store; give --state another path", database.path());
  }
  int64_t version = TRY(database.integer("SELECT max(version) FROM schema_version"));
  if (version > static_cast<int64_t>(kSteps.size())) {
    return refused("{}: this state store has version {} and this sluice knows versions up to {}; use a newer sluice",
                   database.path(), version, kSteps.size());
  }
  return version;
}

}  // namespace

Result<void> migrate_state(sqlite::Database& database, WallTime now) {
  constexpr auto newest = static_cast<int64_t>(kSteps.size());
  if (TRY(version_of(database)) == newest) return {};
  auto transaction = TRY(sqlite::Transaction::begin(database));
  const int64_t version = TRY(version_of(database));  // another process may have been faster
  if (version == 0) {
    TRY(database.execute(fmt::format("PRAGMA application_id={}", kApplicationId)));
    TRY(database.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY, reached TEXT NOT NULL)"));
  }
  for (int64_t at = version; at < newest; ++at) {
    TRY(database.execute(std::string(kSteps[static_cast<size_t>(at)])));
    TRY(database.execute(fmt::format("INSERT INTO schema_version VALUES ({}, '{}')", at + 1, format_utc(now))));
  }
  return transaction.commit();
}

}  // namespace sluice
