// A source that hands its splits out among processes, for testing pipelines that several of them run: numbered rows in
// endless splits, and a group whose members are told apart by locked files, so that kill -9 frees what a member had.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "port/source.h"

namespace sluice::simulation {

struct HandingOut {
  std::string folder;  // the group's; the same for all its members
  int splits = 6;
  int rows_per_split = 200;
  // After so many batches this member loses a split without being told for a while, as one that is taken for dead does;
  // 0: never.
  int unaware_after = 0;
  std::atomic<int> losses{0};
};

// Rows have one column, n: split × 1,000,000 + row.
std::unique_ptr<Source> make_handing_out(HandingOut& group);

}  // namespace sluice::simulation
