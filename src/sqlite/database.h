// SQLite's C interface with owners and Results: what state/sqlite and connector/sqlite share. A Database and its
// statements are used by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sluice::sqlite {

enum class OpenMode { read_only, read_write, create };

// A prepared statement: finalised when it goes. bind() counts parameters from 1, column() counts from 0, as SQLite
// does. Bound text is not copied: it has to live until reset() or the next bind.
class Statement {
 public:
  Statement() = default;
  Statement(sqlite3_stmt* handle, const class Database* database) : handle_(handle), database_(database) {}

  // Only our own mistakes can make these fail (wrong index, busy statement), so they CHECK. A value above SQLite's
  // limit of 1 GB is reported by step().
  Statement& bind(int index, int64_t value);
  Statement& bind(int index, double value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);
  Statement& bind_null(int index);

  // True: a row is there. False: done, and the statement is reset for the next use.
  Result<bool> step();
  // For statements without rows: steps to the end and resets.
  Result<void> run();
  void reset();

  [[nodiscard]] int columns() const;
  [[nodiscard]] int type(int column) const;  // SQLITE_INTEGER, …
  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;
  [[nodiscard]] std::string_view text(int column) const;  // valid until the next step or reset
  [[nodiscard]] std::string_view blob(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const;
  };
  void bound(int code);

  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
  const Database* database_ = nullptr;
  bool too_big_ = false;
};

// One connection. Waits up to `busy_wait` for other processes' locks, but ends early when `stop` asks for it.
class Database {
 public:
  static Result<std::unique_ptr<Database>> open(const std::string& path, OpenMode mode);

  [[nodiscard]] const std::string& path() const { return path_; }
  // Whose request ends waiting for a lock; the last one set counts.
  void stop_waiting_on(std::stop_token stop) { stop_ = std::move(stop); }

  Result<void> execute(const std::string& sql);  // one or several statements, rows are ignored
  Result<Statement> prepare(std::string_view sql);
  Result<int64_t> integer(std::string_view sql);  // first column of the first row, 0 when there is none
  Result<std::string> text(std::string_view sql);
  [[nodiscard]] int64_t changes() const;  // rows changed by the last INSERT, UPDATE or DELETE
  [[nodiscard]] bool in_transaction() const;
  [[nodiscard]] bool failed_in_io() const;  // the last failure was a read, write or fsync

  // The connection's last failure as an Error: "shop.db: NOT NULL constraint failed: orders.id". Locked by others:
  // transient; full disk, read-only, damaged: refused; constraint, unknown table or column: user.
  [[nodiscard]] Error error() const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  explicit Database(std::string path) : path_(std::move(path)) {}
  static int wait_for_lock(void* self, int attempts);

  std::string path_;
  std::stop_token stop_;
  std::unique_ptr<sqlite3, Close> handle_;
};

// BEGIN IMMEDIATE: the write lock is taken at once, so that nothing fails half-way for want of it. Rolls back when it
// goes without commit().
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  // A failed write or fsync here is Fault::outcome_unknown: the frames may have reached the disk.
  Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

// "name" with its quotes doubled.
std::string quote(std::string_view identifier);

// Creates the folder that `path` lies in, durably, with its parents.
Result<void> create_folder_of(const std::string& path);

}  // namespace sluice::sqlite
