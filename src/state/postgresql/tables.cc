#include "state/postgresql/tables.h"

#include "batch/schema_text.h"
#include "state/postgresql/store_link.h"
#include "state/postgresql/values.h"

namespace sluice::state {
namespace {

using postgres::Connection;
using postgres::Rows;

// A host that hangs is taken for dead after this; flow renews every few seconds.
constexpr const char* kTerm = "interval '30 seconds'";

// Of a state_lease l: its owner is connected, and was heard of not long ago.
std::string living_sql() {
  return fmt::format(
      "l.expires > clock_timestamp() AND EXISTS (SELECT FROM pg_catalog.pg_locks k WHERE k.locktype = 'advisory' AND "
      "k.granted AND k.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()) "
      "AND "
      "k.classid = {}::oid AND k.objid = l.id::oid AND k.objsubid = 2)",
      kLockClass);
}

constexpr const char* kLeaseColumns = "l.id, l.generation, l.owner, l.member, l.last_epoch";

std::string number(uint64_t value) { return std::to_string(static_cast<int64_t>(value)); }
std::string boolean(bool value) { return value ? "true" : "false"; }
bool is_true(const Rows& rows, int row, int column) { return rows.text(row, column) == "t"; }

Result<Positions> positions_in(const Rows& rows) {
  Positions found;
  for (int i = 0; i < rows.rows(); ++i) {
    found.emplace(TRY(from_bytea(rows.text(i, 0))), Position{TRY(from_bytea(rows.text(i, 1)))});
  }
  return found;
}

}  // namespace

Result<Rows> StateTables::query(const std::string& sql, Parameters more) {
  more.insert(more.begin(), pipeline_);
  return connection_.query(sql, more);
}

Result<void> StateTables::run(const std::string& sql, Parameters more) {
  (void)TRY(query(sql, std::move(more)));
  return {};
}

Result<std::vector<std::string>> StateTables::names(Connection& connection) {
  auto rows = TRY(connection.query("SELECT name FROM sluice.state_pipeline WHERE defined ORDER BY name COLLATE \"C\""));
  std::vector<std::string> found;
  for (int i = 0; i < rows.rows(); ++i) found.emplace_back(rows.text(i, 0));
  return found;
}

Result<void> StateTables::create() {
  return run("INSERT INTO sluice.state_pipeline(name) VALUES ($1) ON CONFLICT DO NOTHING");
}

Result<std::optional<StateTables::Pipeline>> StateTables::lock() {
  auto rows = TRY(query(
      "SELECT generation, last_epoch, defined, definition FROM sluice.state_pipeline WHERE name = $1 FOR UPDATE"));
  if (rows.rows() == 0) return std::optional<Pipeline>();
  return std::optional(Pipeline{static_cast<Generation>(rows.integer(0, 0)), static_cast<Epoch>(rows.integer(0, 1)),
                                is_true(rows, 0, 2), std::string(rows.text(0, 3))});
}

Result<void> StateTables::set_generation(Generation generation) {
  return run("UPDATE sluice.state_pipeline SET generation = $2::bigint WHERE name = $1", {number(generation)});
}

namespace {
StateTables::LeaseRow lease_in(const Rows& rows, int row, const std::string& pipeline) {
  Lease lease{pipeline, static_cast<Generation>(rows.integer(row, 1)), std::string(rows.text(row, 2)),
              is_true(rows, row, 3), static_cast<Epoch>(rows.integer(row, 4))};
  return {rows.integer(row, 0), std::move(lease)};
}
}  // namespace

Result<std::optional<StateTables::LeaseRow>> StateTables::lease_of(Generation generation) {
  auto rows = TRY(query(
      fmt::format("SELECT {} FROM sluice.state_lease l WHERE pipeline = $1 AND generation = $2::bigint", kLeaseColumns),
      {number(generation)}));
  if (rows.rows() == 0) return std::optional<LeaseRow>();
  return std::optional(lease_in(rows, 0, pipeline_));
}

Result<std::vector<StateTables::LeaseRow>> StateTables::living() {
  auto rows =
      TRY(query(fmt::format("SELECT {} FROM sluice.state_lease l WHERE pipeline = $1 AND {} ORDER BY generation",
                            kLeaseColumns, living_sql())));
  std::vector<LeaseRow> found;
  for (int i = 0; i < rows.rows(); ++i) found.push_back(lease_in(rows, i, pipeline_));
  return found;
}

Result<std::vector<StateTables::LeaseRow>> StateTables::unburied() {
  auto rows = TRY(
      query(fmt::format("SELECT {} FROM sluice.state_lease l WHERE pipeline = $1 ORDER BY generation", kLeaseColumns)));
  std::vector<LeaseRow> found;
  for (int i = 0; i < rows.rows(); ++i) found.push_back(lease_in(rows, i, pipeline_));
  return found;
}

Result<void> StateTables::bury() {
  return run(fmt::format("DELETE FROM sluice.state_lease l WHERE pipeline = $1 AND NOT ({})", living_sql()));
}

Result<int64_t> StateTables::add_lease(const Lease& lease) {
  auto rows =
      TRY(query(fmt::format("INSERT INTO sluice.state_lease(pipeline, generation, owner, member, last_epoch, "
                            "expires) VALUES ($1, $2::bigint, $3, $4::boolean, $5::bigint, clock_timestamp() + "
                            "{}) RETURNING id",
                            kTerm),
                {number(lease.generation), to_text(lease.owner), boolean(lease.member), number(lease.last_epoch)}));
  return rows.integer(0, 0);
}

Result<bool> StateTables::renew(Generation generation) {
  auto rows =
      TRY(query(fmt::format("UPDATE sluice.state_lease SET expires = clock_timestamp() + {} WHERE pipeline = $1 "
                            "AND generation = $2::bigint",
                            kTerm),
                {number(generation)}));
  return rows.affected() == 1;
}

Result<void> StateTables::end_lease(Generation generation) {
  return run("DELETE FROM sluice.state_lease WHERE pipeline = $1 AND generation = $2::bigint", {number(generation)});
}

Result<void> StateTables::note_epoch(const Lease& lease, Epoch epoch) {
  return run(
      "UPDATE sluice.state_lease SET last_epoch = greatest(last_epoch, $3::bigint) WHERE pipeline = $1 AND generation "
      "= "
      "$2::bigint",
      {number(lease.generation), number(epoch)});
}

Result<std::optional<PipelineRecord>> StateTables::record() {
  auto rows =
      TRY(query("SELECT kind, definition, source, sink, dead_letters, last_epoch, rows_delivered, bytes_delivered, "
                "rows_dead, finished, last_error, (extract(epoch FROM updated) * 1000000)::bigint FROM "
                "sluice.state_pipeline WHERE name = $1 AND defined"));
  if (rows.rows() == 0) return std::optional<PipelineRecord>();
  PipelineRecord found;
  found.name = pipeline_;
  found.kind = rows.text(0, 0);
  found.definition = rows.text(0, 1);
  found.source = rows.text(0, 2);
  found.sink = rows.text(0, 3);
  found.dead_letters = rows.text(0, 4);
  found.last_epoch = static_cast<Epoch>(rows.integer(0, 5));
  found.rows_delivered = rows.integer(0, 6);
  found.bytes_delivered = rows.integer(0, 7);
  found.rows_dead = rows.integer(0, 8);
  found.finished = is_true(rows, 0, 9);
  found.last_error = rows.text(0, 10);
  found.updated = WallTime(std::chrono::microseconds(rows.integer(0, 11)));
  // A member whose connection is gone for a moment may come back and decide what it has prepared, until it is buried.
  for (auto& row : TRY(unburied())) {
    if (row.lease.member) found.members.push_back(std::move(row.lease));
  }
  auto alive = TRY(living());
  if (!alive.empty()) found.lease = std::move(alive.front().lease);
  found.positions = TRY(positions());
  found.intents = TRY(intents());
  found.schemas = TRY(schemas());
  return std::optional(std::move(found));
}

Result<void> StateTables::define(const PipelineRecord& record) {
  return run(
      "UPDATE sluice.state_pipeline SET defined = true, kind = $2, definition = $3, source = $4, sink = $5, "
      "dead_letters = $6, updated = clock_timestamp() WHERE name = $1",
      {to_text(record.kind), to_text(record.definition), to_text(record.source), to_text(record.sink),
       to_text(record.dead_letters)});
}

Result<void> StateTables::erase() {
  for (const char* table :
       {"state_position", "state_intent", "state_intent_part", "state_intent_position", "state_schema"}) {
    TRY(run(fmt::format("DELETE FROM sluice.{} WHERE pipeline = $1", table)));
  }
  return run(
      "UPDATE sluice.state_pipeline SET defined = false, kind = '', definition = '', source = '', sink = '', "
      "dead_letters = '', last_epoch = 0, rows_delivered = 0, bytes_delivered = 0, rows_dead = 0, finished = false, "
      "last_error = '' WHERE name = $1");
}

Result<std::vector<Intent>> StateTables::intents(std::optional<Generation> owner) {
  std::optional<std::string> whose;
  if (owner.has_value()) whose = number(*owner);
  auto rows =
      TRY(query("SELECT epoch, generation, conditional, owner FROM sluice.state_intent WHERE pipeline = $1 AND "
                "($2::bigint IS NULL "
                "OR owner = $2::bigint) ORDER BY epoch",
                {whose}));
  std::vector<Intent> found;
  for (int i = 0; i < rows.rows(); ++i) {
    Intent intent;
    intent.epoch = static_cast<Epoch>(rows.integer(i, 0));
    intent.generation = static_cast<Generation>(rows.integer(i, 1));
    intent.conditional = is_true(rows, i, 2);
    intent.owner = static_cast<Generation>(rows.integer(i, 3));
    TRY(read_parts(intent));
    intent.upto =
        TRY(positions_in(TRY(query("SELECT split, token FROM sluice.state_intent_position WHERE pipeline = $1 AND "
                                   "epoch = $2::bigint ORDER BY split",
                                   {number(intent.epoch)}))));
    found.push_back(std::move(intent));
  }
  return found;
}

Result<void> StateTables::read_parts(Intent& intent) {
  auto rows = TRY(
      query("SELECT dead_letters, payload, rows, bytes, objects FROM sluice.state_intent_part WHERE pipeline = $1 AND "
            "epoch = $2::bigint ORDER BY dead_letters, ordinal",
            {number(intent.epoch)}));
  for (int i = 0; i < rows.rows(); ++i) {
    Prepared part{TRY(from_bytea(rows.text(i, 1))), rows.integer(i, 2), rows.integer(i, 3), rows.integer(i, 4)};
    (is_true(rows, i, 0) ? intent.dead_letters : intent.main).push_back(std::move(part));
  }
  return {};
}

Result<std::optional<Generation>> StateTables::owner_of(Epoch epoch) {
  auto rows =
      TRY(query("SELECT owner FROM sluice.state_intent WHERE pipeline = $1 AND epoch = $2::bigint", {number(epoch)}));
  if (rows.rows() == 0) return std::optional<Generation>();
  return std::optional(static_cast<Generation>(rows.integer(0, 0)));
}

Result<bool> StateTables::has_intents() {
  return TRY(query("SELECT FROM sluice.state_intent WHERE pipeline = $1 LIMIT 1")).rows() > 0;
}

Result<void> StateTables::add_intent(const Intent& intent) {
  TRY(run("INSERT INTO sluice.state_intent VALUES ($1, $2::bigint, $3::bigint, $3::bigint, $4::boolean)",
          {number(intent.epoch), number(intent.generation), boolean(intent.conditional)}));
  TRY(add_parts(intent.epoch, false, intent.main));
  TRY(add_parts(intent.epoch, true, intent.dead_letters));
  return run(
      "INSERT INTO sluice.state_intent_position SELECT $1, $2::bigint, split, token FROM unnest($3::bytea[], "
      "$4::bytea[]) AS p(split, token)",
      {number(intent.epoch), splits_array(intent.upto), tokens_array(intent.upto)});
}

Result<void> StateTables::add_parts(Epoch epoch, bool dead_letters, const std::vector<Prepared>& parts) {
  int64_t ordinal = 0;
  for (const auto& part : parts) {
    TRY(
        run("INSERT INTO sluice.state_intent_part VALUES ($1, $2::bigint, $3::boolean, $4::integer, $5::bytea, "
            "$6::bigint, $7::bigint, $8::bigint)",
            {number(epoch), boolean(dead_letters), std::to_string(ordinal++), to_bytea(part.payload),
             std::to_string(part.rows), std::to_string(part.bytes), std::to_string(part.objects)}));
  }
  return {};
}

Result<void> StateTables::adopt_intents(Generation by) {
  return run(
      "UPDATE sluice.state_intent SET owner = $2::bigint WHERE pipeline = $1 AND owner NOT IN (SELECT "
      "generation FROM sluice.state_lease WHERE pipeline = $1)",
      {number(by)});
}

Result<void> StateTables::apply_intent(Epoch epoch) {
  TRY(
      run("INSERT INTO sluice.state_position SELECT pipeline, split, token FROM sluice.state_intent_position WHERE "
          "pipeline = $1 AND epoch = $2::bigint ON CONFLICT (pipeline, split) DO UPDATE SET token = excluded.token",
          {number(epoch)}));
  return remove_intent(epoch);
}

Result<void> StateTables::remove_intent(Epoch epoch) {
  for (const char* table : {"state_intent_position", "state_intent_part", "state_intent"}) {
    TRY(run(fmt::format("DELETE FROM sluice.{} WHERE pipeline = $1 AND epoch = $2::bigint", table), {number(epoch)}));
  }
  return {};
}

Result<std::optional<SplitId>> StateTables::pending(const Positions& upto) {
  auto rows = TRY(
      query("SELECT split FROM sluice.state_intent_position WHERE pipeline = $1 AND split = ANY ($2::bytea[]) LIMIT 1",
            {splits_array(upto)}));
  if (rows.rows() == 0) return std::optional<SplitId>();
  return std::optional(TRY(from_bytea(rows.text(0, 0))));
}

Result<Positions> StateTables::positions() {
  return positions_in(TRY(query("SELECT split, token FROM sluice.state_position WHERE pipeline = $1 ORDER BY split")));
}

Result<Positions> StateTables::positions_of(const Positions& splits) {
  return positions_in(
      TRY(query("SELECT split, token FROM sluice.state_position WHERE pipeline = $1 AND split = ANY ($2::bytea[])",
                {splits_array(splits)})));
}

Result<void> StateTables::advance(const Positions& upto) {
  if (upto.empty()) return {};
  return run(
      "INSERT INTO sluice.state_position SELECT $1, split, token FROM unnest($2::bytea[], $3::bytea[]) AS p(split, "
      "token) ON CONFLICT (pipeline, split) DO UPDATE SET token = excluded.token WHERE state_position.token <> "
      "excluded.token",
      {splits_array(upto), tokens_array(upto)});
}

Result<void> StateTables::replace_positions(const Positions& positions) {
  TRY(run("DELETE FROM sluice.state_position WHERE pipeline = $1"));
  TRY(advance(positions));
  return run(
      "UPDATE sluice.state_pipeline SET finished = false, last_error = '', updated = clock_timestamp() WHERE name = "
      "$1");
}

Result<void> StateTables::count(const Lease& lease, Epoch epoch, int64_t rows, int64_t bytes, int64_t dead_rows) {
  // Members number their epochs apart; the pipeline counts them.
  const char* last = lease.member ? "last_epoch + $2::bigint" : "greatest(last_epoch, $2::bigint)";
  return run(
      fmt::format("UPDATE sluice.state_pipeline SET last_epoch = {}, rows_delivered = rows_delivered + "
                  "$3::bigint, bytes_delivered = bytes_delivered + $4::bigint, rows_dead = rows_dead + "
                  "$5::bigint, updated = clock_timestamp() WHERE name = $1",
                  last),
      {lease.member ? "1" : number(epoch), std::to_string(rows), std::to_string(bytes), std::to_string(dead_rows)});
}

Result<void> StateTables::set_finished(bool finished) {
  return run("UPDATE sluice.state_pipeline SET finished = $2::boolean, updated = clock_timestamp() WHERE name = $1",
             {boolean(finished)});
}

Result<void> StateTables::set_error(const std::string& message) {
  return run("UPDATE sluice.state_pipeline SET last_error = $2, updated = clock_timestamp() WHERE name = $1",
             {to_text(message)});
}

Result<void> StateTables::save_schema(const FollowedSchema& schema) {
  const std::string source = TRY(schema_to_text(*schema.source));
  const std::string output = TRY(schema_to_text(*schema.output));
  return run(
      "INSERT INTO sluice.state_schema VALUES ($1, $2, $3, $4::bigint, $5, $6) ON CONFLICT (pipeline, table_schema, "
      "table_name) DO UPDATE SET version = excluded.version, source = excluded.source, output = excluded.output",
      {schema.table.schema, schema.table.name, std::to_string(schema.version), source, output});
}

Result<void> StateTables::forget_schemas() { return run("DELETE FROM sluice.state_schema WHERE pipeline = $1"); }

Result<std::vector<FollowedSchema>> StateTables::schemas() {
  auto rows =
      TRY(query("SELECT table_schema, table_name, version, source, output FROM sluice.state_schema WHERE pipeline = $1 "
                "ORDER BY table_schema COLLATE \"C\", table_name COLLATE \"C\""));
  std::vector<FollowedSchema> found;
  for (int i = 0; i < rows.rows(); ++i) {
    FollowedSchema schema;
    schema.table = {std::string(rows.text(i, 0)), std::string(rows.text(i, 1))};
    schema.version = rows.integer(i, 2);
    schema.source = TRY(schema_from_text(std::string(rows.text(i, 3))));
    schema.output = TRY(schema_from_text(std::string(rows.text(i, 4))));
    found.push_back(std::move(schema));
  }
  return found;
}

}  // namespace sluice::state
