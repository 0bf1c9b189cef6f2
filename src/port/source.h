// The source contract (DataSource of the seed). One Source serves one pipeline; flow calls its methods from one thread
// at a time, except that readers run on lanes' threads and tick() on flow's timer thread.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "port/context.h"
#include "port/event.h"
#include "port/group_offsets.h"
#include "port/pushdown.h"
#include "port/rate_limit.h"

namespace sluice {

struct Split {
  SplitId id;
  int64_t bytes = 0;   // estimate, for balancing and for progress; 0: unknown
  std::string detail;  // the source's own; flow hands it back untouched
  // Goes on for ever (a partition, a replication slot): lanes share such splits out, each has a reader of its own, and
  // one lane may read several side by side.
  bool endless = false;
};

// What changed since the last poll_splits.
struct SplitEvents {
  std::vector<Split> added;
  // Where splits begin that have no durable position: durable with the next epoch, whatever is read by then, so that
  // `latest` or a time of day means the same after a crash. Also of splits with nothing to read.
  Positions beginnings;
  std::vector<SplitId> revoked;  // stop reading, commit what was read, then call released()
  std::vector<SplitId> lost;     // somebody else has them already: drop what is not committed
  // Seen while looking for work (a file with a new column): what was read before it is committed, then the schema is
  // adopted and start() called again; only then is the work that needs it to be added.
  std::optional<SchemaChange> schema_change;
  bool finished = false;  // no split will ever be added again (bounded source, all listed)
};

struct SourceTraits {
  bool streaming = false;  // can go on after what is there now has been read
  bool batch = true;       // can read what is there now and end
  bool replayable = true;  // reading again from a Position gives the same rows: what exactly-once needs
  std::string not_replayable_because;
  bool ordered_within_split = true;
  // The rows are those of one moment, which cannot be had again after a restart: they are delivered as one epoch, all
  // or none of them.
  bool one_snapshot = false;
  // Some splits' positions may become durable without those of others that were read beside them: each says by itself
  // where its split goes on. False where a position stands for more, as the first one of all does for "it has begun".
  bool splits_stand_alone = false;
  bool changes = false;  // rows carry _op
  // Several processes may run this pipeline; the source hands splits out among them, by poll_splits(). start() and
  // settle() then name positions of splits that others read as well: those are none of this process's business.
  bool shares_work = false;
};

class Reader {
 public:
  virtual ~Reader() = default;
  // The next event, or Idle at the deadline. Never blocks past it by more than a second. Rows come in the order of
  // their splits; their schema is the one of plan(), whatever the file had.
  virtual Result<Event> next(Context& context, Deadline deadline) = 0;
};

class Source {
 public:
  virtual ~Source() = default;

  [[nodiscard]] virtual SourceTraits traits() const = 0;
  [[nodiscard]] bool supports_streaming() const { return traits().streaming; }
  [[nodiscard]] bool supports_batch() const { return traits().batch; }

  // The full schema, before projection. May sample data; cached by the source.
  virtual Result<SchemaPtr> fetch_schema(Context& context) = 0;
  // A source of several tables in one stream: each with its full schema, and Rows::table says whose rows they are.
  // fetch_schema() and plan() are not called then. Empty (the default): one table.
  struct Table {
    TableId id;
    SchemaPtr schema;
  };
  virtual Result<std::vector<Table>> fetch_tables(Context& context);
  // The schema that flow follows from now on: a change this source reported, or (without `before`) what an earlier run
  // had come to, which may know columns that a sample of today does not show. Returns the full schema to plan with.
  // Called while no reader exists; plan() or plan_table(), then start() follow.
  virtual Result<SchemaPtr> adopt_schema(Context& context, const SchemaChange& change);

  // Says what of `request` will be applied, and the schema that rows will have with it. Called before start(), and
  // again after adopt_schema(); the last request holds for every reader.
  struct Planned {
    SchemaPtr schema;
    Pushed pushed;
  };
  virtual Result<Planned> plan(Context& context, const ReadRequest& request) = 0;
  virtual Result<Planned> plan_table(Context& context, const TableId& table, const ReadRequest& request);

  // Called before poll_splits with the durable positions: what is finished is not added again, what is partly read is
  // added and resumed. A position that cannot be resumed (file replaced, slot lost) is an error that says so.
  // Called again, while no reader exists, when flow begins anew from the durable positions without the process ending:
  // after a schema change, a TRUNCATE, splits that were revoked or lost, and a transient failure. Everything that was
  // added then counts as never handed out, and what was revoked as released, be it that a failure came before
  // released(); connections that failed are made anew.
  virtual Result<void> start(Context& context, const Positions& durable) = 0;
  // New work. Returns at once, or waits up to `deadline` when there is nothing (streaming).
  virtual Result<SplitEvents> poll_splits(Context& context, Deadline deadline) = 0;
  // A reader over one or several splits, in that order: small files share batches. Thread-safe.
  virtual Result<std::unique_ptr<Reader>> create_reader(Context& context, std::span<const Split> splits) = 0;
  // `durable` is delivered: advance the slot, commit offsets, delete or move the file. At each start() all positions
  // there are, after a commit those that moved. Idempotent; called again after a restart with the same positions.
  virtual Result<void> settle(Context& context, const Positions& durable);
  // A revoked split: nobody reads it any more and all that was read of it is durable and settled. Let go of it.
  virtual Result<void> released(Context& context, const SplitId& split);
  // Keepalives, leases, poll deadlines: from a timer thread, about every 500 ms, also while lanes are busy, an epoch is
  // being committed or the pipeline waits before it tries again.
  virtual void tick(Context& context);
  // Removes what the pipeline left at the source (slot, publication, group) for `sluice drop`.
  virtual Result<void> drop(Context& context);
  // Null: its positions cannot be kept by a consumer group. Asked before start().
  [[nodiscard]] virtual GroupOffsets* group_offsets() { return nullptr; }
  // Positions for `reset --to earliest|latest|POSITION`. What the source keeps of its own beside them (a group's
  // offsets) moves along.
  virtual Result<Positions> resolve_position(Context& context, const std::string& text);

  // Null: as fast as it goes. Whoever reads shapes its ReadRequest by it and uses create_paced_reader().
  [[nodiscard]] RateLimit* rate_limit() const { return rate_limit_.get(); }
  void set_rate_limit(std::unique_ptr<RateLimit> limit) { rate_limit_ = std::move(limit); }

 private:
  std::unique_ptr<RateLimit> rate_limit_;
};

}  // namespace sluice
