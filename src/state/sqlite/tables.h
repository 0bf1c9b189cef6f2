// The statements of the state store, prepared once. Every write belongs inside a transaction of the caller.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "port/coordinator.h"
#include "sqlite/database.h"

namespace sluice {

class StateTables {
 public:
  static Result<StateTables> prepare(sqlite::Database& database);

  struct Holder {
    int64_t id = 0;
    Generation generation = 0;
    std::optional<std::string> owner;
    bool defined = false;
  };
  Result<std::optional<Holder>> holder(const std::string& name);
  Result<Holder> holder_or_new(const std::string& name);
  Result<void> take(int64_t id, Generation generation, const std::string& owner);
  Result<void> give_back(int64_t id);

  Result<std::vector<std::string>> names();  // of what is defined, sorted
  Result<std::optional<PipelineRecord>> record(const std::string& name);
  Result<void> define(int64_t id, const PipelineRecord& record, int64_t now_us);
  Result<void> erase(int64_t id);

  Result<bool> has_intent(int64_t id, Epoch epoch);
  Result<bool> has_intents(int64_t id);
  Result<void> add_intent(int64_t id, const Intent& intent, int64_t now_us);
  Result<void> remove_intent(int64_t id, Epoch epoch);
  Result<void> forget_intent(int64_t id, Epoch epoch);  // and what it was to come to

  Result<void> save_schema(int64_t id, const FollowedSchema& schema);
  Result<void> forget_schemas(int64_t id);

  // With `epoch`, whose intent is still there if it had one.
  Result<void> advance(int64_t id, Epoch epoch, const Positions& upto);
  Result<void> replace_positions(int64_t id, const Positions& positions, int64_t now_us);
  Result<void> count(int64_t id, Epoch epoch, int64_t rows, int64_t bytes, int64_t dead_rows, int64_t now_us);
  Result<void> set_finished(int64_t id, bool finished, int64_t now_us);
  Result<void> set_error(int64_t id, const std::string& message, int64_t now_us);

 private:
  explicit StateTables(sqlite::Database& database) : database_(&database) {}
  Result<Positions> positions(int64_t id);
  Result<std::string> step(int64_t id, Epoch epoch);  // empty where there is none
  Result<void> put_step(int64_t id, Epoch epoch, const std::string& upto);
  // The steps that count, oldest first: `epoch`'s, and those whose intents are through.
  Result<std::vector<std::pair<Epoch, Positions>>> steps(int64_t id, Epoch epoch = 0);
  Result<void> put_positions(int64_t id, const Positions& upto);
  Result<void> fold_steps(int64_t id, Epoch epoch);
  Result<std::vector<Intent>> intents(int64_t id);
  Result<std::vector<FollowedSchema>> schemas(int64_t id);
  Result<void> read_parts(int64_t id, Intent& intent);
  Result<void> add_parts(int64_t id, Epoch epoch, bool dead_letters, const std::vector<Prepared>& parts);

  sqlite::Database* database_;
  // Prepared once: these run per epoch or per position. The others are prepared where they are used.
  sqlite::Statement holder_;
  sqlite::Statement set_position_;
  sqlite::Statement add_part_;
  sqlite::Statement step_;
  sqlite::Statement put_step_;
  sqlite::Statement steps_;
  sqlite::Statement count_;
};

}  // namespace sluice
