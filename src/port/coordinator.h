// The state store's contract: who may run a pipeline (lease), how far it has come (positions), and what was decided but
// perhaps not finished (intents). Implementations: state/sqlite (one machine) and state/postgresql (shared by
// machines).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "port/position.h"
#include "port/sink.h"

namespace sluice {

struct Lease {
  std::string pipeline;
  Generation generation = 0;
  std::string owner;    // "host:pid:start time": shown to whoever is refused
  bool member = false;  // beside others, who have members' leases of their own
  // A member's: epochs after this one are its own. No other lease of this pipeline has these numbers.
  Epoch last_epoch = 0;
};

// Journal-decided work that has been decided. Kept until done; completed at the next start if the process died.
struct Intent {
  Epoch epoch = 0;
  Generation generation = 0;  // who prepared and decided it
  std::vector<Prepared> main;
  std::vector<Prepared> dead_letters;
  bool conditional = false;  // the main sink is target-decided and takes the decision: recovery asks it
  Positions upto;
  Positions from;        // what the splits of `upto` stood at; compared when a member saves it, and not kept
  Generation owner = 0;  // a member's: who completes it; another than who decided it once take_over() has given it away
};

// The schemas a pipeline has come to by following its source: reading goes on with them, whatever a sample or a catalog
// says at the next start. Kept from the first change on.
struct FollowedSchema {
  TableId table;
  int64_t version = 1;  // grows with each change
  SchemaPtr source;     // full, before projection
  SchemaPtr output;     // of the rows the sink gets
};

struct PipelineRecord {
  std::string name;
  std::string kind;        // stream | table | insert | cp
  std::string definition;  // normalised SQL with redacted options: a changed one is refused until CREATE OR REPLACE
  std::string source;      // the source part of it: positions survive OR REPLACE when this is unchanged
  std::string sink;
  std::string dead_letters;  // where its dead letters go, as Endpoint::uri(); empty: nowhere
  Positions positions;
  std::vector<Intent> intents;  // oldest first
  std::vector<FollowedSchema> schemas;
  Epoch last_epoch = 0;
  int64_t rows_delivered = 0;
  int64_t rows_dead = 0;
  int64_t bytes_delivered = 0;
  bool finished = false;       // a bounded run came to its end
  std::optional<Lease> lease;  // somebody runs it now
  std::vector<Lease> members;  // all who do, where several share it; each with the last epoch it decided or finished
  WallTime updated;
  std::string last_error;
};

class Coordinator {
 public:
  virtual ~Coordinator() = default;

  virtual Result<std::vector<PipelineRecord>> list() = 0;
  virtual Result<std::optional<PipelineRecord>> load(const std::string& name) = 0;
  // Creates or updates name, kind, definition, source, sink; positions and counters stay.
  virtual Result<void> define(const Lease& lease, const PipelineRecord& record) = 0;

  // Fault::transient while another live process holds it (names that owner): it may end. A new lease has a higher
  // generation; from then on every write with an older one is refused.
  virtual Result<Lease> acquire(const std::string& pipeline, const std::string& owner) = 0;
  // As acquire(), beside other members and not beside a sole owner. A store that one machine has gives the only lease.
  // A member's define() is refused where a living one has another definition; its save_intent() compares `from` with
  // the positions, and is Fault::transient when another member has moved them or is about to: look again, go on. A
  // member that was taken for dead finds every write Fault::transient, and joins anew.
  virtual Result<Lease> join(const std::string& pipeline, const std::string& owner);
  // The intents that `lease` is to complete, oldest first: its own, and those of dead owners, which are its own from
  // now on. A sole owner's predecessors are all dead.
  virtual Result<std::vector<Intent>> take_over(const Lease& lease);
  virtual Result<void> renew(const Lease& lease) = 0;
  virtual Result<void> release(const Lease& lease) = 0;

  // One transaction, compare-and-swap on the generation: the decision of journal-decided sinks.
  virtual Result<void> save_intent(const Lease& lease, const Intent& intent) = 0;
  // The epoch is visible: drop the intent, advance positions (target-decided: a copy for `status`) and counters.
  virtual Result<void> finish(const Lease& lease, Epoch epoch, const Positions& upto, int64_t rows, int64_t bytes,
                              int64_t dead_rows) = 0;
  // A conditional intent whose target says it never happened.
  virtual Result<void> forget_intent(const Lease& lease, Epoch epoch) = 0;
  virtual Result<void> set_finished(const Lease& lease, bool finished) = 0;
  virtual Result<void> set_error(const Lease& lease, const std::string& message) = 0;
  // Between epochs: the positions stand where the change was met, so that both together say what to read and how. A
  // crash just before it meets the change again.
  virtual Result<void> save_schema(const Lease& lease, const FollowedSchema& schema);
  // Replaces all positions and forgets followed schemas (reset); refused while somebody runs it.
  virtual Result<void> reset(const std::string& name, const Positions& positions) = 0;
  virtual Result<void> drop(const std::string& name) = 0;
};

}  // namespace sluice
