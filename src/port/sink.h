// The sink contract (DataSink of the seed). A Sink serves one pipeline; each lane has its own Writer, the pipeline has
// one Committer, called from flow's commit thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "port/context.h"
#include "port/event.h"
#include "port/group_offsets.h"

namespace sluice {

// Where the decision "this epoch happened" is taken; see docs/decisions and flow/commit.h.
enum class Decision {
  journal,  // the Coordinator's transaction decides, the sink then completes what was prepared (files, S3)
  target,   // the sink's own transaction holds rows and positions (PostgreSQL, Kafka, SQLite)
  none,     // nothing durable (terminal, null): no recovery
};

struct SinkTraits {
  Decision decision = Decision::journal;
  bool transactions = false;
  bool upsert = false;
  bool single_writer = false;         // one writer and one epoch for the whole run: an exact file name, a terminal
  bool truncate = false;              // Committer::truncate works
  bool many_tables = false;           // rows of several tables: its location names the table each goes to
  bool several_processes = false;     // Committer::join_and_load works: members of one pipeline may write beside others
  std::string at_least_once_because;  // empty: exactly-once is possible
};

// Describes a prepared part of an epoch completely: resume() needs nothing else, no writer and no schema.
struct Prepared {
  std::string payload;  // the sink's own JSON
  int64_t rows = 0;
  int64_t bytes = 0;
  int64_t objects = 0;  // files, blocks: for the closing summary
};

struct WriteAck {
  std::vector<Reject> rejects;  // rows of this batch the sink refuses; the others are taken
  bool wants_cut = false;       // buffers are full or a file should be published: end the epoch soon
};

struct WriterId {
  std::string pipeline;
  int lane = 0;
  Generation generation = 0;
  TableId table;                 // whose rows this writer takes, where the source has several; else empty: all
  Epoch epoch = 1;               // the one its first rows belong to
  bool collect_rejects = false;  // there are dead letters: find the rows that fail, rather than fail the epoch
  // An epoch may be several transactions, each with the rows of some splits and their positions.
  bool splits_stand_alone = false;
};

class Writer {
 public:
  virtual ~Writer() = default;
  // Takes the rows, in order. `rows.progress` names what they came from: file names derive from it. May block for
  // backpressure. An error here fails the epoch; nothing of it becomes visible.
  virtual Result<WriteAck> write(Context& context, const Rows& rows) = 0;
  // Called between batches and when idle: rotation by age, flushing. Says when it wants the epoch cut.
  virtual Result<WriteAck> tick(Context& context);
  // Ends the epoch in this lane: everything written is durable or spooled, nothing is visible. Empty when nothing was
  // written. The writer then starts the next epoch, while this one is being committed.
  virtual Result<std::vector<Prepared>> prepare(Context& context, Epoch epoch) = 0;
};

// What resume() found.
enum class Outcome { completed, nothing_to_do };

class Committer {
 public:
  virtual ~Committer() = default;
  // Fences every older generation first, then looks. Target-decided sinks return the positions they hold, which win
  // over the state store's; journal-decided ones return nullopt.
  virtual Result<std::optional<Positions>> fence_and_load(Context& context, Generation generation) = 0;
  // SinkTraits::several_processes: as one of several members of a pipeline. What the generations in `spared` (sorted)
  // have prepared is left alone: they live, or another member completes it. Target-decided: any other member is shut
  // out before positions are looked at, so that it decides nothing afterwards; among the living, commit()'s
  // compare-and-swap on each split's position stops a member whose split another has by now. Both are then
  // Fault::transient.
  virtual Result<std::optional<Positions>> join_and_load(Context& context, Generation generation,
                                                         std::span<const Generation> spared);
  // Journal-decided: called after the intent is saved; makes everything visible; idempotent, goes forward only.
  // Target-decided: one transaction with rows and `upto`, compare-and-swap on `from`; Fault::refused when fenced off.
  // Where WriterId::splits_stand_alone was said it may be several, each with the rows of some splits and their
  // positions: after an error, fence_and_load() says how far each split has come.
  virtual Result<void> commit(Context& context, std::span<const Prepared> prepared, const Positions& from,
                              const Positions& upto) = 0;
  // In place of commit() for an epoch, prepared by every lane, in which there was nothing, not even a position.
  virtual void skip(Epoch) {}
  // Journal-decided: completes an intent of a dead process from its description alone. Data that perished is
  // Fault::refused with what is missing.
  virtual Result<Outcome> resume(Context& context, std::span<const Prepared> prepared) = 0;
  // SinkTraits::truncate: removes all rows of `table`. Everything before it is committed, nothing behind it is written
  // yet. Target-decided: in one transaction with `upto`, compare-and-swap on `from`, as commit(). Journal-decided:
  // called before the positions are saved; a second call, after a crash between the two, finds nothing to remove.
  virtual Result<void> truncate(Context& context, const TableId& table, const Positions& from, const Positions& upto);
  // The epoch ends now: called before any writer is asked for its part of it, also where no writer has one.
  virtual void cut(Epoch) {}
  // Prepared but never decided: remove. Also sweeps leftovers of this pipeline's older generations when `prepared` is
  // empty (called once after fence_and_load).
  virtual Result<void> discard(Context& context, std::span<const Prepared> prepared) = 0;
  // A member that joined goes: all it prepared is committed or discarded, and nothing follows. Others need not shut it
  // out where it says so at the target; they do, as after a crash, where it did not.
  virtual Result<void> leave(Context& context);
};

class Sink {
 public:
  virtual ~Sink() = default;
  [[nodiscard]] virtual SinkTraits traits() const = 0;
  [[nodiscard]] bool supports_transactions() const { return traits().transactions; }
  [[nodiscard]] bool supports_upsert() const { return traits().upsert; }

  // Can rows of this schema be written? Names the column and type that cannot.
  virtual Result<void> validate_schema(Context& context, const arrow::Schema& schema) = 0;
  // For `sluice check`: reachable, writable, permitted. Leaves nothing behind.
  virtual Result<void> probe(Context& context) = 0;
  // Creates what has to exist before the first row (folder, table), honouring if_exists for unnamed statements.
  virtual Result<void> open(Context& context, const arrow::Schema& schema, bool resumed) = 0;
  // The same for one of several tables (SinkTraits::many_tables).
  virtual Result<void> open_table(Context& context, const TableId& table, const arrow::Schema& schema, bool resumed);
  // The rows that follow have another schema: `before` (null: a new table) and `after` are those of the rows that
  // writers get, behind the SQL. Between epochs: everything written is committed, writers are created anew afterwards.
  // Idempotent: called again after a crash, also before open(), and then for a table that already is as `after` says.
  virtual Result<void> evolve(Context& context, const SchemaChange& change);
  // Before create_committer(): a sink on the same cluster keeps positions as these offsets. Lives as long as the sink.
  virtual void keep_positions_in(GroupOffsets&) {}
  virtual Result<std::unique_ptr<Writer>> create_writer(Context& context, const WriterId& id) = 0;
  virtual Result<std::unique_ptr<Committer>> create_committer(Context& context) = 0;
  // Temporary objects and positions kept at the target, for `sluice drop`. Never delivered data.
  virtual Result<void> drop(Context& context);
  // Positions kept at a target-decided sink, for `sluice reset`.
  virtual Result<void> reset(Context& context, const Positions& positions);
};

}  // namespace sluice
