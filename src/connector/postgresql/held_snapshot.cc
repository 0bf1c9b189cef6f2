#include "connector/postgresql/held_snapshot.h"

#include <charconv>

namespace sluice::postgresql {
namespace {

constexpr const char* kBeginCopying = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
// Who waits for longer than this waits behind somebody who waits for us.
constexpr Millis kLockWait{1000};
constexpr Millis kHolderCheck{50};

// What the location allows for connecting.
Millis patience_of(const Target& target) {
  int64_t seconds = 30;
  for (const auto& [keyword, value] : target.parameters) {
    if (keyword == "connect_timeout") std::from_chars(value.data(), value.data() + value.size(), seconds);
  }
  return std::chrono::seconds(seconds);
}

// Tables that changed their files, or were made, between the snapshot and the lock. The snapshot has pg_class as it
// was; functions look at the catalog of now. CLUSTER and VACUUM FULL do no harm, but look the same.
Result<void> check_not_rewritten(Connection& connection) {
  auto rows = TRY(connection.query(
      "SELECT coalesce(n.nspname || '.' || c.relname, l.relation::regclass::text) FROM pg_catalog.pg_locks l "
      "LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation LEFT JOIN pg_catalog.pg_namespace n ON n.oid = "
      "c.relnamespace WHERE l.locktype = 'relation' AND l.granted AND l.pid = pg_catalog.pg_backend_pid() AND "
      "l.relation >= 16384 AND pg_catalog.pg_get_indexdef(l.relation) IS NULL AND "
      "pg_catalog.pg_relation_filenode(l.relation) IS DISTINCT FROM nullif(c.relfilenode, 0) LIMIT 1"));
  if (rows.rows() == 0) return {};
  return transient(
      "{}: {} was rewritten or emptied (ALTER TABLE, TRUNCATE) just after the moment that is copied, and looks empty "
      "there; the copy has to begin again",
      connection.where(), rows.text(0, 0));
}

}  // namespace

// Something that is read, or waits to be.
class HeldSnapshot::Reading {
 public:
  Reading(Ptr snapshot, size_t order) : snapshot_(std::move(snapshot)), order_(order) {
    std::lock_guard lock(snapshot_->mutex_);
    snapshot_->reading_.insert(order_);
  }
  ~Reading() {
    std::lock_guard lock(snapshot_->mutex_);
    snapshot_->reading_.erase(snapshot_->reading_.find(order_));
    if (has_holder_) snapshot_->is_lent_ = false;
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  // Only whoever reads the first of all gets it: where rows are wanted in order, others do not end before.
  bool get_holder() {
    std::lock_guard lock(snapshot_->mutex_);
    if (snapshot_->is_lent_ || *snapshot_->reading_.begin() != order_) return false;
    snapshot_->is_lent_ = has_holder_ = true;
    return true;
  }

  std::unique_ptr<Connection> own;

 private:
  const Ptr snapshot_;
  const size_t order_;
  bool has_holder_ = false;
};

Result<HeldSnapshot::Ptr> HeldSnapshot::take(Context& context, const Target& target, Which which,
                                             const Inputs& inputs) {
  auto holder = TRY(target.connect(context.stop));
  TRY(holder->query(kBeginCopying));
  auto rows =
      TRY(holder->query("SELECT pg_catalog.pg_export_snapshot(), pg_catalog.txid_current_snapshot(), CASE WHEN "
                        "pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE "
                        "pg_catalog.pg_current_wal_insert_lsn() END"));
  Ptr held(new HeldSnapshot(target, which, std::string(rows.text(0, 0))));
  held->seen_ = rows.text(0, 1);
  held->log_end_ = TRY(postgres::parse_lsn(rows.text(0, 2)));
  held->holder_ = std::move(holder);
  TRY(held->hold(inputs));
  return held;
}

Result<HeldSnapshot::Ptr> HeldSnapshot::adopt(Context& context, const Target& target,
                                              std::unique_ptr<Connection> leader, std::string name,
                                              const Inputs& inputs) {
  Ptr held(new HeldSnapshot(target, Which::all_rows, std::move(name)));
  held->leader_ = std::move(leader);
  held->holder_ = TRY(held->see(context));
  TRY(held->hold(inputs));
  return held;
}

// A connection inside a transaction that sees the snapshot.
Result<std::unique_ptr<Connection>> HeldSnapshot::see(Context& context) const {
  auto connection = TRY(target_.connect(context.stop));
  TRY(connection->query(kBeginCopying));
  auto seen = connection->query("SET TRANSACTION SNAPSHOT " + postgres::quote_text(name_));
  if (seen.ok()) return connection;
  Error error = std::move(seen).error();
  // It is not there, or whoever kept it is not (src/backend/utils/time/snapmgr.c, storage/ipc/procarray.c).
  const std::string& state = connection->sqlstate();
  if (state == "22023" || state == "42704" || state == "55000") {
    return transient("{} (the session that kept the snapshot to copy was lost; going on with another)", error.what);
  }
  return error;
}

// Whatever the inputs read, tables behind a view included, is locked as SELECT locks it, which takes no more than the
// right to read some column of it. False: somebody else holds one of them for longer than `patience`.
Result<bool> HeldSnapshot::lock(Connection& connection, const Inputs& inputs, Millis patience) const {
  std::string sql = fmt::format("SET LOCAL lock_timeout = {}", patience.count());
  if (which_ == Which::all_rows) sql += "; SET LOCAL row_security = off";
  for (const auto& input : inputs) sql += fmt::format("; SELECT FROM {} LIMIT 0", input);
  auto locked = connection.query(sql + "; SET LOCAL lock_timeout = 0");
  if (locked.ok()) return true;
  if (connection.sqlstate() == "55P03") return false;
  Error error = std::move(locked).error();
  if (connection.sqlstate() == "42501" && which_ == Which::all_rows) {
    error.what +=
        "; this copy has to read every row: GRANT SELECT, and where row-level security leaves rows out ALTER ROLE … "
        "BYPASSRLS";
  }
  return error;
}

Result<void> HeldSnapshot::hold(const Inputs& inputs) {
  const Millis patience = patience_of(target_);
  if (!TRY(lock(*holder_, inputs, patience))) {
    return transient(
        "{}: a table that is to be copied has been locked by another session (an ALTER TABLE or LOCK TABLE that has "
        "not ended) for {} s; run this when that has ended",
        target_.where, std::chrono::duration_cast<std::chrono::seconds>(patience).count());
  }
  return check_not_rewritten(*holder_);
}

// An ALTER TABLE that waits for the holder has everybody else wait behind itself, who would then wait for each other:
// meanwhile it is the holder that reads, one thing after the other.
Result<std::shared_ptr<Connection>> HeldSnapshot::session(Context& context, const Inputs& inputs, size_t order) {
  auto reading = std::make_shared<Reading>(shared_from_this(), order);
  reading->own = TRY(see(context));
  if (TRY(lock(*reading->own, inputs, kLockWait))) {
    TRY(check_not_rewritten(*reading->own));
    return std::shared_ptr<Connection>(reading, reading->own.get());
  }
  reading->own.reset();
  context.log.warn("somebody waits to alter or empty a table until its copy has ended; one session goes on with it",
                   {{"tables", fmt::format("{}", fmt::join(inputs, ", "))}});
  while (!reading->get_holder()) {
    if (!context.clock.sleep(kHolderCheck, context.stop)) return cancelled();
  }
  if (!holder_->is_between_statements()) {
    return transient("{}: the session that kept the tables as they are was given up", target_.where);
  }
  holder_->stop_waiting_on(context.stop);
  return std::shared_ptr<Connection>(reading, holder_.get());
}

}  // namespace sluice::postgresql
