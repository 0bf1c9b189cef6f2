#include "state/postgresql/schema.h"

#include <array>

namespace sluice::state {
namespace {

// Version n is reached by running kSteps[n - 1]. A step that has been released is never edited.
//
// A pipeline's row stays when it is dropped (defined = false): its generation must go on growing. Splits and tokens are
// bytea: split names are file names and need not be UTF-8. convert_from(split, 'UTF8') shows them.
//
// state_lease.id names the advisory lock that proves that the owner is connected (store_link.h).
constexpr std::array<const char*, 1> kSteps = {R"(
CREATE TABLE sluice.state_pipeline (
  name text PRIMARY KEY,
  generation bigint NOT NULL DEFAULT 0,
  defined boolean NOT NULL DEFAULT false,
  kind text NOT NULL DEFAULT '',
  definition text NOT NULL DEFAULT '',
  source text NOT NULL DEFAULT '',
  sink text NOT NULL DEFAULT '',
  dead_letters text NOT NULL DEFAULT '',
  last_epoch bigint NOT NULL DEFAULT 0,
  rows_delivered bigint NOT NULL DEFAULT 0,
  bytes_delivered bigint NOT NULL DEFAULT 0,
  rows_dead bigint NOT NULL DEFAULT 0,
  finished boolean NOT NULL DEFAULT false,
  last_error text NOT NULL DEFAULT '',
  updated timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE sluice.state_lease (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pipeline text NOT NULL,
  generation bigint NOT NULL,
  member boolean NOT NULL,
  owner text NOT NULL,
  last_epoch bigint NOT NULL,
  expires timestamptz NOT NULL,
  UNIQUE (pipeline, generation)
);
CREATE TABLE sluice.state_position (
  pipeline text NOT NULL,
  split bytea NOT NULL,
  token bytea NOT NULL,
  PRIMARY KEY (pipeline, split)
);
CREATE TABLE sluice.state_intent (
  pipeline text NOT NULL,
  epoch bigint NOT NULL,
  generation bigint NOT NULL,
  owner bigint NOT NULL,
  conditional boolean NOT NULL,
  PRIMARY KEY (pipeline, epoch)
);
CREATE TABLE sluice.state_intent_part (
  pipeline text NOT NULL,
  epoch bigint NOT NULL,
  dead_letters boolean NOT NULL,
  ordinal integer NOT NULL,
  payload bytea NOT NULL,
  rows bigint NOT NULL,
  bytes bigint NOT NULL,
  objects bigint NOT NULL,
  PRIMARY KEY (pipeline, epoch, dead_letters, ordinal)
);
CREATE TABLE sluice.state_intent_position (
  pipeline text NOT NULL,
  epoch bigint NOT NULL,
  split bytea NOT NULL,
  token bytea NOT NULL,
  PRIMARY KEY (pipeline, epoch, split)
);
CREATE TABLE sluice.state_schema (
  pipeline text NOT NULL,
  table_schema text NOT NULL,
  table_name text NOT NULL,
  version bigint NOT NULL,
  source text NOT NULL,
  output text NOT NULL,
  PRIMARY KEY (pipeline, table_schema, table_name)
);
)"};

constexpr auto kNewest = static_cast<int64_t>(kSteps.size());

Result<int64_t> version_of(postgres::Connection& connection) {
  // Not to_regclass(): it may answer from a cache of before the lock.
  auto there =
      TRY(connection.query("SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                           "WHERE n.nspname = 'sluice' AND c.relname = 'state_version'"));
  if (there.rows() == 0) return 0;
  auto rows = TRY(connection.query("SELECT coalesce(max(version), 0) FROM sluice.state_version"));
  const int64_t version = rows.integer(0, 0);
  if (version > kNewest) {
    return refused("{}: the state store has version {} and this sluice knows versions up to {}; use a newer sluice",
                   connection.where(), version, kNewest);
  }
  return version;
}

Result<void> take_steps(postgres::Connection& connection) {
  // Who comes second waits here. The same lock guards the schema of a sink's own tables.
  (void)TRY(connection.query("SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('sluice'))"));
  const int64_t version = TRY(version_of(connection));
  if (version == 0) {
    auto schema = TRY(connection.query("SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'sluice'"));
    if (schema.rows() == 0) (void)TRY(connection.query("CREATE SCHEMA sluice"));
    (void)TRY(connection.query(
        "CREATE TABLE sluice.state_version (version integer PRIMARY KEY, reached timestamptz NOT NULL DEFAULT now())"));
  }
  for (int64_t at = version; at < kNewest; ++at) {
    (void)TRY(connection.query(kSteps[static_cast<size_t>(at)]));
    (void)TRY(connection.query("INSERT INTO sluice.state_version VALUES ($1)", {std::to_string(at + 1)}));
  }
  return {};
}

}  // namespace

Result<void> migrate(postgres::Connection& connection) {
  if (TRY(version_of(connection)) == kNewest) return {};
  (void)TRY(connection.query("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"));
  auto done = take_steps(connection);
  if (!done.ok()) {
    const bool forbidden = connection.sqlstate() == "42501";
    (void)connection.query("ROLLBACK");
    Error error = std::move(done).error();
    if (forbidden) error.what += "; the state store needs a schema 'sluice' that this role may create tables in";
    return error;
  }
  return connection.commit();
}

}  // namespace sluice::state
