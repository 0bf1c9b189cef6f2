#include "connector/postgresql/delivery.h"

#include <algorithm>

#include <arrow/type.h>

namespace sluice::postgresql {
namespace {

constexpr Millis kStopCheck{100};
constexpr Millis kTurnCheck{2};
constexpr size_t kIdleSessions = 2;

}  // namespace

void Delivery::enter(Seat* seat) {
  std::lock_guard lock(mutex_);
  seats_.insert(seat);
}

void Delivery::leave(Seat* seat) {
  std::lock_guard lock(mutex_);
  seats_.erase(seat);
  if (seat->transaction_ != 0 && live_ != nullptr && live_->id == seat->transaction_) live_.reset();
}

Result<TargetPtr> Delivery::target(Context& context, const TableId& table, const SchemaPtr& schema) {
  std::lock_guard lock(targets_mutex_);
  auto found = targets_.find(table);
  if (found != targets_.end()) {
    const auto& known = found->second->schema;
    if (known == schema || known->Equals(*schema, /*check_metadata=*/false)) return found->second;
  }
  auto connection = TRY(settings_.target.connect(context.stop));
  (void)TRY(connection->query(std::string(kBeginTransaction)));
  auto opened = TRY(open_target(*connection, settings_, settings_.table_for(table), schema, OpenMode::use));
  TRY(connection->commit());
  targets_[table] = opened;
  return opened;
}

void Delivery::remember(const TableId& table, TargetPtr target) {
  std::lock_guard lock(targets_mutex_);
  targets_[table] = std::move(target);
}

void Delivery::forget_targets() {
  {
    std::lock_guard lock(targets_mutex_);
    targets_.clear();
  }
  std::lock_guard lock(mutex_);
  idle_.clear();
}

int64_t Delivery::take_row_numbers(int64_t rows) {
  std::lock_guard lock(mutex_);
  const int64_t first = last_row_ + 1;
  last_row_ += rows;
  return first;
}

// Nobody may write an older epoch any more, and none may wait to be committed: rows of two open transactions could wait
// for each other at a unique index, which the server cannot see.
std::shared_ptr<Delivery::Live> Delivery::turn_of(const Seat& seat) {
  std::lock_guard lock(mutex_);
  if (live_ != nullptr) return live_->epoch == seat.epoch_ ? live_ : nullptr;
  const bool older_writers =
      std::any_of(seats_.begin(), seats_.end(), [&](const Seat* other) { return other->epoch_ < seat.epoch_; });
  const bool older_parts =
      std::any_of(parts_.begin(), parts_.end(), [&](const auto& entry) { return entry.second.epoch < seat.epoch_; });
  if (older_writers || older_parts) return nullptr;
  live_ = std::make_shared<Live>();
  live_->id = ++last_id_;
  live_->epoch = seat.epoch_;
  return live_;
}

std::optional<Session> Delivery::idle_session() {
  std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::nullopt;
  Session session = std::move(idle_.back());
  idle_.pop_back();
  return session;
}

Result<std::unique_ptr<EpochTransaction>> Delivery::begin_somewhere(Context& context) {
  while (auto idle = idle_session()) {
    idle->connection->stop_waiting_on(context.stop);
    auto begun = EpochTransaction::begin(*std::move(idle));
    // The server may have been restarted since.
    if (begun.ok() || begun.error().fault != Fault::transient) return begun;
  }
  return EpochTransaction::begin(Session{TRY(settings_.target.connect_durably(context.stop)), {}});
}

Result<std::unique_ptr<EpochTransaction>> Delivery::begin(Context& context) {
  auto transaction = TRY(begin_somewhere(context));
  bool replace = false;
  {
    std::lock_guard lock(mutex_);
    replace = replace_;
  }
  if (replace) {
    const std::string name = settings_.table_for({}).quoted();
    (void)TRY(transaction->connection().query("TRUNCATE " + name).while_doing("emptying the table it replaces"));
  }
  return transaction;
}

Result<EpochTransaction*> Delivery::transaction_of(Context& context, Live& live) {
  if (live.failed) return transient("{}: the epoch's transaction has failed", settings_.target.where);
  if (live.transaction == nullptr) live.transaction = TRY(begin(context));
  live.transaction->connection().stop_waiting_on(context.stop);
  return live.transaction.get();
}

Result<bool> Delivery::send(Context& context, Seat& seat, Pieces& pieces, bool patient) {
  if (pieces.empty()) return true;
  const auto live = turn_of(seat);
  if (live == nullptr) return false;
  std::unique_lock sending(live->sending, std::defer_lock);
  if (!sending.try_lock() && !patient) return true;
  while (!sending.owns_lock()) {
    if (context.stop.stop_requested()) return cancelled();
    (void)sending.try_lock_for(kStopCheck);
  }
  seat.transaction_ = live->id;
  auto sent = [&]() -> Result<void> {
    auto* transaction = TRY(transaction_of(context, *live));
    while (!pieces.empty()) {
      TRY(transaction->add(pieces.front()));
      pieces.pop_front();
    }
    crash_point("postgresql.rows.sent");
    return {};
  }();
  live->failed = live->failed || !sent.ok();
  TRY(std::move(sent));
  return true;
}

Result<std::vector<RefusedRow>> Delivery::send_judged(Context& context, Seat& seat, const Piece& piece) {
  auto live = turn_of(seat);
  while (live == nullptr) {
    if (!context.clock.sleep(kTurnCheck, context.stop)) return cancelled();
    live = turn_of(seat);
  }
  std::unique_lock sending(live->sending, std::defer_lock);
  while (!sending.try_lock_for(kStopCheck)) {
    if (context.stop.stop_requested()) return cancelled();
  }
  seat.transaction_ = live->id;
  auto refused = [&]() -> Result<std::vector<RefusedRow>> {
    auto judged = TRY(TRY(transaction_of(context, *live))->add_judged(piece));
    crash_point("postgresql.rows.judged");
    return judged;
  }();
  live->failed = live->failed || !refused.ok();
  return refused;
}

std::optional<uint64_t> Delivery::hand_in(Seat& seat, Pieces rest, Epoch epoch) {
  std::lock_guard lock(mutex_);
  const uint64_t transaction = std::exchange(seat.transaction_, 0);
  const Epoch ended = std::exchange(seat.epoch_, epoch + 1);
  if (transaction == 0 && rest.empty()) return std::nullopt;
  parts_[++last_id_] = {ended, transaction, std::move(rest)};
  return last_id_;
}

void Delivery::start_anew(bool replace) {
  std::lock_guard lock(mutex_);
  live_.reset();
  parts_.clear();
  idle_.clear();
  replace_ = replace;
}

Result<Delivery::Work> Delivery::take(Context& context, std::span<const uint64_t> parts) {
  Work work;
  uint64_t sent_into = 0;
  {
    std::lock_guard lock(mutex_);
    for (const uint64_t id : parts) {
      auto found = parts_.find(id);
      if (found == parts_.end()) {
        work.complete = false;
        continue;
      }
      if (found->second.transaction != 0) sent_into = found->second.transaction;
      for (const auto& piece : found->second.rest) work.rest.push_back(&piece);
    }
    if (sent_into != 0 && work.complete) {
      if (live_ == nullptr || live_->id != sent_into || live_->transaction == nullptr) {
        work.complete = false;
      } else {
        work.transaction = std::move(live_->transaction);
        live_.reset();
      }
    }
  }
  if (work.transaction == nullptr) work.transaction = TRY(begin(context));
  work.transaction->connection().stop_waiting_on(context.stop);
  return work;
}

void Delivery::committed(Session session) {
  std::lock_guard lock(mutex_);
  replace_ = false;
  if (idle_.size() < kIdleSessions) idle_.push_back(std::move(session));
}

void Delivery::forget(std::span<const uint64_t> parts) {
  std::lock_guard lock(mutex_);
  for (const uint64_t id : parts) {
    auto found = parts_.find(id);
    if (found == parts_.end()) continue;
    const uint64_t transaction = found->second.transaction;
    if (transaction != 0 && live_ != nullptr && live_->id == transaction) live_.reset();
    parts_.erase(found);
  }
}

}  // namespace sluice::postgresql
