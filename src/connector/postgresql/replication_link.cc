#include "connector/postgresql/replication_link.h"

#include "postgres/bytes.h"
#include "postgres/moment.h"

namespace sluice::postgresql {
namespace {

// Well below any wal_sender_timeout one would set (60 s by default, at least some seconds).
constexpr std::chrono::seconds kAnswerInterval{1};

int64_t micros_since_2000() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count() - postgres::kMicrosTo2000;
}

}  // namespace

Result<void> ReplicationLink::start(const std::string& statement) {
  std::lock_guard lock(mutex_);
  return connection_->begin_replication(statement);
}

// https://www.postgresql.org/docs/current/protocol-replication.html: XLogData is 'w', where it begins, where the log
// ends, when it was sent, and the message; a keepalive is 'k', where the log ends, when, and whether to answer at once.
Result<ReplicationLink::Received> ReplicationLink::receive(SteadyTime deadline) {
  std::lock_guard lock(mutex_);
  Received out;
  const auto began = SteadyTime::clock::now();
  const auto message = TRY(connection_->receive(deadline));
  if (!message) {
    silent_ += SteadyTime::clock::now() - began;
    if (silent_ < silence_max_) return out;
    return transient("{}: the server has said nothing for {} s and does not answer", connection_->where(),
                     std::chrono::duration_cast<std::chrono::seconds>(silent_).count());
  }
  silent_ = {};
  if (message->size() >= 25 && message->front() == 'w') {
    out.what = Received::What::change;
    out.change = message->substr(25);
    out.sent_us = postgres::load_be<int64_t>(message->data() + 17) + postgres::kMicrosTo2000;
    received_ = std::max(received_, postgres::load_be<Lsn>(message->data() + 1));
    return out;
  }
  if (message->size() >= 18 && message->front() == 'k') {
    out.what = Received::What::keepalive;
    out.log_end = postgres::load_be<Lsn>(message->data() + 1);
    out.sent_us = postgres::load_be<int64_t>(message->data() + 9) + postgres::kMicrosTo2000;
    received_ = std::max(received_, out.log_end);
    asked_ = asked_ || (*message)[17] != 0;
    if (asked_) TRY(answer(SteadyTime::clock::now()));
    return out;
  }
  return refused("the server sent a replication message '{}' that the protocol does not have",
                 message->empty() ? ' ' : message->front());
}

void ReplicationLink::settle(Lsn settled) {
  Lsn known = settled_;
  while (known < settled && !settled_.compare_exchange_weak(known, settled)) {
  }
}

bool ReplicationLink::due(SteadyTime now) const {
  return asked_ || settled_ > answered_ || now - answered_at_ >= kAnswerInterval;
}

Result<void> ReplicationLink::answer_when_due(SteadyTime now, std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_, wait);
  if (!lock.owns_lock() || !due(now)) return {};
  return answer(now);
}

// Standby status update: received, flushed, applied, the time, and whether to answer; the server may forget what is
// flushed.
Result<void> ReplicationLink::answer(SteadyTime now) {
  const Lsn settled = settled_;
  std::string message = "r";
  postgres::append_be<uint64_t>(std::max(received_, settled), &message);
  postgres::append_be<uint64_t>(settled, &message);
  postgres::append_be<uint64_t>(settled, &message);
  postgres::append_be<int64_t>(micros_since_2000(), &message);
  const bool reply_wanted = silent_ > silence_max_ / 4;
  message += static_cast<char>(reply_wanted ? 1 : 0);
  TRY(connection_->send(message));
  asked_ = false;
  answered_ = settled;
  answered_at_ = now;
  return {};
}

}  // namespace sluice::postgresql
