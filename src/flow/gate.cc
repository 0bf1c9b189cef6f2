#include "flow/gate.h"

namespace sluice {

bool EpochGate::cut_wanted(Epoch held) const {
  std::lock_guard lock(mutex_);
  return held <= cut_;
}

void EpochGate::hand_in(LanePart part) {
  {
    std::lock_guard lock(mutex_);
    parts_.push_back(std::move(part));
    signalled_ = true;
  }
  changed_.notify_all();
}

void EpochGate::give_up(LanePart part) {
  std::lock_guard lock(mutex_);
  given_up_.push_back(std::move(part));
}

void EpochGate::fail(Error error) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;  // the outcome stands: what a thread says while it is being stopped no longer counts
    // A cancellation is the echo of somebody else's error or of a stop; the cause is worth more.
    if (!error_.has_value() || (error_->fault == Fault::cancelled && error.fault != Fault::cancelled)) {
      error_ = std::move(error);
    }
    signalled_ = true;
  }
  changed_.notify_all();
}

void EpochGate::ask_for_cut() {
  {
    std::lock_guard lock(mutex_);
    state_.cut_asked = true;
    signalled_ = true;
  }
  changed_.notify_all();
}

void EpochGate::ask_for_break(SchemaChange change) {
  {
    std::lock_guard lock(mutex_);
    if (!break_.has_value()) break_.emplace();
    if (!break_->truncate.has_value() && !break_->schema_change.has_value()) break_->schema_change = std::move(change);
    signalled_ = true;
  }
  changed_.notify_all();
}

void EpochGate::ask_for_break(Truncate truncate) {
  {
    std::lock_guard lock(mutex_);
    if (!break_.has_value()) break_.emplace();
    if (!break_->truncate.has_value() && !break_->schema_change.has_value()) break_->truncate = std::move(truncate);
    signalled_ = true;
  }
  changed_.notify_all();
}

void EpochGate::ask_for_break(std::vector<SplitId> revoked, std::vector<SplitId> lost) {
  {
    std::lock_guard lock(mutex_);
    if (!break_.has_value()) break_.emplace();
    std::move(revoked.begin(), revoked.end(), std::back_inserter(break_->revoked));
    std::move(lost.begin(), lost.end(), std::back_inserter(break_->lost));
    signalled_ = true;
  }
  changed_.notify_all();
}

void EpochGate::ask_for_hand_over() {
  {
    std::lock_guard lock(mutex_);
    if (!break_.has_value()) break_.emplace();
    break_->handed_over = true;
    signalled_ = true;
  }
  changed_.notify_all();
}

void EpochGate::note_beginnings(const Positions& beginnings) {
  if (beginnings.empty()) return;
  std::lock_guard lock(mutex_);
  for (const auto& [split, position] : beginnings) beginnings_[split] = position;
  state_.pending = true;
}

Positions EpochGate::take_beginnings() {
  std::lock_guard lock(mutex_);
  return std::exchange(beginnings_, {});
}

bool EpochGate::breaking() const {
  std::lock_guard lock(mutex_);
  return break_.has_value();
}

bool EpochGate::lost_splits() const {
  std::lock_guard lock(mutex_);
  return break_.has_value() && !break_->lost.empty();
}

std::optional<Break> EpochGate::take_break() {
  std::lock_guard lock(mutex_);
  return std::exchange(break_, std::nullopt);
}

void EpochGate::note(bool pending) {
  std::lock_guard lock(mutex_);
  state_.pending = state_.pending || pending;
}

void EpochGate::note_rows(int64_t rows, int64_t bytes) {
  std::lock_guard lock(mutex_);
  state_.rows += rows;
  state_.bytes += bytes;
  state_.pending = true;
}

bool EpochGate::closed() const {
  std::lock_guard lock(mutex_);
  return closed_ || error_.has_value();
}

void EpochGate::open_cut(Epoch epoch) {
  std::lock_guard lock(mutex_);
  cut_ = epoch;
  state_ = {};
}

std::optional<std::vector<LanePart>> EpochGate::collect(Deadline deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline,
                      [&] { return parts_.size() == static_cast<size_t>(lanes_) || error_.has_value(); });
  if (parts_.size() != static_cast<size_t>(lanes_)) return std::nullopt;
  return std::exchange(parts_, {});
}

std::vector<LanePart> EpochGate::take_unfinished() {
  std::lock_guard lock(mutex_);
  auto unfinished = std::exchange(parts_, {});
  for (auto& part : std::exchange(given_up_, {})) unfinished.push_back(std::move(part));
  return unfinished;
}

EpochGate::State EpochGate::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

std::optional<Error> EpochGate::error() const {
  std::lock_guard lock(mutex_);
  return error_;
}

void EpochGate::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    signalled_ = true;
  }
  changed_.notify_all();
}

void EpochGate::wait(Deadline deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return signalled_; });
  signalled_ = false;
}

}  // namespace sluice
