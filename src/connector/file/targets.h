// Where the rows of each table go: a location with {table} (and {schema}) in it names a folder or file per table.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "connector/file/target.h"

namespace sluice::file {

// Owned by the sink; outlives its writers and committer. Thread-safe.
class Targets {
 public:
  // `pattern`: its path may hold {schema} and {table}. Fault::user when no folder stands before them.
  static Result<std::unique_ptr<Targets>> create(Target pattern);

  [[nodiscard]] bool several() const { return several_; }
  // What all targets have in common; the only one, unless there are several.
  Target& pattern() { return pattern_; }
  // Stays valid. Fault::user: the table has no name to put in; Fault::refused: another table has the same place.
  Result<Target*> of(const TableId& table);
  // Everything written lies at or below it.
  [[nodiscard]] const std::string& root() const { return root_; }

 private:
  explicit Targets(Target pattern) : pattern_(std::move(pattern)), root_(pattern_.path) {}
  Result<std::string> path_of(const TableId& table) const;

  Target pattern_;
  std::string root_;
  bool several_ = false;
  std::mutex mutex_;
  std::map<TableId, Target> targets_;
  std::map<std::string, TableId> table_of_;  // by path
};

// May the path stand for several?
bool names_tables(std::string_view path);

}  // namespace sluice::file
