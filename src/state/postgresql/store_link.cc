#include "state/postgresql/store_link.h"

#include <algorithm>

#include "state/postgresql/schema.h"

namespace sluice::state {
namespace {

using postgres::Connection;

// How long a call tries to have its connection back. Longer outages are for whoever runs the pipeline: it has a state
// that people see.
constexpr Millis kPatience{10'000};
constexpr Millis kFirstPause{50};
constexpr Millis kLongestPause{1'000};
constexpr Millis kLookPause{50};

std::string lock_call(const char* function, int64_t lease) {
  return fmt::format("SELECT pg_catalog.{}({}, {})", function, kLockClass, lease);
}

}  // namespace

Result<std::unique_ptr<StoreLink>> StoreLink::open(postgres::Target target, Clock& clock, std::stop_token stop) {
  std::unique_ptr<StoreLink> link(new StoreLink(std::move(target), clock, std::move(stop)));
  TRY(migrate(*TRY(link->connected())));
  return link;
}

// Whoever ends without giving a lease back is dead all the same; saying so spares the next one a wait for the server to
// notice.
StoreLink::~StoreLink() {
  if (connection_ != nullptr && connection_->alive() && !locks_.empty()) {
    (void)connection_->query("SELECT pg_catalog.pg_advisory_unlock_all()");
  }
}

Result<Connection*> StoreLink::connected() {
  if (connection_ != nullptr) return connection_.get();
  connection_ = TRY(target_.connect_durably(stop_));
  for (auto& [lease, held] : locks_) held = false;
  auto locked = refresh_locks(*connection_);
  if (!locked.ok()) {
    connection_.reset();
    return std::move(locked).error();
  }
  return connection_.get();
}

Result<void> StoreLink::write(const Body& body) {
  return transact("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", body, true);
}

Result<void> StoreLink::read(const Body& body) {
  return transact("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", body, false);
}

Result<void> StoreLink::transact(const char* begin, const Body& body, bool writes) {
  std::lock_guard lock(mutex_);
  const SteadyTime give_up = clock_.steady() + kPatience;
  for (Millis pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    bool again = false;
    auto done = attempt(begin, body, writes, again);
    if (done.ok() || !again || clock_.steady() >= give_up || !clock_.sleep(pause, stop_)) return done;
  }
}

Result<void> StoreLink::attempt(const char* begin, const Body& body, bool writes, bool& again) {
  auto connection = connected();
  if (!connection.ok()) {
    again = connection.error().fault == Fault::transient;
    return std::move(connection).error();
  }
  std::string transaction;
  auto done = [&]() -> Result<void> {
    (void)TRY((*connection)->query(begin));
    TRY(body(**connection));
    if (writes) transaction = TRY((*connection)->query("SELECT pg_catalog.txid_current_if_assigned()")).text(0, 0);
    return {};
  }();
  if (done.ok()) return commit(transaction, again);
  const bool conflict = (*connection)->sqlstate().starts_with("40");
  const bool stopped = done.error().fault == Fault::cancelled;  // an answer may still be on its way
  if (stopped || !(*connection)->alive() || !(*connection)->query("ROLLBACK").ok()) connection_.reset();
  again = !stopped && (conflict || connection_ == nullptr);
  return done;
}

Result<void> StoreLink::commit(const std::string& transaction, bool& again) {
  auto done = connection_->commit();
  if (done.ok()) return {};
  if (done.error().fault != Fault::outcome_unknown) {  // the server said no
    const bool conflict = connection_->sqlstate().starts_with("40");
    if (!connection_->alive() || !connection_->query("ROLLBACK").ok()) connection_.reset();
    again = conflict || connection_ == nullptr;
    return done;
  }
  connection_.reset();
  if (transaction.empty()) return {};  // it wrote nothing
  return look(transaction, std::move(done).error(), again);
}

Result<void> StoreLink::look(const std::string& transaction, Error unknown, bool& again) {
  const SteadyTime give_up = clock_.steady() + kPatience;
  while (clock_.steady() < give_up && clock_.sleep(kLookPause, stop_)) {
    auto connection = connected();
    if (!connection.ok()) continue;
    auto status = (*connection)->query("SELECT pg_catalog.txid_status($1::bigint)", {transaction});
    if (!status.ok()) {
      connection_.reset();
      continue;
    }
    if (status->text(0, 0) == "committed") return {};
    if (status->text(0, 0) == "aborted") {
      again = true;
      return transient("{}: the connection was lost in COMMIT, and it did not happen", where());
    }
    if (status->text(0, 0) != "in progress") break;  // another server, which does not know it
  }
  return unknown;
}

Result<void> StoreLink::hold(Connection& connection, int64_t lease) {
  std::lock_guard lock(mutex_);
  (void)TRY(connection.query(lock_call("pg_advisory_lock", lease)));
  locks_[lease] = true;
  return {};
}

void StoreLink::let_go(int64_t lease) {
  std::lock_guard lock(mutex_);
  auto found = locks_.find(lease);
  if (found == locks_.end()) return;
  if (found->second && connection_ != nullptr) {
    if (!connection_->query(lock_call("pg_advisory_unlock", lease)).ok()) connection_.reset();
  }
  locks_.erase(found);
}

Result<void> StoreLink::refresh_locks(Connection& connection) {
  std::lock_guard lock(mutex_);
  for (auto& [lease, held] : locks_) {
    if (!held) held = TRY(connection.query(lock_call("pg_try_advisory_lock", lease))).text(0, 0) == "t";
  }
  return {};
}

}  // namespace sluice::state
