#include "connector/postgresql/delivery.h"

#include <algorithm>

#include <arrow/type.h>

namespace sluice::postgresql {
namespace {

constexpr Millis kStopCheck{100};
constexpr Millis kTurnCheck{2};
constexpr size_t kSideBySide = 4;  // transactions of an epoch: server processes that one run keeps busy
constexpr size_t kIdleSessions = kSideBySide;

// False: somebody else has it, and `patient` is not said. Fault::cancelled: the run is stopped while it waits.
Result<bool> acquire(Context& context, std::unique_lock<std::timed_mutex>& lock, bool patient) {
  if (lock.try_lock()) return true;
  if (!patient) return false;
  while (!lock.try_lock_for(kStopCheck)) {
    if (context.stop.stop_requested()) return cancelled();
  }
  return true;
}

}  // namespace

void Delivery::enter(Seat* seat) {
  std::lock_guard lock(mutex_);
  seats_.insert(seat);
}

void Delivery::leave(Seat* seat) {
  std::lock_guard lock(mutex_);
  seats_.erase(seat);
  if (seat->live_ != nullptr) end(seat->live_->id);
}

std::shared_ptr<Delivery::Live> Delivery::find(uint64_t transaction) const {
  for (const auto& live : live_) {
    if (live->id == transaction) return live;
  }
  return nullptr;
}

void Delivery::end(uint64_t transaction) {
  std::erase_if(live_, [&](const auto& live) { return live->id == transaction; });
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
  drop_idle();
}

void Delivery::drop_idle() {
  std::vector<Session> closed;
  std::lock_guard lock(mutex_);
  closed.swap(idle_);
}

int64_t Delivery::take_row_numbers(int64_t rows) {
  std::lock_guard lock(mutex_);
  const int64_t first = last_row_ + 1;
  last_row_ += rows;
  return first;
}

// Nobody may write an older epoch any more, and none may wait to be committed: rows of two open transactions could wait
// for each other at a unique index, which the server cannot see.
bool Delivery::has_turn(const Seat& seat) const {
  std::lock_guard lock(mutex_);
  if (!live_.empty()) return live_.front()->epoch == seat.epoch_;
  const bool older_writers =
      std::any_of(seats_.begin(), seats_.end(), [&](const Seat* other) { return other->epoch_ < seat.epoch_; });
  const bool older_parts =
      std::any_of(parts_.begin(), parts_.end(), [&](const auto& entry) { return entry.second.epoch < seat.epoch_; });
  return !older_writers && !older_parts;
}

// The seat has its turn, and the caller has opening_: transactions of its epoch may end, none can be added.
Result<void> Delivery::take_place(Context& context, Seat& seat, const TargetTable& table, bool judged) {
  bool beside = seat.stands_alone_ && !table.upsert && !judged && !settings_.many_tables();
  bool first = false;
  bool open = false;
  {
    std::lock_guard lock(mutex_);
    beside = beside && !replace_;  // the TRUNCATE of one would shut out the others
    first = live_.empty();
    const bool joins = !first && beside && live_.front()->admits_others;
    open = first || (joins && live_.size() < kSideBySide);
    if (!open) seat.live_ = live_[joins ? places_taken_++ % live_.size() : 0];
  }
  if (!open) return {};
  if (first) return open_first(context, seat, table, beside);
  if (TRY(open_beside(context, seat, table))) return {};
  std::lock_guard lock(mutex_);
  if (live_.empty()) return transient("{}: the epoch's transaction has failed", settings_.target.where);
  seat.live_ = live_.front();
  return {};
}

// It has the lock that its COPY needs before another asks whether it gets that at once.
Result<void> Delivery::open_first(Context& context, Seat& seat, const TargetTable& table, bool may_admit) {
  auto transaction = TRY(begin(context));
  const bool admits_others = may_admit && TRY(transaction->lock(table.name));
  take_seat(seat, std::move(transaction), admits_others);
  return {};
}

// False: there is no further connection to be had, or somebody waits for a lock of the whole table. He waits for the
// first transaction, and behind him another would wait: for ever, because the first one is committed only when every
// lane has handed in its rows.
Result<bool> Delivery::open_beside(Context& context, Seat& seat, const TargetTable& table) {
  auto transaction = begin_somewhere(context);
  if (!transaction.ok()) return context.stop.stop_requested() ? Result<bool>(cancelled()) : false;
  auto locked = transaction.value()->lock_at_once(table.name);
  if (!locked.ok() && locked.error().fault == Fault::transient) return false;
  if (!TRY(std::move(locked))) return false;
  take_seat(seat, std::move(transaction).value(), true);
  return true;
}

void Delivery::take_seat(Seat& seat, std::unique_ptr<EpochTransaction> transaction, bool admits_others) {
  auto live = std::make_shared<Live>();
  live->epoch = seat.epoch_;
  live->transaction = std::move(transaction);
  live->admits_others = admits_others;
  std::lock_guard lock(mutex_);
  live->id = ++last_id_;
  live_.push_back(live);
  seat.live_ = std::move(live);
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

Result<EpochTransaction*> Delivery::transaction_of(Context& context, Live& live) const {
  if (live.failed || live.transaction == nullptr) {
    return transient("{}: the epoch's transaction has failed", settings_.target.where);
  }
  live.transaction->connection().stop_waiting_on(context.stop);
  return live.transaction.get();
}

Result<bool> Delivery::send(Context& context, Seat& seat, Pieces& pieces, bool patient) {
  if (pieces.empty()) return true;
  if (seat.live_ == nullptr) {
    if (!has_turn(seat)) return false;
    std::unique_lock opening(opening_, std::defer_lock);
    if (!TRY(acquire(context, opening, patient))) return true;
    TRY(take_place(context, seat, *pieces.front().table, false));
  }
  Live& live = *seat.live_;
  std::unique_lock sending(live.sending, std::defer_lock);
  if (!TRY(acquire(context, sending, patient))) return true;
  auto sent = [&]() -> Result<void> {
    auto* transaction = TRY(transaction_of(context, live));
    while (!pieces.empty()) {
      TRY(transaction->add(pieces.front()));
      pieces.pop_front();
    }
    crash_point("postgresql.rows.sent");
    return {};
  }();
  live.failed = live.failed || !sent.ok();
  TRY(std::move(sent));
  return true;
}

Result<std::vector<RefusedRow>> Delivery::send_judged(Context& context, Seat& seat, const Piece& piece) {
  if (seat.live_ == nullptr) {
    while (!has_turn(seat)) {
      if (!context.clock.sleep(kTurnCheck, context.stop)) return cancelled();
    }
    std::unique_lock opening(opening_, std::defer_lock);
    (void)TRY(acquire(context, opening, true));
    TRY(take_place(context, seat, *piece.table, true));
  }
  Live& live = *seat.live_;
  std::unique_lock sending(live.sending, std::defer_lock);
  (void)TRY(acquire(context, sending, true));
  auto refused = [&]() -> Result<std::vector<RefusedRow>> {
    auto judged = TRY(TRY(transaction_of(context, live))->add_judged(piece));
    crash_point("postgresql.rows.judged");
    return judged;
  }();
  live.failed = live.failed || !refused.ok();
  return refused;
}

std::optional<uint64_t> Delivery::hand_in(Seat& seat, Pieces rest, std::set<SplitId> splits, Epoch epoch) {
  std::lock_guard lock(mutex_);
  const auto live = std::exchange(seat.live_, nullptr);
  const Epoch ended = std::exchange(seat.epoch_, epoch + 1);
  if (live == nullptr && rest.empty()) return std::nullopt;
  parts_[++last_id_] = {ended, live == nullptr ? 0 : live->id, std::move(rest), std::move(splits)};
  return last_id_;
}

void Delivery::stop() {
  std::lock_guard lock(mutex_);
  live_.clear();
  parts_.clear();
  idle_.clear();
}

void Delivery::start_anew(bool replace) {
  stop();
  std::lock_guard lock(mutex_);
  replace_ = replace;
}

std::vector<Delivery::Share> Delivery::shares_of(std::span<const uint64_t> parts) {
  std::vector<Share> shares;
  std::map<uint64_t, size_t> known;  // by Live::id
  auto put = [](Part& part, Share& share) {
    for (const auto& piece : part.rest) share.rest.push_back(&piece);
    share.splits.insert(part.splits.begin(), part.splits.end());
  };
  for (const uint64_t id : parts) {
    Part& part = parts_.at(id);
    if (part.transaction == 0) continue;
    const auto [share, is_new] = known.emplace(part.transaction, shares.size());
    if (is_new) shares.push_back({std::move(find(part.transaction)->transaction), {}, {}});
    put(part, shares[share->second]);
  }
  if (shares.empty()) shares.emplace_back();
  for (const uint64_t id : parts) {
    Part& part = parts_.at(id);
    if (part.transaction == 0) put(part, shares.front());
  }
  return shares;
}

Result<Delivery::Work> Delivery::take(Context& context, std::span<const uint64_t> parts) {
  Work work;
  {
    std::lock_guard lock(mutex_);
    work.complete = std::all_of(parts.begin(), parts.end(), [&](uint64_t id) {
      auto found = parts_.find(id);
      return found != parts_.end() && (found->second.transaction == 0 || find(found->second.transaction) != nullptr);
    });
    if (work.complete) {
      work.shares = shares_of(parts);
      live_.clear();
    } else {
      work.shares.emplace_back();
    }
  }
  for (auto& share : work.shares) {
    if (share.transaction == nullptr) share.transaction = TRY(begin(context));
    share.transaction->connection().stop_waiting_on(context.stop);
  }
  return work;
}

void Delivery::committed(std::optional<Session> session) {
  std::lock_guard lock(mutex_);
  replace_ = false;
  if (session.has_value() && idle_.size() < kIdleSessions) idle_.push_back(*std::move(session));
}

void Delivery::forget(std::span<const uint64_t> parts) {
  std::lock_guard lock(mutex_);
  for (const uint64_t id : parts) {
    auto found = parts_.find(id);
    if (found == parts_.end()) continue;
    end(found->second.transaction);
    parts_.erase(found);
  }
}

}  // namespace sluice::postgresql
