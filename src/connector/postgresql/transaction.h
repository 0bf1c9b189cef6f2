// The transaction of one epoch at the target: rows go into it while they are read, the positions as it ends. Used by
// one thread at a time. Destroyed before commit(), it never happened.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "connector/postgresql/rows.h"

namespace sluice::postgresql {

// Whatever the server or role has as its defaults.
inline constexpr std::string_view kBeginTransaction = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

// A connection, and which staging tables it has.
struct Session {
  std::unique_ptr<Connection> connection;
  std::set<uint64_t> stages;  // TargetTable::serial
};

struct RefusedRow {
  size_t row = 0;  // in the piece
  std::string reason;
};

class EpochTransaction {
 public:
  static Result<std::unique_ptr<EpochTransaction>> begin(Session session);

  // Takes the lock that a COPY into the table takes. True: while it lasts, no row that one transaction appends can wait
  // for, or needs, a row of another.
  Result<bool> lock(const TableName& table);
  // The same lock. False: it is not to be had without waiting, or somebody waits for one that excludes it; the
  // transaction is of no use then.
  Result<bool> lock_at_once(const TableName& table);
  // Sends rows on. What the server thinks of them may be heard later: here, or in finish_rows().
  Result<void> add(const Piece& piece);
  // Sends rows and finds those that the table refuses, by halving; the others are in.
  Result<std::vector<RefusedRow>> add_judged(const Piece& piece);
  // All rows are sent: brings staged ones into their tables.
  Result<void> finish_rows();
  Result<void> commit();
  // After commit(): for the next one.
  Session release() { return std::move(session_); }

  [[nodiscard]] Connection& connection() { return *session_.connection; }

 private:
  explicit EpochTransaction(Session session) : session_(std::move(session)) {}

  struct Staged {
    TargetPtr table;
    bool deletes = false;
    std::set<std::string> unchanged;
  };
  Result<void> begin_copy(const TargetPtr& table);
  Result<void> end_copy();
  Result<void> ensure_stage(const TargetTable& table);
  Result<void> put_rows(const Piece& piece, size_t first, size_t end);
  Result<void> judge(const Piece& piece, size_t first, size_t end, std::vector<RefusedRow>& refused);
  Result<void> merge(const Staged& staged);
  [[nodiscard]] bool is_about_rows(const Error& error) const;

  Session session_;
  TargetPtr copying_;  // into which table a COPY is going on
  size_t copied_bytes_ = 0;
  std::map<uint64_t, Staged> staged_;  // by TargetTable::serial
};

}  // namespace sluice::postgresql
