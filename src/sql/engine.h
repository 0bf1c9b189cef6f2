// One DuckDB database in memory and the connections to it. Tables enter it as Inputs: batches handed out by our own
// table function (duckdb_arrow_scan ignores the pushdown it advertises, duckdb PR#16050).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "batch/schema.h"
#include "port/context.h"
#include "sql/duckdb_api.h"

namespace sluice::sql {

class Connection;
class Input;

// Thread-safe; lives as long as any connection.
class Engine : public std::enable_shared_from_this<Engine> {
 public:
  struct Settings {
    int threads = 1;  // 1: a connection's query runs on the calling thread only, in the input's order
    int64_t memory_bytes = 256 << 20;
    std::string spill_folder;  // empty: never spills
  };
  static Result<std::shared_ptr<Engine>> open(const Settings& settings);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Result<std::unique_ptr<Connection>> connect();
  [[nodiscard]] const DuckApi& api() const { return *api_; }

  // Registered inputs are found by the table function under their number: FROM sluice_input(7).
  int64_t add(Input* input);
  void remove(int64_t id);
  Input* find(int64_t id);

 private:
  explicit Engine(const DuckApi* api) : api_(api) {}
  Result<void> start(const Settings& settings);

  const DuckApi* api_;
  duckdb_database database_ = nullptr;
  std::mutex mutex_;
  int64_t last_id_ = 0;
  std::map<int64_t, Input*> inputs_;
};

// Opens the engine when it is first asked for: a statement that only picks columns never does. Thread-safe.
class LazyEngine {
 public:
  explicit LazyEngine(Engine::Settings settings) : settings_(std::move(settings)) {}
  Result<std::shared_ptr<Engine>> get();

 private:
  const Engine::Settings settings_;
  std::mutex mutex_;
  std::shared_ptr<Engine> engine_;
};

// What DuckDB complains of, with the byte offset in the query where it says so.
struct DuckError {
  std::string kind;     // "Binder", "Parser", "Conversion", …
  std::string message;  // one line, no "LINE 1"
  std::optional<size_t> offset;
};
DuckError parse_duck_error(const char* text);

// One session; used by one thread at a time.
class Connection {
 public:
  Connection(std::shared_ptr<Engine> engine, duckdb_connection handle) : engine_(std::move(engine)), handle_(handle) {}
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // First column of the first row, as text (a VARCHAR column is expected).
  Result<std::string> query_text(const std::string& sql);
  Result<void> execute(const std::string& sql);
  // On failure *failure tells what DuckDB said; the Error is for when nobody can map its offset.
  Result<Owned<duckdb_prepared_statement>> prepare(const std::string& sql, DuckError* failure);
  void interrupt() { engine_->api().interrupt(handle_); }

  [[nodiscard]] duckdb_connection handle() const { return handle_; }
  [[nodiscard]] const DuckApi& api() const { return engine_->api(); }
  [[nodiscard]] Engine& engine() const { return *engine_; }

 private:
  std::shared_ptr<Engine> engine_;
  duckdb_connection handle_;
};

// Column 0 of a VARCHAR chunk.
std::string text_at(const DuckApi& api, duckdb_data_chunk chunk, size_t row);
std::string quote_string(std::string_view text);      // 'it''s'
std::string quote_identifier(std::string_view name);  // "a ""b"""

}  // namespace sluice::sql
