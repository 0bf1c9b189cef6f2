// A scripted source and a sink with tables, for what happens to a source while it is read: schema changes, TRUNCATE,
// splits that are revoked, lost and given back, failures that pass. Durable steps and death are the World's.
#pragma once

#include <thread>

#include "flow/simulation.h"

namespace sluice::simulation {

// One batch, or something that happens. A position is the number of steps behind one.
struct ScriptStep {
  enum class Kind { rows, widen, truncate };
  Kind kind = Kind::rows;
  std::string table;
  int64_t first = 0;  // rows first … first + count - 1; a row n has m = 10 n once its table is widened
  int count = 0;
};

struct ScriptWorld {
  World world;
  std::map<SplitId, std::vector<ScriptStep>> script;
  bool endless = false;       // readers wait at the end of their script
  int64_t expected_rows = 0;  // endless: the run drains when the target shows so many
  bool many_tables = false;
  bool one_table_sink = false;
  bool can_truncate = true;

  // Splits that are taken back once so many batches were read, and given back 20 ms later.
  struct Taken {
    SplitId split;
    int after_batches = 0;
    bool lost = false;
  };
  std::vector<Taken> taken;

  int failing_commits = 0;       // so many commits fail from now on; negative: all
  bool fails_after_all = false;  // … although they happened: the outcome is unknown
  bool drains_at_failure = false;
  int failing_looks = 0;  // so many fence_and_load() fail while it drains
  int looks = 0;

  // What survives a crash, beside the World's.
  struct Cell {
    int seen = 0;
    std::optional<int64_t> m;
  };
  std::map<std::string, std::map<int64_t, Cell>> target;  // table → row
  std::map<std::string, int> columns;  // table → how many the target has; 0: there is no such table
  struct Row {
    std::string table;
    int64_t n = 0;
    std::optional<int64_t> m;
  };
  std::map<std::string, std::vector<Row>> spooled;

  // What the source was asked.
  std::mutex mutex;
  std::map<SplitId, int> read;  // steps handed out
  std::map<SplitId, int> durable;
  std::atomic<int> starts{0};
  std::atomic<int> ticks{0};
  std::atomic<int> ticks_in_commits{0};
  std::atomic<bool> committing{false};
  std::vector<Positions> settled;
  std::vector<SplitId> released;
  std::vector<std::string> complaints;  // what must not happen
  std::set<std::thread::id> reading_threads;
};

std::unique_ptr<Source> make_scripted_source(ScriptWorld& world);
std::unique_ptr<Sink> make_table_sink(ScriptWorld& world, Decision decision);

}  // namespace sluice::simulation
