// One exported snapshot that several sessions copy tables with, and these tables kept as they are meanwhile. ALTER
// TABLE that rewrites a table and TRUNCATE are not MVCC-safe: to a snapshot that is older the table looks empty
// (https://www.postgresql.org/docs/current/mvcc-caveats.html). Thread-safe, but for connection().
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "connector/postgresql/settings.h"
#include "port/context.h"
#include "postgres/pgoutput.h"

namespace sluice::postgresql {

class HeldSnapshot : public std::enable_shared_from_this<HeldSnapshot> {
 public:
  using Ptr = std::shared_ptr<HeldSnapshot>;
  // What is copied, as it stands behind FROM.
  using Inputs = std::set<std::string>;
  // Row-level security leaves rows out without a word: what the role may see, or all rows or an error.
  enum class Which { visible_rows, all_rows };

  // A new snapshot. Fault::transient: somebody else holds a table for long, or rewrote it in just this moment.
  static Result<Ptr> take(Context& context, const Target& target, Which which, const Inputs& inputs);
  // That of the slot which `leader` has made; all rows.
  static Result<Ptr> adopt(Context& context, const Target& target, std::unique_ptr<Connection> leader, std::string name,
                           const Inputs& inputs);

  // A session that sees the snapshot and may read `inputs`, for as long as it is kept. `order` is the place of what is
  // read among all that is.
  Result<std::shared_ptr<Connection>> session(Context& context, const Inputs& inputs, size_t order);
  // Before any session is asked for: the one that holds the tables.
  [[nodiscard]] Connection& connection() { return *holder_; }

  [[nodiscard]] const std::string& seen() const { return seen_; }   // pg_current_snapshot(); empty: a slot's
  [[nodiscard]] postgres::Lsn log_end() const { return log_end_; }  // when it was taken; 0: a slot's

 private:
  class Reading;
  HeldSnapshot(Target target, Which which, std::string name)
      : target_(std::move(target)), which_(which), name_(std::move(name)) {}
  Result<std::unique_ptr<Connection>> see(Context& context) const;
  Result<void> hold(const Inputs& inputs);
  Result<bool> lock(Connection& connection, const Inputs& inputs, Millis patience) const;

  const Target target_;
  const Which which_;
  std::string name_;  // for SET TRANSACTION SNAPSHOT
  std::string seen_;
  postgres::Lsn log_end_ = 0;
  std::unique_ptr<Connection> leader_;  // keeps a slot's snapshot alive
  std::unique_ptr<Connection> holder_;
  std::mutex mutex_;               // of those below
  std::multiset<size_t> reading_;  // the order of what is read now, or waits to be
  bool is_lent_ = false;           // the holder
};

}  // namespace sluice::postgresql
