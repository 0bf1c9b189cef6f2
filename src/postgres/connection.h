// libpq with owners and Results: what connector/postgresql and state/postgresql share. A Connection is used by one
// thread at a time; every wait ends within a quarter of a second of a stop request.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

struct pg_conn;
struct pg_result;

namespace sluice::postgres {

// libpq's keywords and values. What is not named here comes from libpq's own places: PG* variables, the service file,
// the passfile.
using Parameters = std::vector<std::pair<std::string, std::string>>;

// Rows of a query in text format. Valid on its own, after the connection has gone on.
class Rows {
 public:
  explicit Rows(pg_result* handle) : handle_(handle) {}
  [[nodiscard]] int rows() const;
  [[nodiscard]] int columns() const;
  [[nodiscard]] bool is_null(int row, int column) const;
  [[nodiscard]] std::string_view text(int row, int column) const;  // empty when NULL
  [[nodiscard]] int64_t integer(int row, int column) const;        // 0 when NULL or no number
  [[nodiscard]] std::string_view column_name(int column) const;
  [[nodiscard]] uint32_t column_type(int column) const;  // its oid
  [[nodiscard]] int32_t column_typmod(int column) const;
  [[nodiscard]] int64_t affected() const;  // rows an INSERT, UPDATE, DELETE, MERGE or COPY changed

 private:
  struct Clear {
    void operator()(pg_result* handle) const;
  };
  std::unique_ptr<pg_result, Clear> handle_;
};

class Connection {
 public:
  // Connects and settles what text looks like (ISO dates, UTC, hex bytea, shortest floats) and that nothing times out
  // behind our back. `where` begins every error: "postgresql://h:5432/shop".
  static Result<std::unique_ptr<Connection>> open(const Parameters& parameters, std::string where,
                                                  std::stop_token stop);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // One statement, or several without results. NULL parameters are nullopt; all are sent as text.
  Result<Rows> query(const std::string& sql);
  Result<Rows> query(const std::string& sql, const std::vector<std::optional<std::string>>& parameters);
  // The columns a statement would return, without running it.
  Result<Rows> describe(const std::string& sql);
  // As query(), for COMMIT: a connection lost on the way is Fault::outcome_unknown.
  Result<void> commit();

  // COPY … TO STDOUT: start, then one row (or the header) at a time until nullopt. `data` is valid until the next call.
  Result<void> begin_copy_out(const std::string& sql);
  Result<std::optional<std::string_view>> copy_row();
  // COPY … FROM STDIN: start, write any number of bytes, finish (the server's answer comes then).
  Result<void> begin_copy_in(const std::string& sql);
  Result<void> copy_write(std::string_view bytes);
  Result<int64_t> finish_copy_in();  // rows copied
  // Ends a COPY FROM STDIN as failed; the transaction is aborted.
  void abort_copy_in();

  // START_REPLICATION (COPY BOTH): messages come by receive(), answers go by send().
  Result<void> begin_replication(const std::string& sql);
  // The next message, or nullopt at the deadline. Ended by the server: an error.
  Result<std::optional<std::string_view>> receive(std::chrono::steady_clock::time_point deadline);
  Result<void> send(std::string_view message);

  // Whose stop request ends a wait from now on.
  void stop_waiting_on(std::stop_token stop) { stop_ = std::move(stop); }
  [[nodiscard]] int server_version() const;  // 150018
  [[nodiscard]] const std::string& where() const { return where_; }
  [[nodiscard]] bool alive() const;
  // In a transaction that has not failed, and nothing runs.
  [[nodiscard]] bool is_between_statements() const;
  // The SQLSTATE of the last failure, empty when there was none or it had no code.
  [[nodiscard]] const std::string& sqlstate() const { return sqlstate_; }
  // Asks the server to end what runs on this connection; safe from another thread.
  void cancel();

 private:
  struct Finish {
    void operator()(pg_conn* handle) const;
  };
  struct FreeMemory {
    void operator()(char* data) const;
  };
  Connection(std::string where, std::stop_token stop) : where_(std::move(where)), stop_(std::move(stop)) {}

  Result<void> connect(const Parameters& parameters);
  Result<void> settle();
  enum class Wait { readable, writable };
  // False at the deadline.
  Result<bool> wait(Wait what, std::optional<std::chrono::steady_clock::time_point> deadline);
  Result<void> flush();
  Result<pg_result*> next_result();
  Result<Rows> last_result();
  Result<void> expect_copy(int status);
  void drain();
  Error failure(const pg_result* result);
  Error lost(std::string_view doing);

  std::string where_;
  std::stop_token stop_;
  std::unique_ptr<pg_conn, Finish> handle_;
  std::unique_ptr<char, FreeMemory> copied_;
  std::string sqlstate_;
};

// "name" with its quotes doubled; 'text' with its quotes doubled (and E'' where it holds a backslash).
std::string quote(std::string_view identifier);
std::string quote_text(std::string_view text);

}  // namespace sluice::postgres
