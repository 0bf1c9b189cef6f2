// A small world for testing flow: a source of numbered rows, sinks of both decisions and a state store, all in memory,
// all durable across the "process" that uses them. Every durable step counts; at a chosen count the process dies: that
// step either happened or not, and everything after it fails until the world is given a new process.
#pragma once

#include <atomic>
#include <charconv>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include <arrow/api.h>

#include "port/coordinator.h"
#include "port/plan.h"

namespace sluice::simulation {

// 0 when it is none.
inline int to_int(const std::string& text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct World {
  // What survives a crash.
  std::map<int64_t, int> visible;  // row → how often readers of the target see it
  std::map<int64_t, int> visible_dead;
  std::map<std::string, std::vector<int64_t>> spool;  // prepared, invisible
  Positions target_positions;
  Generation target_generation = 0;
  std::map<std::string, PipelineRecord> records;
  Generation generations = 0;
  bool lease_is_gone = false;  // as renew() finds out

  // The source's shape.
  int splits = 3;
  int rows_per_split = 100;
  int batch = 7;
  int bad_every = 0;  // every n-th row is a reject

  // The sink's shape.
  bool single_writer = false;
  bool replaces = false;
  int64_t bad_row = -1;
  bool turns_out_one_snapshot = false;  // once rows come
  bool dead_letters_fail = false;       // as they are prepared
  Millis commit_takes{0};
  std::atomic<size_t> held_max{0};  // rows that a writer held at most in one epoch
  std::atomic<bool> committing{false};
  std::atomic<bool> has_committed{false};            // or is about to, for the first time
  std::atomic<int64_t> written_while_committing{0};  // rows

  std::atomic<bool> draining{false};
  int drain_after = 0;  // batches, after which somebody asks to stop; 0: never
  std::atomic<int> batches{0};

  std::mutex mutex;
  int steps = 0;
  int die_at = 0;  // 0: never
  bool dead = false;
  int next_object = 0;

  // True when the process is alive before and after this durable step. `apply` runs only if the step happens.
  template <typename Apply>
  Result<void> durable(Apply apply) {
    std::lock_guard lock(mutex);
    if (dead) return transient("the process is dead");
    ++steps;
    if (steps == die_at) {
      dead = true;
      return transient("died before step {}", steps);
    }
    TRY(apply());
    ++steps;
    if (steps == die_at) {
      dead = true;
      return transient("died after step {}", steps);
    }
    return {};
  }
  void new_process(int die) {
    std::lock_guard lock(mutex);
    steps = 0;
    die_at = die;
    dead = false;
  }
};

std::unique_ptr<Source> make_source(World& world);
std::unique_ptr<Sink> make_sink(World& world, Decision decision, bool dead_letters);
std::unique_ptr<Coordinator> make_coordinator(World& world);

}  // namespace sluice::simulation
