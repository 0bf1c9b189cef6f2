// What the target remembers of a pipeline: its positions, and who may write. Both live beside the rows, in
//   sluice_positions (pipeline, sink, split, position)    sluice_fence (pipeline, sink, generation)
// so that one transaction holds rows and positions. `sink` is the table as declared: a pipeline pointed at another
// table starts from its beginning.
#pragma once

#include <string>

#include "port/position.h"
#include "sqlite/database.h"

namespace sluice::sqlite {

class Ledger {
 public:
  Ledger(std::string pipeline, std::string sink) : pipeline_(std::move(pipeline)), sink_(std::move(sink)) {}

  static Result<void> create_tables(Database& database);
  static Result<bool> exists(Database& database);

  // Takes over from whoever wrote before, and returns the token that commits have to show from now on: `generation`,
  // or one more than the last token where the target has seen higher ones. That happens when a state store was lost
  // or restored: its generations start again, but its process is the one that holds the lease.
  Result<Generation> take_fence(Database& database, Generation generation) const;
  Result<Generation> fence(Database& database) const;

  Result<Positions> load(Database& database) const;
  // Compare and swap. True: moved from `from` to `upto`. False: it was there already, the epoch is committed.
  // Fault::refused when it is at neither.
  Result<bool> advance(Database& database, const Positions& from, const Positions& upto) const;
  Result<void> replace(Database& database, const Positions& positions) const;
  // Forgets the pipeline; the tables go with the last one.
  Result<void> forget(Database& database) const;

 private:
  std::string pipeline_;
  std::string sink_;
};

}  // namespace sluice::sqlite
