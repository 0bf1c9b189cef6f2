// The replication slot: made with a snapshot to copy from, looked at before each start, removed by `sluice drop`.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "connector/postgresql/change_position.h"
#include "connector/postgresql/settings.h"

namespace sluice::postgresql {

// A row of pg_replication_slots.
struct SlotState {
  std::string plugin;
  std::string database;
  bool temporary = false;
  std::optional<int64_t> active_pid;
  std::string active_as;        // the application_name of whoever uses it, where we may see it
  std::string wal_status;       // reserved, extended, unreserved, lost; empty before PostgreSQL 13
  std::string invalid_because;  // invalidation_reason, from PostgreSQL 17
  std::optional<int64_t> safe_wal_bytes;
  Lsn restart_lsn = 0;
  Lsn confirmed_lsn = 0;
  Lsn current_lsn = 0;  // of the server
};

Result<std::optional<SlotState>> find_slot(Connection& connection, const std::string& name);

struct NewSlot {
  Lsn consistent_lsn = 0;
  std::string snapshot;  // valid until the connection that made the slot does anything else
};
// `connection` speaks the replication protocol.
Result<NewSlot> create_slot(Connection& connection, const std::string& name);

// Can reading go on from `saved` (none: from wherever the slot stands)? Each refusal says what is gone and what to do.
// `application` is what we call ourselves: a predecessor of ours that the server has not noticed to be gone is
// Fault::transient.
Result<void> check_slot(const Connection& connection, const std::string& name, const SlotState& slot,
                        const std::optional<StreamPosition>& saved, const std::string& application);

// Leaves out what it has of the time before now; returns where it stands then.
Result<Lsn> advance_slot(Connection& connection, const std::string& name);
Result<void> drop_slot(Connection& connection, const std::string& name);

// START_REPLICATION from a place on, in the newest form that the server and the settings have.
std::string start_statement(const SourceSettings& settings, const Connection& connection, Lsn from, bool binary);
bool sends_binary(const Connection& connection);

// Of a standby: of what it has replayed.
Result<Lsn> log_end(Connection& connection);

Result<bool> is_standby(Connection& connection);

// The server's identity and settings that matter here.
struct ServerState {
  std::string system;
  int64_t timeline = 0;
  std::string wal_level;
  std::string database;
  std::chrono::milliseconds sender_timeout{0};  // 0: never
  bool may_replicate = false;
};
Result<ServerState> server_state(Connection& connection);

}  // namespace sluice::postgresql
