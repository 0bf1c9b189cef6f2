#include "connector/postgresql/slot.h"

#include <algorithm>

namespace sluice::postgresql {

using postgres::lsn_text;
using postgres::quote;
using postgres::quote_text;

namespace {

// Features of the server by its version number.
constexpr int kStreaming = 140'000;         // protocol 2, binary, streaming, messages
constexpr int kTwoPhaseProtocol = 150'000;  // protocol 3
constexpr int kParallelProtocol = 160'000;  // protocol 4

}  // namespace

Result<std::optional<SlotState>> find_slot(Connection& connection, const std::string& name) {
  // Columns that came later (safe_wal_size in 13, invalidation_reason in 17) are asked for in a way that older servers
  // understand.
  auto rows = TRY(connection.query(fmt::format(
      "SELECT s.plugin, s.database, s.temporary, s.active_pid, a.application_name, to_jsonb(s)->>'wal_status', "
      "to_jsonb(s)->>'invalidation_reason', to_jsonb(s)->>'safe_wal_size', s.restart_lsn, s.confirmed_flush_lsn, "
      "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, s.slot_type "
      "FROM pg_catalog.pg_replication_slots s LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid "
      "WHERE s.slot_name = {}",
      quote_text(name))));
  if (rows.rows() == 0) return std::optional<SlotState>();
  if (rows.text(0, 11) != "logical") {
    return user_error("{}: slot '{}' is a physical one; name another with slot", connection.where(), name);
  }
  SlotState slot;
  slot.plugin = rows.text(0, 0);
  slot.database = rows.text(0, 1);
  slot.temporary = rows.text(0, 2) == "t";
  if (!rows.is_null(0, 3)) slot.active_pid = rows.integer(0, 3);
  slot.active_as = rows.text(0, 4);
  slot.wal_status = rows.text(0, 5);
  slot.invalid_because = rows.text(0, 6);
  if (!rows.is_null(0, 7)) slot.safe_wal_bytes = rows.integer(0, 7);
  if (!rows.is_null(0, 8)) slot.restart_lsn = TRY(postgres::parse_lsn(rows.text(0, 8)));
  if (!rows.is_null(0, 9)) slot.confirmed_lsn = TRY(postgres::parse_lsn(rows.text(0, 9)));
  if (!rows.is_null(0, 10)) slot.current_lsn = TRY(postgres::parse_lsn(rows.text(0, 10)));
  return std::optional(std::move(slot));
}

Result<NewSlot> create_slot(Connection& connection, const std::string& name) {
  constexpr int kParenthesizedOptions = 150'000;
  const bool modern = connection.server_version() >= kParenthesizedOptions;
  auto rows = TRY(connection.query(fmt::format("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput {}", quote(name),
                                               modern ? "(SNAPSHOT 'export')" : "EXPORT_SNAPSHOT")));
  NewSlot slot;
  slot.consistent_lsn = TRY(postgres::parse_lsn(rows.text(0, 1)));
  slot.snapshot = rows.text(0, 2);
  return slot;
}

Result<void> check_slot(const Connection& connection, const std::string& name, const SlotState& slot,
                        const std::optional<StreamPosition>& saved, const std::string& application) {
  const std::string& where = connection.where();
  if (slot.plugin != "pgoutput") {
    return user_error("{}: slot '{}' belongs to the plugin '{}' and not to pgoutput; name another with slot", where,
                      name, slot.plugin);
  }
  if (slot.wal_status == "lost" || !slot.invalid_because.empty()) {
    return refused(
        "{}: slot '{}' was invalidated ({}): changes are gone for ever; drop it with SELECT "
        "pg_drop_replication_slot({}), then 'sluice reset' the pipeline to copy the tables again, and keep more log "
        "with max_slot_wal_keep_size",
        where, name, slot.invalid_because.empty() ? "its log was removed" : slot.invalid_because, quote_text(name));
  }
  if (slot.active_pid) {
    const bool ours = slot.active_as == application && !application.empty();
    return make_error(ours ? Fault::transient : Fault::refused,
                      "{}: slot '{}' is in use by process {}{}; stop that one first, or name another with slot", where,
                      name, *slot.active_pid,
                      slot.active_as.empty() ? std::string() : fmt::format(" ('{}')", slot.active_as));
  }
  // Only what was settled is ever confirmed, so a slot that stands behind our position's future was made or moved by
  // somebody else, and what lies between is not to be had from it.
  if (saved && slot.confirmed_lsn > saved->place.lsn) {
    return refused(
        "{}: slot '{}' stands at {} and this pipeline at {}: it was made anew or advanced by somebody else, and the "
        "changes between are missing; 'sluice reset' the pipeline to copy the tables again",
        where, name, lsn_text(slot.confirmed_lsn), lsn_text(saved->place.lsn));
  }
  // Only what is in the log on disk is ever sent, so that a crash takes nothing of it back.
  if (saved && slot.current_lsn != 0 && saved->place.lsn > slot.current_lsn) {
    return refused(
        "{}: the server's log ends at {} and this pipeline stands at {}: the server was restored from an older state, "
        "and what was delivered since did not happen there; 'sluice reset' the pipeline to copy the tables again",
        where, lsn_text(slot.current_lsn), lsn_text(saved->place.lsn));
  }
  return {};
}

// A slot is not advanced beyond what is in the log on disk, where others' commits need not be yet: with ours all are.
Result<Lsn> advance_slot(Connection& connection, const std::string& name) {
  TRY(connection.query("BEGIN; SET LOCAL synchronous_commit = local"));
  TRY(connection.query("SELECT pg_catalog.pg_logical_emit_message(true, 'sluice', 'advance')"));
  TRY(connection.query("COMMIT"));
  auto rows =
      TRY(connection.query(fmt::format("SELECT end_lsn FROM pg_catalog.pg_replication_slot_advance({}, "
                                       "pg_catalog.pg_current_wal_flush_lsn())",
                                       quote_text(name))));
  return postgres::parse_lsn(rows.text(0, 0));
}

Result<void> drop_slot(Connection& connection, const std::string& name) {
  const auto slot = TRY(find_slot(connection, name));
  if (!slot) return {};
  TRY(connection.query("SELECT pg_catalog.pg_drop_replication_slot(" + quote_text(name) + ")"));
  return {};
}

bool sends_binary(const Connection& connection) { return connection.server_version() >= kStreaming; }

std::string start_statement(const SourceSettings& settings, const Connection& connection, Lsn from, bool binary) {
  const int version = connection.server_version();
  int protocol = version >= kParallelProtocol ? 4 : version >= kTwoPhaseProtocol ? 3 : version >= kStreaming ? 2 : 1;
  if (settings.proto > 0) protocol = std::min(protocol, settings.proto);
  std::string options =
      fmt::format("proto_version '{}', publication_names {}", protocol, quote_text(quote(settings.publication)));
  if (version >= kStreaming) {
    options += ", messages 'true'";
    if (binary) options += ", binary 'true'";
    if (protocol >= 2) options += ", streaming 'on'";
  }
  return fmt::format("START_REPLICATION SLOT {} LOGICAL {} ({})", quote(settings.slot), lsn_text(from), options);
}

Result<Lsn> log_end(Connection& connection) {
  auto rows = TRY(connection.query(
      "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"));
  return postgres::parse_lsn(rows.text(0, 0));
}

Result<bool> is_standby(Connection& connection) {
  return TRY(connection.query("SELECT pg_catalog.pg_is_in_recovery()")).text(0, 0) == "t";
}

Result<ServerState> server_state(Connection& connection) {
  auto rows = TRY(connection.query(
      "SELECT (SELECT system_identifier FROM pg_control_system()), (SELECT timeline_id FROM pg_control_checkpoint()), "
      "current_setting('wal_level'), current_database(), "
      "(SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'), "
      // Amazon's servers give the right to replicate by membership of a role.
      "(SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) OR EXISTS (SELECT "
      "FROM pg_catalog.pg_roles WHERE rolname = 'rds_replication' AND pg_catalog.pg_has_role(oid, 'MEMBER'))"));
  ServerState state;
  state.system = rows.text(0, 0);
  state.timeline = rows.integer(0, 1);
  state.wal_level = rows.text(0, 2);
  state.database = rows.text(0, 3);
  state.sender_timeout = std::chrono::milliseconds(rows.integer(0, 4));
  state.may_replicate = rows.text(0, 5) == "t";
  return state;
}

}  // namespace sluice::postgresql
