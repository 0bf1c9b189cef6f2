#include "connector/file/gathering.h"

#include <algorithm>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "batch/arrow_result.h"

namespace sluice::file {
namespace {

// Flow asks all lanes at once and none is deaf for longer than a batch takes.
constexpr Millis kPatience{200};
// A partition of more than this is handed out piece by piece.
constexpr int64_t kAtOnceBytes = 4 << 20;

}  // namespace

Gathering::Seat::Seat(Gathering& gathering) : gathering_(gathering) {
  std::lock_guard lock(gathering_.mutex_);
  gathering_.seats_.push_back(this);
}

Gathering::Seat::~Seat() {
  {
    std::lock_guard lock(gathering_.mutex_);
    std::erase(gathering_.seats_, this);
    std::erase(gathering_.round_.seats, this);
  }
  gathering_.changed_.notify_all();
}

void Gathering::Seat::hold(PartitionBuffer* buffer, const std::string& table, const FirstRow& first) {
  std::lock_guard lock(gathering_.mutex_);
  buffer_ = buffer;
  table_ = table;
  first_ = first;
}

void Gathering::Seat::release() {
  {
    std::lock_guard lock(gathering_.mutex_);
    buffer_ = nullptr;
  }
  gathering_.changed_.notify_all();
}

PartitionId Gathering::number_of(const std::string& folder) {
  std::lock_guard lock(names_mutex_);
  auto [entry, added] = numbers_.try_emplace(folder, static_cast<PartitionId>(numbers_.size()));
  if (added) folders_.push_back(&entry->first);
  return entry->second;
}

const std::string& Gathering::folder(PartitionId partition) const {
  std::lock_guard lock(names_mutex_);
  return *folders_[partition];
}

Result<void> Gathering::meet(Context& context, Seat& seat, Epoch epoch, Lock& lock) {
  seat.arrived_ = epoch;
  changed_.notify_all();
  auto all_here = [&] {
    return round_.epoch == epoch || std::all_of(seats_.begin(), seats_.end(), [&](const Seat* other) {
             return other->buffer_ == nullptr || other->arrived_ == epoch;
           });
  };
  changed_.wait_for(lock, context.stop, kPatience, all_here);
  if (context.stop.stop_requested()) return cancelled();
  if (round_.epoch != epoch) begin_round(epoch);
  return {};
}

void Gathering::begin_round(Epoch epoch) {
  round_ = {};
  round_.epoch = epoch;
  for (Seat* seat : seats_) {
    if (seat->buffer_ == nullptr || seat->arrived_ != epoch) continue;
    if (!round_.seats.empty() && !round_.seats[0]->buffer_->schema()->Equals(*seat->buffer_->schema())) continue;
    round_.seats.push_back(seat);
  }
  std::lock_guard names(names_mutex_);
  round_.end = static_cast<PartitionId>(folders_.size());
  changed_.notify_all();
}

void Gathering::end_round() {
  for (Seat* seat : round_.seats) {
    seat->buffer_->clear();
    seat->buffer_ = nullptr;
  }
  round_.seats.clear();
  round_.next = round_.end;
}

// Unlocks while it writes, unless the rows have to be read piece by piece.
Result<void> Gathering::write_next(const Hand& hand, Lock& lock) {
  PartitionId id = round_.next++;
  int64_t bytes = 0;
  for (const Seat* seat : round_.seats) bytes += seat->buffer_->bytes_of(id);
  if (bytes == 0) return {};
  if (bytes > kAtOnceBytes) {
    for (Seat* seat : round_.seats) TRY(seat->buffer_->take(id, hand.write));
    return hand.finish(id);
  }
  std::vector<BatchPtr> rows;
  for (Seat* seat : round_.seats) TRY(seat->buffer_->slices_of(id, rows));
  lock.unlock();
  auto written = [&]() -> Result<void> {
    auto joined = rows.size() == 1 ? rows[0] : TRY(to_result(arrow::ConcatenateRecordBatches(rows)));
    rows.clear();
    TRY(hand.write(id, joined));
    return hand.finish(id);
  }();
  lock.lock();
  return written;
}

Result<bool> Gathering::write_together(Context& context, Seat& seat, Epoch epoch, const Hand& hand) {
  Lock lock(mutex_);
  if (round_.epoch != epoch) {
    auto met = meet(context, seat, epoch, lock);
    seat.arrived_.reset();
    TRY(std::move(met));
  }
  bool mine =
      seat.buffer_ == nullptr || std::find(round_.seats.begin(), round_.seats.end(), &seat) != round_.seats.end();
  if (!round_.seats.empty()) hand.begin(round_.seats[0]->table_, round_.seats[0]->first_);
  while (round_.epoch == epoch && round_.next < round_.end && !round_.seats.empty()) {
    auto written = write_next(hand, lock);
    if (written.ok()) continue;
    // The epoch fails with it: the others need not go on, and no longer look at this lane's rows.
    end_round();
    return std::move(written).error();
  }
  end_round();
  return mine;
}

}  // namespace sluice::file
