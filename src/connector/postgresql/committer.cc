#include "connector/postgresql/committer.h"

#include "connector/postgresql/writer.h"

namespace sluice::postgresql {
namespace {

class TransactionCommitter final : public Committer {
 public:
  TransactionCommitter(const SinkSettings& settings, Delivery& delivery)
      : settings_(settings), delivery_(delivery), ledger_(ledger_of(settings)) {}

  Result<std::optional<Positions>> fence_and_load(Context& context, Generation generation) override {
    delivery_.stop();
    auto connection = TRY(settings_.target.connect_durably(context.stop));
    (void)TRY(connection->query(std::string(kBeginTransaction)));
    TRY(Ledger::create_tables(*connection));
    const Generation fence = TRY(ledger_.take_fence(*connection, generation));
    auto positions = TRY(ledger_.load(*connection));
    TRY(connection->commit());
    fence_ = fence;
    // With positions here, an earlier run of this statement has replaced the table already.
    const bool replace = settings_.one_off && settings_.if_exists == TableExists::replace && positions.empty();
    delivery_.start_anew(replace);
    return std::optional(std::move(positions));
  }

  Result<std::optional<Positions>> join_and_load(Context& context, Generation generation,
                                                 std::span<const Generation> spared) override {
    delivery_.stop();
    auto connection = TRY(settings_.target.connect_durably(context.stop));
    (void)TRY(connection->query(std::string(kBeginTransaction)));
    TRY(Ledger::create_tables(*connection));
    TRY(ledger_.share_fence(*connection, generation, spared));
    auto positions = TRY(ledger_.load(*connection));
    TRY(connection->commit());
    member_ = true;
    fence_ = generation;
    delivery_.start_anew(false);
    return std::optional(std::move(positions));
  }

  Result<void> commit(Context& context, std::span<const Prepared> prepared, const Positions& from,
                      const Positions& upto) override {
    const auto parts = TRY(parts_of(prepared));
    crash_point("postgresql.commit.before");
    auto committed = [&]() -> Result<void> {
      auto work = TRY(delivery_.take(context, parts));
      // What the server has against a row is heard before anything is committed.
      for (auto& share : work.shares) {
        for (const auto* piece : share.rest) TRY(share.transaction->add(*piece));
        TRY(share.transaction->finish_rows());
      }
      crash_point("postgresql.commit.rows");
      if (!work.complete) return must_be_here(*work.shares.front().transaction, from, upto);
      const auto steps = TRY(steps_of(work.shares, from, upto));
      for (size_t i = 0; i < steps.size(); ++i) {
        if (i > 0) crash_point("postgresql.commit.some");
        TRY(finish(context, *work.shares[i].transaction, steps[i]));
      }
      return {};
    }();
    // Whatever came of it, these rows are not sent again: after a failure they are read again.
    delivery_.forget(parts);
    TRY(std::move(committed));
    crash_point("postgresql.commit.after");
    return {};
  }

  Result<Outcome> resume(Context&, std::span<const Prepared> prepared) override {
    if (prepared.empty()) return Outcome::nothing_to_do;
    return refused(
        "{}: {} rows were in a transaction of a process that died before it was committed; a table cannot be the "
        "target "
        "of another sink's epoch: write dead letters to files",
        settings_.target.where, prepared[0].rows);
  }

  Result<void> truncate(Context& context, const TableId& table, const Positions& from, const Positions& upto) override {
    crash_point("postgresql.truncate.before");
    auto work = TRY(delivery_.take(context, {}));
    EpochTransaction& transaction = *work.shares.front().transaction;
    const TableName name = settings_.table_for(table);
    if (TRY(table_exists(transaction.connection(), name))) {
      (void)TRY(transaction.connection().query("TRUNCATE " + name.quoted()));
    }
    TRY(finish(context, transaction, {from, upto}));
    crash_point("postgresql.truncate.after");
    return {};
  }

  Result<void> discard(Context&, std::span<const Prepared> prepared) override {
    delivery_.forget(TRY(parts_of(prepared)));
    return {};
  }

 private:
  static Result<std::vector<uint64_t>> parts_of(std::span<const Prepared> prepared) {
    std::vector<uint64_t> parts;
    for (const auto& item : prepared) parts.push_back(TRY(part_of(item)));
    return parts;
  }

  // What one transaction moves.
  struct Step {
    Positions from;
    Positions upto;
  };
  // The positions of the splits that a share has rows of go with them; all others with the first share.
  [[nodiscard]] Result<std::vector<Step>> steps_of(const std::vector<Delivery::Share>& shares, const Positions& from,
                                                   const Positions& upto) const {
    std::vector<Step> steps(shares.size());
    std::map<SplitId, size_t> share_of;
    for (size_t i = 0; i < shares.size(); ++i) {
      for (const auto& split : shares[i].splits) {
        const bool is_first = share_of.emplace(split, i).second;
        if (!is_first) return bug("{}: rows of split '{}' are in two transactions", settings_.target.where, split);
      }
      // Rows without a position would come again after a crash.
      if (i > 0 && shares[i].splits.empty()) return bug("{}: rows of no split", settings_.target.where);
    }
    for (const auto& [split, position] : upto) {
      const auto found = share_of.find(split);
      Step& step = steps[found == share_of.end() ? 0 : found->second];
      step.upto[split] = position;
      if (auto before = from.find(split); before != from.end()) step.from[split] = before->second;
    }
    return steps;
  }

  // The rows are gone: not for the first time, or they never arrived.
  Result<void> must_be_here(EpochTransaction& transaction, const Positions& from, const Positions& upto) const {
    if (!TRY(decide(transaction.connection(), from, upto))) return {};
    return transient("{}: the rows of an epoch are gone with the transaction that held them", settings_.target.where);
  }

  Result<void> check_fence(Connection& connection) const {
    const Generation now = TRY(ledger_.lock_fence(connection));
    if (now == 0) {
      return refused("{}: pipeline '{}' was dropped from the target", settings_.target.where, settings_.pipeline);
    }
    if (member_) {
      if (TRY(ledger_.is_member(connection, fence_))) return {};
      // Whoever did it has looked at what this one had decided by then: this epoch is not among it.
      return transient("{}: another process of pipeline '{}' took this one for dead", settings_.target.where,
                       settings_.pipeline);
    }
    if (now == fence_) return {};
    return refused("{}: another process has taken over pipeline '{}' (generation {}; ours is {})",
                   settings_.target.where, settings_.pipeline, now, fence_);
  }

  // False: the epoch is here already. Late in the transaction, so that a successor does not wait long for the fence.
  Result<bool> decide(Connection& connection, const Positions& from, const Positions& upto) const {
    TRY(check_fence(connection));
    auto moved = ledger_.advance(connection, from, upto);
    if (moved.ok() || !member_ || moved.error().fault != Fault::refused) return moved;
    Error error = std::move(moved).error();
    error.fault = Fault::transient;  // another member has the split by now: look again
    return error;
  }

  Result<void> finish(Context& context, EpochTransaction& transaction, const Step& step) {
    if (!TRY(decide(transaction.connection(), step.from, step.upto))) return {};
    crash_point("postgresql.commit.inside");
    auto done = transaction.commit();
    if (done.ok()) {
      delivery_.committed(transaction.release());
      return {};
    }
    if (done.error().fault != Fault::outcome_unknown) return done;
    TRY(look(context, step.upto, std::move(done).error()));
    delivery_.committed(std::nullopt);
    return {};
  }

  // The connection was lost on the way: the fence's row stays locked until the server has ended that transaction.
  Result<void> look(Context& context, const Positions& upto, Error unknown) const {
    delivery_.drop_idle();
    auto connection = settings_.target.connect(context.stop);
    if (!connection.ok() || upto.empty()) return unknown;
    if (!connection.value()->query(std::string(kBeginTransaction)).ok()) return unknown;
    TRY(check_fence(**connection));
    auto held = ledger_.load(**connection);
    if (!held.ok()) return unknown;
    for (const auto& [split, position] : upto) {
      auto found = held->find(split);
      if (found != held->end() && found->second == position) continue;
      return transient("{}: the connection was lost in COMMIT, and the epoch did not happen", settings_.target.where);
    }
    context.log.info("the connection was lost in COMMIT, and the epoch did happen");
    return {};
  }

  const SinkSettings& settings_;
  Delivery& delivery_;
  const Ledger ledger_;
  Generation fence_ = 0;  // a member's own generation: the fence is but its lock, and positions are compared
  bool member_ = false;
};

}  // namespace

std::unique_ptr<Committer> create_committer(const SinkSettings& settings, Delivery& delivery) {
  return std::make_unique<TransactionCommitter>(settings, delivery);
}

Ledger ledger_of(const SinkSettings& settings) {
  const std::string table = settings.table.empty() ? "{table}" : settings.table;
  const bool has_schema = table.find('.') != std::string::npos;
  return {settings.pipeline, has_schema ? table : settings.schema + "." + table};
}

}  // namespace sluice::postgresql
