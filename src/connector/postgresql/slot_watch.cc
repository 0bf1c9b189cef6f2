#include "connector/postgresql/slot_watch.h"

#include "connector/postgresql/slot.h"

namespace sluice::postgresql {
namespace {

constexpr std::chrono::seconds kLookInterval{10};

}  // namespace

void SlotWatch::tick(Context& context) {
  const auto now = context.clock.steady();
  const bool look_due = now - looked_at_ >= kLookInterval;
  const bool beat_due = settings_.heartbeat.count() > 0 && now - beaten_at_ >= settings_.heartbeat;
  if (!look_due && !beat_due) return;
  const auto work = [&]() -> Result<void> {
    if (connection_ == nullptr || !connection_->alive()) connection_ = TRY(settings_.target.connect(context.stop));
    if (beat_due) TRY(beat());
    if (look_due) TRY(look(context));
    return {};
  };
  auto done = work();
  if (beat_due) beaten_at_ = now;
  if (look_due) looked_at_ = now;
  if (done.ok()) {
    complained_ = false;
    return;
  }
  connection_.reset();
  if (std::exchange(complained_, true) || done.error().fault == Fault::cancelled) return;
  context.log.warn("cannot look after the replication slot", {{"error", done.error().message()}});
}

// Not transactional: it needs no commit and no table, and the walsender passes it on at once.
Result<void> SlotWatch::beat() {
  TRY(connection_->query("SELECT pg_catalog.pg_logical_emit_message(false, 'sluice', 'heartbeat')"));
  return {};
}

Result<void> SlotWatch::look(Context& context) {
  const auto slot = TRY(find_slot(*connection_, settings_.slot));
  if (!slot) return {};
  const Labels labels = {{"pipeline", context.pipeline}, {"slot", settings_.slot}};
  const auto set = [&](const char* name, const char* help, int64_t value) {
    context.metrics.gauge(name, help, labels).set(value);
  };
  set("sluice_postgresql_slot_lag_bytes", "Log that the server has written and the pipeline has not confirmed.",
      static_cast<int64_t>(slot->current_lsn - std::min(slot->current_lsn, slot->confirmed_lsn)));
  set("sluice_postgresql_slot_retained_bytes", "Log that the server keeps for the slot.",
      static_cast<int64_t>(slot->current_lsn - std::min(slot->current_lsn, slot->restart_lsn)));
  set("sluice_postgresql_slot_safe_wal_bytes",
      "Log that may still be written before the slot is lost; -1: no limit is set.", slot->safe_wal_bytes.value_or(-1));
  for (const char* status : {"reserved", "extended", "unreserved", "lost"}) {
    Labels with_status = labels;
    with_status.emplace_back("status", status);
    context.metrics.gauge("sluice_postgresql_slot_wal_status", "1 for the slot's wal_status.", with_status)
        .set(slot->wal_status == status ? 1 : 0);
  }
  const bool in_danger = slot->wal_status == "unreserved";
  if (in_danger && !warned_) {
    context.log.warn("the slot is about to lose log that is not read yet: raise max_slot_wal_keep_size",
                     {{"slot", settings_.slot}});
  }
  warned_ = in_danger;
  return {};
}

}  // namespace sluice::postgresql
