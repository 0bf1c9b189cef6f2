#include "state/postgresql/postgresql_coordinator.h"

#include <utility>

#include "options/location.h"
#include "port/context.h"
#include "state/postgresql/store_link.h"
#include "state/postgresql/tables.h"

namespace sluice {
namespace {

using postgres::Connection;
using state::StateTables;
using state::StoreLink;

// The server notices a dead client by reading from its connection: soon, not at once.
constexpr Millis kNoticing{500};
constexpr Millis kNoticingPause{25};
// Members number their epochs from generation × this on.
constexpr Epoch kEpochsOfMember = Epoch{1} << 32;

class PostgresqlCoordinator final : public Coordinator {
 public:
  explicit PostgresqlCoordinator(std::unique_ptr<StoreLink> link) : link_(std::move(link)) {}

  Result<std::vector<PipelineRecord>> list() override;
  Result<std::optional<PipelineRecord>> load(const std::string& name) override;
  Result<void> define(const Lease& lease, const PipelineRecord& record) override;
  Result<Lease> acquire(const std::string& pipeline, const std::string& owner) override {
    return take(pipeline, owner, false);
  }
  Result<Lease> join(const std::string& pipeline, const std::string& owner) override {
    return take(pipeline, owner, true);
  }
  Result<std::vector<Intent>> take_over(const Lease& lease) override;
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
  Result<Lease> take(const std::string& pipeline, const std::string& owner, bool member);
  // The pipeline's row, locked, when `lease` is still there; called first in each write.
  Result<StateTables::LeaseRow> held(StateTables& tables, const Lease& lease) const;
  Result<void> check_swap(StateTables& tables, const Lease& lease, const Intent& intent) const;
  // One transaction under the lease.
  template <typename Change>
  Result<void> change(const Lease& lease, Change change);
  // One transaction on a pipeline that nobody runs.
  template <typename Change>
  Result<void> seize(const std::string& name, std::string_view doing, Change change);
  // Until nobody who might be dead is in the way any more: `attempt` says who still is.
  template <typename Attempt>
  Result<std::optional<std::string>> patiently(Attempt attempt);

  std::unique_ptr<StoreLink> link_;
};

Result<StateTables::LeaseRow> PostgresqlCoordinator::held(StateTables& tables, const Lease& lease) const {
  auto pipeline = TRY(tables.lock());
  if (!pipeline.has_value()) return refused("pipeline '{}' is not in {}", lease.pipeline, link_->where());
  auto row = TRY(tables.lease_of(lease.generation));
  if (row.has_value()) return std::move(*row);
  if (lease.member) {
    return transient("this process was taken for dead, and another has taken over its part of pipeline '{}'",
                     lease.pipeline);
  }
  if (pipeline->generation != lease.generation) {
    return refused("another process has taken over pipeline '{}' (generation {}; ours is {})", lease.pipeline,
                   pipeline->generation, lease.generation);
  }
  return refused("the lease of pipeline '{}' has been given back, or has run out", lease.pipeline);
}

template <typename Change>
Result<void> PostgresqlCoordinator::change(const Lease& lease, Change change) {
  return link_->write([&](Connection& connection) -> Result<void> {
    StateTables tables(connection, lease.pipeline);
    (void)TRY(held(tables, lease));
    return change(tables);
  });
}

template <typename Attempt>
Result<std::optional<std::string>> PostgresqlCoordinator::patiently(Attempt attempt) {
  const SteadyTime give_up = link_->clock().steady() + kNoticing;
  while (true) {
    std::optional<std::string> holder;
    TRY(link_->write([&](Connection& connection) -> Result<void> {
      holder.reset();
      return attempt(connection, holder);
    }));
    if (!holder.has_value() || link_->clock().steady() >= give_up) return holder;
    if (!link_->clock().sleep(kNoticingPause, link_->stop())) return cancelled();
  }
}

Result<std::vector<PipelineRecord>> PostgresqlCoordinator::list() {
  std::vector<PipelineRecord> found;
  TRY(link_->read([&](Connection& connection) -> Result<void> {
    found.clear();
    for (const auto& name : TRY(StateTables::names(connection))) {
      if (auto record = TRY(StateTables(connection, name).record())) found.push_back(std::move(*record));
    }
    return {};
  }));
  return found;
}

Result<std::optional<PipelineRecord>> PostgresqlCoordinator::load(const std::string& name) {
  std::optional<PipelineRecord> found;
  TRY(link_->read([&](Connection& connection) -> Result<void> {
    found = TRY(StateTables(connection, name).record());
    return {};
  }));
  return found;
}

Result<void> PostgresqlCoordinator::define(const Lease& lease, const PipelineRecord& record) {
  return change(lease, [&](StateTables& tables) -> Result<void> {
    auto pipeline = TRY(tables.lock());
    for (const auto& other : TRY(tables.living())) {
      const bool same = !pipeline->defined || pipeline->definition == record.definition;
      if (same || other.lease.generation == lease.generation) continue;
      return user_error(
          "pipeline '{}' is running with another definition ({}): stop it everywhere, then start the new one\n  - {}\n "
          " "
          "+ {}",
          lease.pipeline, other.lease.owner, pipeline->definition, record.definition);
    }
    return tables.define(record);
  });
}

Result<Lease> PostgresqlCoordinator::take(const std::string& pipeline, const std::string& owner, bool member) {
  if (pipeline.empty()) return bug("a pipeline without a name cannot be leased");
  Lease lease{pipeline, 0, owner, member, 0};
  int64_t id = 0;
  auto holder = TRY(patiently([&](Connection& connection, std::optional<std::string>& in_the_way) -> Result<void> {
    if (id != 0) link_->let_go(std::exchange(id, 0));  // of an attempt that did not happen
    StateTables tables(connection, pipeline);
    TRY(tables.create());
    auto row = TRY(tables.lock());
    CHECK(row.has_value());
    TRY(tables.bury());
    for (const auto& other : TRY(tables.living())) {
      if (!member || !other.lease.member) in_the_way = other.lease.owner;
    }
    if (in_the_way.has_value()) return {};
    lease.generation = row->generation + 1;
    lease.last_epoch = member ? lease.generation * kEpochsOfMember : row->last_epoch;
    TRY(tables.set_generation(lease.generation));
    id = TRY(tables.add_lease(lease));
    return link_->hold(connection, id);
  }));
  if (!holder.has_value()) return lease;
  return transient("pipeline '{}' is already running ({}); stop that process first", pipeline, *holder);
}

Result<std::vector<Intent>> PostgresqlCoordinator::take_over(const Lease& lease) {
  std::vector<Intent> found;
  TRY(change(lease, [&](StateTables& tables) -> Result<void> {
    TRY(tables.bury());
    TRY(tables.adopt_intents(lease.generation));
    found = TRY(tables.intents(lease.generation));
    return {};
  }));
  return found;
}

Result<void> PostgresqlCoordinator::renew(const Lease& lease) {
  return link_->write([&](Connection& connection) -> Result<void> {
    StateTables tables(connection, lease.pipeline);
    TRY(link_->refresh_locks(connection));
    if (TRY(tables.renew(lease.generation))) return {};
    (void)TRY(held(tables, lease));  // says what became of it
    return {};
  });
}

Result<void> PostgresqlCoordinator::release(const Lease& lease) {
  int64_t id = 0;
  TRY(link_->write([&](Connection& connection) -> Result<void> {
    StateTables tables(connection, lease.pipeline);
    id = TRY(held(tables, lease)).id;
    return tables.end_lease(lease.generation);
  }));
  link_->let_go(id);
  return {};
}

// A member's own splits may have gone to another meanwhile: whoever moves one first wins, the other looks again.
Result<void> PostgresqlCoordinator::check_swap(StateTables& tables, const Lease& lease, const Intent& intent) const {
  if (auto split = TRY(tables.pending(intent.upto))) {
    return transient("another process of pipeline '{}' is still delivering split '{}'", lease.pipeline, *split);
  }
  if (intent.conditional) return {};  // the target compares
  const Positions now = TRY(tables.positions_of(intent.upto));
  for (const auto& [split, position] : intent.upto) {
    auto stands = now.find(split);
    auto expected = intent.from.find(split);
    const bool same = stands == now.end() || expected == intent.from.end()
                          ? (stands == now.end()) == (expected == intent.from.end())
                          : stands->second == expected->second;
    if (same) continue;
    return transient("another process of pipeline '{}' has moved split '{}'", lease.pipeline, split);
  }
  return {};
}

Result<void> PostgresqlCoordinator::save_intent(const Lease& lease, const Intent& intent) {
  crash_point("state.intent.before");
  TRY(change(lease, [&](StateTables& tables) -> Result<void> {
    if (TRY(tables.owner_of(intent.epoch)).has_value()) {
      return bug("epoch {} of pipeline '{}' has been decided before", intent.epoch, lease.pipeline);
    }
    if (lease.member) TRY(check_swap(tables, lease, intent));
    TRY(tables.add_intent(intent));
    TRY(tables.note_epoch(lease, intent.epoch));
    return lease.member ? Result<void>() : tables.count(lease, intent.epoch, 0, 0, 0);
  }));
  crash_point("state.intent.after");
  return {};
}

Result<void> PostgresqlCoordinator::finish(const Lease& lease, Epoch epoch, const Positions& upto, int64_t rows,
                                           int64_t bytes, int64_t dead_rows) {
  crash_point("state.finish.before");
  TRY(change(lease, [&](StateTables& tables) -> Result<void> {
    const auto owner = TRY(tables.owner_of(epoch));
    if (lease.member && owner.has_value() && *owner != lease.generation) {
      return refused("another process of pipeline '{}' has completed epoch {}", lease.pipeline, epoch);
    }
    TRY(tables.apply_intent(epoch));
    TRY(tables.advance(upto));
    // An epoch that was taken over has another owner's number.
    const bool own = !lease.member || epoch / kEpochsOfMember == lease.generation;
    if (own) TRY(tables.note_epoch(lease, epoch));
    return tables.count(lease, epoch, rows, bytes, dead_rows);
  }));
  crash_point("state.finish.after");
  return {};
}

Result<void> PostgresqlCoordinator::forget_intent(const Lease& lease, Epoch epoch) {
  return change(lease, [&](StateTables& tables) { return tables.remove_intent(epoch); });
}

Result<void> PostgresqlCoordinator::set_finished(const Lease& lease, bool finished) {
  return change(lease, [&](StateTables& tables) { return tables.set_finished(finished); });
}

Result<void> PostgresqlCoordinator::set_error(const Lease& lease, const std::string& message) {
  return change(lease, [&](StateTables& tables) { return tables.set_error(message); });
}

Result<void> PostgresqlCoordinator::save_schema(const Lease& lease, const FollowedSchema& schema) {
  return change(lease, [&](StateTables& tables) { return tables.save_schema(schema); });
}

template <typename Change>
Result<void> PostgresqlCoordinator::seize(const std::string& name, std::string_view doing, Change change) {
  auto holder = TRY(patiently([&](Connection& connection, std::optional<std::string>& in_the_way) -> Result<void> {
    StateTables tables(connection, name);
    auto row = TRY(tables.lock());
    if (!row.has_value() || !row->defined) return user_error("there is no pipeline '{}' in {}", name, link_->where());
    TRY(tables.bury());
    for (const auto& other : TRY(tables.living())) in_the_way = other.lease.owner;
    if (in_the_way.has_value()) return {};
    TRY(tables.set_generation(row->generation + 1));
    return change(tables);
  }));
  if (!holder.has_value()) return {};
  return refused("cannot {} pipeline '{}' while it is running ({}); stop it first", doing, name, *holder);
}

Result<void> PostgresqlCoordinator::reset(const std::string& name, const Positions& positions) {
  return seize(name, "reset", [&](StateTables& tables) -> Result<void> {
    if (TRY(tables.has_intents())) {
      return refused(
          "pipeline '{}' has a decided epoch that is not finished; run it once so that it completes, then reset it",
          name);
    }
    TRY(tables.replace_positions(positions));
    return tables.forget_schemas();
  });
}

Result<void> PostgresqlCoordinator::drop(const std::string& name) {
  return seize(name, "drop", [&](StateTables& tables) { return tables.erase(); });
}

}  // namespace

Result<std::unique_ptr<Coordinator>> open_postgresql_coordinator(std::string_view text, Clock& clock,
                                                                 std::stop_token stop) {
  const Location location = TRY(parse_location(text, "postgresql").while_doing("reading where the state store is"));
  auto options = TRY(
      OptionValues::parse("the state store", postgres::connection_option_specs(), OptionScope::both, location.params));
  return std::make_unique<PostgresqlCoordinator>(
      TRY(StoreLink::open(postgres::target_of(location, options, "state"), clock, std::move(stop))
              .while_doing("opening the state store")));
}

}  // namespace sluice
