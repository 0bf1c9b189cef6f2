// The replication connection: one lane receives, and whoever comes by answers the server: the lane itself, or flow's
// timer while the lane is busy with an upload. libpq's connection takes one thread at a time: a mutex sees to that.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "connector/postgresql/settings.h"
#include "postgres/pgoutput.h"

namespace sluice::postgresql {

using postgres::Lsn;

class ReplicationLink {
 public:
  // A server that says nothing for `silence_max`, although it is asked to, is taken for gone.
  ReplicationLink(std::unique_ptr<Connection> connection, Lsn settled, std::chrono::milliseconds silence_max)
      : connection_(std::move(connection)), silence_max_(silence_max), received_(settled), settled_(settled) {}

  // START_REPLICATION …
  Result<void> start(const std::string& statement);

  struct Received {
    enum class What { nothing, change, keepalive } what = What::nothing;
    std::string_view change;  // a message of pgoutput; valid until the next call
    Lsn log_end = 0;          // of a keepalive: every transaction that committed before it has been sent
    int64_t sent_us = 0;      // by the server's clock, since 1970
  };
  // Nothing: the deadline came first. Answers the server when it asks to. Fault::transient when it is taken for gone.
  Result<Received> receive(SteadyTime deadline);

  // Everything up to it is delivered: said to the server with the next answer, which is due at once.
  void settle(Lsn settled);
  // Answers when there is something new to say, or nothing was said for a while; `wait` for the other thread no longer
  // than this: while it is receiving it answers itself.
  Result<void> answer_when_due(SteadyTime now, std::chrono::milliseconds wait);

 private:
  Result<void> answer(SteadyTime now);
  [[nodiscard]] bool due(SteadyTime now) const;

  std::timed_mutex mutex_;  // of all below but the atomics
  std::unique_ptr<Connection> connection_;
  const std::chrono::milliseconds silence_max_;
  SteadyTime::duration silent_{0};  // while somebody listened
  bool asked_ = false;
  Lsn received_ = 0;
  Lsn answered_ = 0;
  SteadyTime answered_at_{};
  std::atomic<Lsn> settled_;
};

}  // namespace sluice::postgresql
