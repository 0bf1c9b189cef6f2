// What the target remembers of a pipeline: its positions, and who may write, in
//   sluice.positions (pipeline, sink, split, position)
//   sluice.fence (pipeline, sink, generation)      sluice.members (pipeline, sink, generation)
// so that one transaction holds rows and positions. `sink` is the table as declared: a pipeline pointed at another
// table starts from its beginning. All of it runs in the connection's transaction.
#pragma once

#include <span>
#include <string>

#include "port/position.h"
#include "postgres/connection.h"

namespace sluice::postgresql {

class Ledger {
 public:
  Ledger(std::string pipeline, std::string sink) : pipeline_(std::move(pipeline)), sink_(std::move(sink)) {}

  static Result<bool> exists(postgres::Connection& connection);
  static Result<void> create_tables(postgres::Connection& connection);

  // Takes over from whoever wrote before: waits for a commit of theirs that is under way, then nobody else's counts.
  // Returns the token that commits have to show: `generation`, or one more than the last token where the target has
  // seen higher ones (a lost state store counts from one again, but its process is the one that holds the lease).
  Result<Generation> take_fence(postgres::Connection& connection, Generation generation) const;
  // As one of several who write: whoever comes first makes the token. Members other than `spared` and `generation` are
  // shut out from then on; a commit of theirs that is under way is waited for.
  Result<void> share_fence(postgres::Connection& connection, Generation generation,
                           std::span<const Generation> spared) const;
  // False: another member has shut this one out. With the fence locked.
  Result<bool> is_member(postgres::Connection& connection, Generation generation) const;
  // The token, locked until the transaction ends; 0 when the pipeline is not known.
  Result<Generation> lock_fence(postgres::Connection& connection) const;

  Result<Positions> load(postgres::Connection& connection) const;
  // Compare and swap. True: moved from `from` to `upto`. False: it was there already, the epoch is committed.
  // Fault::refused when it is at neither.
  Result<bool> advance(postgres::Connection& connection, const Positions& from, const Positions& upto) const;
  Result<void> replace(postgres::Connection& connection, const Positions& positions) const;
  Result<void> forget(postgres::Connection& connection) const;

 private:
  Result<Positions> held(postgres::Connection& connection, const Positions& of) const;
  Result<void> store(postgres::Connection& connection, const Positions& positions) const;
  Result<void> forget_members(postgres::Connection& connection) const;

  std::string pipeline_;
  std::string sink_;
};

}  // namespace sluice::postgresql
