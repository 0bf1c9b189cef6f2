// Where a query of this process spills. DuckDB makes the folder when it first spills and removes it when it closes;
// what a killed process left is removed when the next one looks for a place.
#pragma once

#include <string>
#include <string_view>

namespace sluice::sql {

// A name of its own for each call: DuckDB's files are called the same in every database. In $TMPDIR or /tmp.
std::string new_spill_folder();

// Removes the spill folders in `folder` whose processes have ended: this user's and this machine's only. A folder of
// another container or machine that shares the place is left alone, since whether its process lives cannot be seen.
void sweep_spill_folders(const std::string& folder);

// The processes that spill are told apart by number and start: numbers are given out again.
struct SpillOwner {
  long process = 0;
  unsigned long long started = 0;  // clock ticks since the machine started
  std::string where;               // machine, its start, and the container
};
// "sluice-spill-<process>-<started>-<where>-<number>"
std::string spill_name(const SpillOwner& owner, int number);
// True when `name` is one that spill_name() makes.
bool parse_spill_name(std::string_view name, SpillOwner& owner);
// This process.
SpillOwner spill_owner();

}  // namespace sluice::sql
