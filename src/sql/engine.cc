#include "sql/engine.h"

#include <nlohmann/json.hpp>

#include "sql/input.h"

namespace sluice::sql {
namespace {

Error duck_failure(const DuckError& failure) { return user_error("{}", failure.message); }

}  // namespace

Result<std::shared_ptr<Engine>> Engine::open(const Settings& settings) {
  const auto* library = TRY(load_duckdb());
  std::shared_ptr<Engine> engine(new Engine(library));
  TRY(engine->start(settings));
  return engine;
}

Result<void> Engine::start(const Settings& settings) {
  Owned<duckdb_config> config(api_->destroy_config);
  if (api_->create_config(config.out()) != DuckDBSuccess) return bug("duckdb_create_config failed");
  std::vector<std::pair<const char*, std::string>> options = {
      {"threads", std::to_string(settings.threads)}, {"memory_limit", fmt::format("{}B", settings.memory_bytes)},
      {"preserve_insertion_order", "true"},          {"temp_directory", settings.spill_folder},
      {"autoinstall_known_extensions", "false"},     {"autoload_known_extensions", "false"},
  };
  for (const auto& [name, value] : options) {
    if (api_->set_config(config.get(), name, value.c_str()) != DuckDBSuccess) {
      return bug("DuckDB refuses the setting {}='{}'", name, value);
    }
  }
  char* message = nullptr;
  if (api_->open_ext(nullptr, &database_, config.get(), &message) != DuckDBSuccess) {
    std::string text = message != nullptr ? message : "no reason given";
    api_->free(message);
    return refused("DuckDB cannot start: {}", text);
  }
  auto connection = TRY(connect());
  return register_input_function(*connection);
}

Engine::~Engine() {
  if (database_ != nullptr) api_->close(&database_);
}

Result<std::unique_ptr<Connection>> Engine::connect() {
  duckdb_connection handle = nullptr;
  if (api_->connect(database_, &handle) != DuckDBSuccess) return bug("duckdb_connect failed");
  auto connection = std::make_unique<Connection>(shared_from_this(), handle);
  TRY(connection->execute("SET errors_as_json = true; SET TimeZone = 'UTC'"));
  return connection;
}

Result<std::shared_ptr<Engine>> LazyEngine::get() {
  std::lock_guard lock(mutex_);
  if (!engine_) engine_ = TRY(Engine::open(settings_));
  return engine_;
}

int64_t Engine::add(Input* input) {
  std::lock_guard lock(mutex_);
  inputs_[++last_id_] = input;
  return last_id_;
}

void Engine::remove(int64_t id) {
  std::lock_guard lock(mutex_);
  inputs_.erase(id);
}

Input* Engine::find(int64_t id) {
  std::lock_guard lock(mutex_);
  auto found = inputs_.find(id);
  return found == inputs_.end() ? nullptr : found->second;
}

Connection::~Connection() { engine_->api().disconnect(&handle_); }

Result<void> Connection::execute(const std::string& sql) {
  Owned<duckdb_result> result(api().destroy_result);
  if (api().query(handle_, sql.c_str(), result.out()) == DuckDBSuccess) return {};
  return duck_failure(parse_duck_error(api().result_error(result.out())));
}

Result<std::string> Connection::query_text(const std::string& sql) {
  Owned<duckdb_result> result(api().destroy_result);
  if (api().query(handle_, sql.c_str(), result.out()) != DuckDBSuccess) {
    return duck_failure(parse_duck_error(api().result_error(result.out())));
  }
  Owned<duckdb_data_chunk> chunk(api().fetch_chunk(result.get()), api().destroy_data_chunk);
  if (chunk.get() == nullptr || api().data_chunk_get_size(chunk.get()) == 0) return std::string();
  return text_at(api(), chunk.get(), 0);
}

Result<Owned<duckdb_prepared_statement>> Connection::prepare(const std::string& sql, DuckError* failure) {
  Owned<duckdb_prepared_statement> statement(api().destroy_prepare);
  if (api().prepare(handle_, sql.c_str(), statement.out()) == DuckDBSuccess) return statement;
  *failure = parse_duck_error(api().prepare_error(statement.get()));
  return duck_failure(*failure);
}

DuckError parse_duck_error(const char* text) {
  if (text == nullptr) return {"Internal", "DuckDB failed without a message", {}};
  DuckError error;
  auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_object() && json.contains("exception_message")) {
    error.kind = json.value("exception_type", "");
    error.message = json.value("exception_message", "");
    std::string position = json.value("position", "");
    if (!position.empty() && position.find_first_not_of("0123456789") == std::string::npos && position.size() < 10) {
      error.offset = std::stoul(position);
    }
  } else {
    error.message = text;
  }
  // The pointer into the query ("LINE 1: …") is replaced by our own position; candidates come on lines of their own.
  auto line = error.message.find("\n\nLINE ");
  if (line != std::string::npos) error.message.resize(line);
  std::string one_line;
  for (char c : error.message) {
    bool blank = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!blank)
      one_line += c;
    else if (!one_line.empty() && one_line.back() != ' ')
      one_line += ' ';
  }
  while (!one_line.empty() && one_line.back() == ' ') one_line.pop_back();
  error.message = std::move(one_line);
  return error;
}

std::string text_at(const DuckApi& api, duckdb_data_chunk chunk, size_t row) {
  const auto& text = static_cast<const duckdb_string_t*>(api.vector_get_data(api.data_chunk_get_vector(chunk, 0)))[row];
  uint32_t length = text.value.inlined.length;
  return {length <= 12 ? text.value.inlined.inlined : text.value.pointer.ptr, length};
}

std::string quote_string(std::string_view text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + '\'';
}

std::string quote_identifier(std::string_view name) {
  std::string out = "\"";
  for (char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + '"';
}

}  // namespace sluice::sql
