// A relation that DuckDB reads from us, batch by batch, through the table function sluice_input(number).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sql/engine.h"

namespace sluice::sql {

// How one column gets into DuckDB's vectors.
struct InputColumn {
  enum class Path {
    copy,     // fixed width, same layout: memcpy
    boolean,  // bits to bytes
    text,     // string views into Arrow's buffers, which live as long as the batch
    convert,  // everything else through duckdb_data_chunk_from_arrow, one column at a time
  };
  std::string name;
  TypePtr type;
  Owned<duckdb_logical_type> duck_type;
  Owned<duckdb_arrow_converted_schema> converted;
  Path path = Path::convert;
  int width = 0;  // bytes, for copy
};

// Registered with the engine while it lives. `next` is called from whichever thread runs the scan, one at a time, and
// returns null at the end; each execution of a statement starts with a fresh scan.
class Input {
 public:
  using Next = std::function<Result<BatchPtr>()>;
  static Result<std::unique_ptr<Input>> make(Connection& connection, const SchemaPtr& schema);
  ~Input();
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  [[nodiscard]] std::string call() const { return fmt::format("sluice_input({})", id_); }
  void set_next(Next next) { next_ = std::move(next); }
  // For inputs that cannot be read a second time within one execution; `what` names it in the error.
  void read_once(std::string what) { once_ = std::move(what); }
  // The error that made a scan fail, in our own words; DuckDB's is derived from it.
  std::optional<Error> take_error() { return std::exchange(error_, std::nullopt); }

  // For the table function only.
  [[nodiscard]] const std::vector<InputColumn>& columns() const { return columns_; }
  Result<BatchPtr> next() { return next_(); }
  Result<void> begin_scan();
  void fail(Error error) { error_ = std::move(error); }
  [[nodiscard]] duckdb_connection connection() const { return connection_; }
  [[nodiscard]] const DuckApi& api() const { return engine_.api(); }

 private:
  Input(Connection& connection) : engine_(connection.engine()), connection_(connection.handle()) {}
  Result<void> add_column(const arrow::Field& field);

  Engine& engine_;
  duckdb_connection connection_;
  int64_t id_ = 0;
  std::vector<InputColumn> columns_;
  Next next_;
  std::string once_;
  bool scanned_ = false;
  std::optional<Error> error_;
};

Result<void> register_input_function(Connection& connection);

// Fills rows [from, from + rows) of `column` into a vector of the column's type; `rows` fits the vector.
Result<void> fill_vector(const Input& input, const InputColumn& column, const arrow::Array& array, int64_t from,
                         int64_t rows, duckdb_vector vector);

}  // namespace sluice::sql
