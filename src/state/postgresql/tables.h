// The statements of the state store, on one connection, inside a transaction of the caller.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "port/coordinator.h"
#include "postgres/connection.h"

namespace sluice::state {

class StateTables {
 public:
  StateTables(postgres::Connection& connection, std::string pipeline)
      : connection_(connection), pipeline_(std::move(pipeline)) {}

  static Result<std::vector<std::string>> names(postgres::Connection& connection);  // of what is defined, sorted

  struct Pipeline {
    Generation generation = 0;
    Epoch last_epoch = 0;
    bool defined = false;
    std::string definition;
  };
  // Locks its row until the transaction ends: writes of one pipeline come one after the other.
  Result<void> create();
  Result<std::optional<Pipeline>> lock();
  Result<void> set_generation(Generation generation);

  struct LeaseRow {
    int64_t id = 0;
    Lease lease;
  };
  Result<std::optional<LeaseRow>> lease_of(Generation generation);
  Result<std::vector<LeaseRow>> living();
  Result<std::vector<LeaseRow>> unburied();       // and those that may have died
  Result<void> bury();                            // leases of the dead
  Result<int64_t> add_lease(const Lease& lease);  // its id
  Result<bool> renew(Generation generation);      // false: there is no such lease
  Result<void> end_lease(Generation generation);
  Result<void> note_epoch(const Lease& lease, Epoch epoch);

  Result<std::optional<PipelineRecord>> record();
  Result<void> define(const PipelineRecord& record);
  Result<void> erase();

  Result<std::vector<Intent>> intents(std::optional<Generation> owner = {});
  Result<std::optional<Generation>> owner_of(Epoch epoch);  // nothing: there is no such intent
  Result<bool> has_intents();
  Result<void> add_intent(const Intent& intent);
  Result<void> adopt_intents(Generation by);  // those whose owners have no lease any more
  Result<void> apply_intent(Epoch epoch);     // its positions become the pipeline's, then it is removed
  Result<void> remove_intent(Epoch epoch);
  // A split of `upto` that another intent is about to move.
  Result<std::optional<SplitId>> pending(const Positions& upto);

  Result<Positions> positions();
  Result<Positions> positions_of(const Positions& splits);
  Result<void> advance(const Positions& upto);
  Result<void> replace_positions(const Positions& positions);
  Result<void> count(const Lease& lease, Epoch epoch, int64_t rows, int64_t bytes, int64_t dead_rows);
  Result<void> set_finished(bool finished);
  Result<void> set_error(const std::string& message);
  Result<void> save_schema(const FollowedSchema& schema);
  Result<void> forget_schemas();

 private:
  using Parameters = std::vector<std::optional<std::string>>;
  // `$1` is the pipeline.
  Result<postgres::Rows> query(const std::string& sql, Parameters more = {});
  Result<void> run(const std::string& sql, Parameters more = {});
  Result<void> add_parts(Epoch epoch, bool dead_letters, const std::vector<Prepared>& parts);
  Result<void> read_parts(Intent& intent);
  Result<std::vector<FollowedSchema>> schemas();

  postgres::Connection& connection_;
  std::string pipeline_;
};

}  // namespace sluice::state
