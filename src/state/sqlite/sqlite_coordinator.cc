#include "state/sqlite/sqlite_coordinator.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <utility>

#include "port/context.h"
#include "state/sqlite/lease_lock.h"
#include "state/sqlite/schema.h"
#include "state/sqlite/tables.h"

namespace sluice {
namespace {

using sqlite::Transaction;

// Of the write-ahead log to the disk, at a commit: `later` is for what nothing depends on. It goes with the next commit
// that flushes, and in order: only a power cut can lose it, and with it nothing else.
enum class Flush { now, later };

class SqliteCoordinator final : public Coordinator {
 public:
  SqliteCoordinator(std::unique_ptr<sqlite::Database> database, StateTables tables, Clock& clock)
      : database_(std::move(database)), tables_(std::move(tables)), clock_(clock) {}

  Result<std::vector<PipelineRecord>> list() override;
  Result<std::optional<PipelineRecord>> load(const std::string& name) override;
  Result<void> define(const Lease& lease, const PipelineRecord& record) override;
  Result<Lease> acquire(const std::string& pipeline, const std::string& owner) override;
  Result<void> renew(const Lease& lease) override;
  Result<void> release(const Lease& lease) override;
  Result<void> save_intent(const Lease& lease, const Intent& intent) override;
  Result<void> finish(const Lease& lease, Epoch epoch, const Positions& upto, int64_t rows, int64_t bytes,
                      int64_t dead_rows) override;
  Result<void> forget_intent(const Lease& lease, Epoch epoch) override;
  Result<void> set_finished(const Lease& lease, bool finished) override;
  Result<void> set_error(const Lease& lease, const std::string& message) override;
  Result<void> save_schema(const Lease& lease, const FollowedSchema& schema) override;
  Result<void> reset(const std::string& name, const Positions& positions) override;
  Result<void> drop(const std::string& name) override;

 private:
  [[nodiscard]] std::string lock_path() const { return database_->path() + "-lease"; }
  [[nodiscard]] int64_t now_us() const { return clock_.wall().time_since_epoch().count(); }
  Result<std::optional<PipelineRecord>> read(const std::string& name);
  // The pipeline's id when `lease` still holds it; called first in each write transaction.
  Result<int64_t> held(const Lease& lease);
  // One UPDATE of the pipeline's row under the lease.
  template <typename Change>
  Result<void> change(const Lease& lease, Change change, Flush flush = Flush::now);
  Result<void> use(Flush flush);
  // A free pipeline's id with its lease byte locked, for writes without a lease.
  Result<std::pair<int64_t, LeaseLock>> seize(const std::string& name, std::string_view doing);

  std::mutex mutex_;  // guards everything below
  std::unique_ptr<sqlite::Database> database_;
  StateTables tables_;
  Clock& clock_;
  Flush flush_ = Flush::now;
  std::map<std::string, std::pair<Generation, LeaseLock>> locks_;  // by pipeline: the leases of this process
};

Result<int64_t> SqliteCoordinator::held(const Lease& lease) {
  auto row = TRY(tables_.holder(lease.pipeline));
  if (!row.has_value()) return refused("pipeline '{}' is not in {}", lease.pipeline, database_->path());
  if (row->generation != lease.generation) {
    return refused("another process has taken over pipeline '{}' (generation {}; ours is {})", lease.pipeline,
                   row->generation, lease.generation);
  }
  if (!row->owner.has_value()) return refused("the lease of pipeline '{}' has been given back", lease.pipeline);
  return row->id;
}

Result<void> SqliteCoordinator::use(Flush flush) {
  if (flush == flush_) return {};
  TRY(database_->execute(flush == Flush::now ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"));
  flush_ = flush;
  return {};
}

template <typename Change>
Result<void> SqliteCoordinator::change(const Lease& lease, Change change, Flush flush) {
  std::scoped_lock guard(mutex_);
  TRY(use(flush));
  auto transaction = TRY(Transaction::begin(*database_));
  TRY(change(TRY(held(lease))));
  return transaction.commit();
}

Result<std::optional<PipelineRecord>> SqliteCoordinator::read(const std::string& name) {
  auto record = TRY(tables_.record(name));
  if (!record.has_value() || !record->lease.has_value()) return record;
  auto row = TRY(tables_.holder(name));
  if (!TRY(LeaseLock::is_held(lock_path(), row->id))) record->lease.reset();  // its owner died
  return record;
}

Result<std::vector<PipelineRecord>> SqliteCoordinator::list() {
  std::scoped_lock guard(mutex_);
  TRY(database_->execute("BEGIN"));  // one snapshot for all of it
  auto records = [&]() -> Result<std::vector<PipelineRecord>> {
    std::vector<PipelineRecord> found;
    for (const auto& name : TRY(tables_.names())) {
      if (auto record = TRY(read(name))) found.push_back(std::move(*record));
    }
    return found;
  }();
  TRY(database_->execute("COMMIT"));
  return records;
}

Result<std::optional<PipelineRecord>> SqliteCoordinator::load(const std::string& name) {
  std::scoped_lock guard(mutex_);
  TRY(database_->execute("BEGIN"));
  auto record = read(name);
  TRY(database_->execute("COMMIT"));
  return record;
}

Result<void> SqliteCoordinator::define(const Lease& lease, const PipelineRecord& record) {
  return change(lease, [&](int64_t id) { return tables_.define(id, record, now_us()); });
}

Result<Lease> SqliteCoordinator::acquire(const std::string& pipeline, const std::string& owner) {
  if (pipeline.empty()) return bug("a pipeline without a name cannot be leased");
  std::scoped_lock guard(mutex_);
  TRY(use(Flush::now));
  auto transaction = TRY(Transaction::begin(*database_));
  auto row = TRY(tables_.holder_or_new(pipeline));
  auto lock = TRY(LeaseLock::try_take(lock_path(), row.id));
  if (!lock.has_value()) {
    return transient("pipeline '{}' is already running ({}); stop that process first", pipeline,
                     row.owner.value_or("another process"));
  }
  TRY(tables_.take(row.id, row.generation + 1, owner));
  TRY(transaction.commit());
  locks_.insert_or_assign(pipeline, std::pair(row.generation + 1, std::move(*lock)));
  return Lease{pipeline, row.generation + 1, owner};
}

Result<void> SqliteCoordinator::renew(const Lease& lease) {
  std::scoped_lock guard(mutex_);
  TRY(held(lease));
  return {};
}

Result<void> SqliteCoordinator::release(const Lease& lease) {
  auto given_back = change(
      lease, [&](int64_t id) { return tables_.give_back(id); }, Flush::later);
  std::scoped_lock guard(mutex_);
  auto lock = locks_.find(lease.pipeline);
  if (lock != locks_.end() && lock->second.first == lease.generation) locks_.erase(lock);
  return given_back;
}

Result<void> SqliteCoordinator::save_intent(const Lease& lease, const Intent& intent) {
  crash_point("state.intent.before");
  TRY(change(lease, [&](int64_t id) -> Result<void> {
    if (TRY(tables_.has_intent(id, intent.epoch))) {
      return bug("epoch {} of pipeline '{}' has been decided before", intent.epoch, lease.pipeline);
    }
    return tables_.add_intent(id, intent, now_us());
  }));
  crash_point("state.intent.after");
  return {};
}

Result<void> SqliteCoordinator::finish(const Lease& lease, Epoch epoch, const Positions& upto, int64_t rows,
                                       int64_t bytes, int64_t dead_rows) {
  crash_point("state.finish.before");
  std::scoped_lock guard(mutex_);
  TRY(use(Flush::now));
  auto transaction = TRY(Transaction::begin(*database_));
  const int64_t id = TRY(held(lease));
  TRY(tables_.advance(id, epoch, upto));
  TRY(tables_.remove_intent(id, epoch));
  TRY(tables_.count(id, epoch, rows, bytes, dead_rows, now_us()));
  TRY(transaction.commit());
  crash_point("state.finish.after");
  return {};
}

Result<void> SqliteCoordinator::forget_intent(const Lease& lease, Epoch epoch) {
  return change(lease, [&](int64_t id) { return tables_.forget_intent(id, epoch); });
}

Result<void> SqliteCoordinator::set_finished(const Lease& lease, bool finished) {
  return change(
      lease, [&](int64_t id) { return tables_.set_finished(id, finished, now_us()); }, Flush::later);
}

Result<void> SqliteCoordinator::set_error(const Lease& lease, const std::string& message) {
  return change(
      lease, [&](int64_t id) { return tables_.set_error(id, message, now_us()); }, Flush::later);
}

Result<void> SqliteCoordinator::save_schema(const Lease& lease, const FollowedSchema& schema) {
  return change(lease, [&](int64_t id) { return tables_.save_schema(id, schema); });
}

Result<std::pair<int64_t, LeaseLock>> SqliteCoordinator::seize(const std::string& name, std::string_view doing) {
  auto row = TRY(tables_.holder(name));
  if (!row.has_value() || !row->defined) return user_error("there is no pipeline '{}' in {}", name, database_->path());
  auto lock = TRY(LeaseLock::try_take(lock_path(), row->id));
  if (!lock.has_value()) {
    return refused("cannot {} pipeline '{}' while it is running ({}); stop it first", doing, name,
                   row->owner.value_or("another process"));
  }
  // Whoever believes to hold it without the lock (the lock file was deleted under it) finds out at its next write.
  TRY(tables_.take(row->id, row->generation + 1, ""));
  TRY(tables_.give_back(row->id));
  return std::pair(row->id, std::move(*lock));
}

Result<void> SqliteCoordinator::reset(const std::string& name, const Positions& positions) {
  std::scoped_lock guard(mutex_);
  TRY(use(Flush::now));
  auto transaction = TRY(Transaction::begin(*database_));
  auto [id, lock] = TRY(seize(name, "reset"));
  if (TRY(tables_.has_intents(id))) {
    return refused(
        "pipeline '{}' has a decided epoch that is not finished; run it once so that it completes, then reset it",
        name);
  }
  TRY(tables_.replace_positions(id, positions, now_us()));
  TRY(tables_.forget_schemas(id));
  return transaction.commit();
}

Result<void> SqliteCoordinator::drop(const std::string& name) {
  std::scoped_lock guard(mutex_);
  TRY(use(Flush::now));
  auto transaction = TRY(Transaction::begin(*database_));
  auto [id, lock] = TRY(seize(name, "drop"));
  TRY(tables_.erase(id));
  return transaction.commit();
}

// Changing the mode needs the file alone and does not wait for others by itself
// (sqlite.org/pragma.html#pragma_journal_mode), so processes that start together on a new store take turns here.
Result<void> use_write_ahead_log(sqlite::Database& database, Clock& clock) {
  constexpr int kAttempts = 200;
  for (int attempt = 1;; ++attempt) {
    auto mode = database.text("PRAGMA journal_mode=WAL");
    if (mode.ok() && mode.value() == "wal") return {};
    if (mode.ok())
      return refused("{}: the file system cannot hold a write-ahead log; use a local disk", database.path());
    if (mode.error().fault != Fault::transient || attempt == kAttempts) return std::move(mode).error();
    clock.sleep(Millis(10), {});
  }
}

bool flushed(const std::string& path) {
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool done = ::fsync(file) == 0;
  ::close(file);
  return done;
}

// A new store is made under another name and appears whole: on the way to the same SQLite would flush ten times. Its
// name is on the disk with the first commit, which flushes the folder for the write-ahead log. Whoever comes second
// keeps what is there by then; where this fails the store is made in place, and that says why.
void create_store(const std::string& path, Clock& clock) {
  const std::string draft = fmt::format("{}-new-{}-{}", path, ::getpid(), clock.steady().time_since_epoch().count());
  auto made = [&]() -> Result<void> {
    auto database = TRY(sqlite::Database::open(draft, sqlite::OpenMode::create));
    TRY(database->execute("PRAGMA synchronous=OFF"));
    TRY(migrate_state(*database, clock.wall()));
    return use_write_ahead_log(*database, clock);
  }();
  if (made.ok() && flushed(draft)) (void)::link(draft.c_str(), path.c_str());
  ::unlink(draft.c_str());
}

}  // namespace

Result<std::unique_ptr<Coordinator>> open_sqlite_coordinator(const std::string& path, Clock& clock,
                                                             std::stop_token stop) {
  if (path.empty()) return user_error("the state store needs a path: sqlite:.sluice/state.db");
  TRY(sqlite::create_folder_of(path).while_doing("creating the state store"));
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) create_store(path, clock);
  auto database = TRY(sqlite::Database::open(path, sqlite::OpenMode::create).while_doing("opening the state store"));
  database->stop_waiting_on(std::move(stop));
  TRY(migrate_state(*database, clock.wall()).while_doing("opening the state store"));
  TRY(use_write_ahead_log(*database, clock).while_doing("opening the state store"));
  auto tables = TRY(StateTables::prepare(*database).while_doing("opening the state store"));
  return std::make_unique<SqliteCoordinator>(std::move(database), std::move(tables), clock);
}

}  // namespace sluice
