// The connection to the state store: made anew when it is lost, and the transactions on it. Thread-safe: one
// transaction at a time.
//
// It also proves that this process lives. For each lease it holds a session-level advisory lock, which the server gives
// up the moment the connection ends, however the process ended. A lease is alive while its lock is held and its time
// has not run out (a host that hangs keeps its connection).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "postgres/target.h"

namespace sluice::state {

// First key of the advisory locks: "Slce"; the second is the lease's id.
inline constexpr int32_t kLockClass = 0x536c6365;

class StoreLink {
 public:
  using Body = std::function<Result<void>(postgres::Connection&)>;

  // Connects, and brings the store to the newest version.
  static Result<std::unique_ptr<StoreLink>> open(postgres::Target target, Clock& clock, std::stop_token stop);
  ~StoreLink();

  // `body` and COMMIT in one transaction. Where the connection is lost, or the server asks for it (deadlock), all of it
  // is done again, for some seconds: `body` begins from nothing each time. Whether a COMMIT happened that was lost on
  // the way is asked of the server.
  Result<void> write(const Body& body);
  // The same, reading one snapshot.
  Result<void> read(const Body& body);

  // Within write(): lock and remember, so that a new connection locks it again. A lock that a dying connection of ours
  // still has is taken by refresh_locks().
  Result<void> hold(postgres::Connection& connection, int64_t lease);
  void let_go(int64_t lease);  // at the next transaction
  // Within write().
  Result<void> refresh_locks(postgres::Connection& connection);

  [[nodiscard]] const std::string& where() const { return target_.where; }
  [[nodiscard]] Clock& clock() { return clock_; }
  [[nodiscard]] const std::stop_token& stop() const { return stop_; }

 private:
  StoreLink(postgres::Target target, Clock& clock, std::stop_token stop)
      : target_(std::move(target)), clock_(clock), stop_(std::move(stop)) {}

  Result<void> transact(const char* begin, const Body& body, bool writes);
  Result<void> attempt(const char* begin, const Body& body, bool writes, bool& again);
  Result<void> commit(const std::string& transaction, bool& again);
  Result<void> look(const std::string& transaction, Error unknown, bool& again);
  Result<postgres::Connection*> connected();

  const postgres::Target target_;
  Clock& clock_;
  const std::stop_token stop_;
  std::recursive_mutex mutex_;  // guards everything below; hold() and let_go() are called from within a body
  std::unique_ptr<postgres::Connection> connection_;
  std::map<int64_t, bool> locks_;  // by lease: does connection_ have it?
};

}  // namespace sluice::state
