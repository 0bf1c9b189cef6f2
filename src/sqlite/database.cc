#include "sqlite/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

namespace sluice::sqlite {
namespace {

constexpr int kBusyWaitMs = 10'000;
constexpr int kBusyStepMs = 5;

Fault fault_of(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return Fault::transient;
    case SQLITE_INTERRUPT:
      return Fault::cancelled;
    case SQLITE_ERROR:  // what prepare says of unknown tables and columns
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_NOTADB:
      return Fault::user;
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_INTERNAL:
      return Fault::bug;
    default:
      return Fault::refused;
  }
}

std::string sentence_of(int code, const char* message) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another process kept the database locked for too long; try again";
    case SQLITE_FULL:
      return "the disk is full; free some space and run again";
    case SQLITE_READONLY:
      return "the database is read-only; check the permissions of the file and its folder";
    case SQLITE_CANTOPEN:
      return "cannot open the database; check that the path and its permissions are right";
    case SQLITE_NOTADB:
      return "this file is not an SQLite database";
    case SQLITE_CORRUPT:
      return fmt::format("the database is damaged ({}); restore it from a copy", message);
    case SQLITE_IOERR:
      return fmt::format("reading or writing failed ({})", message);
    default:
      return message;
  }
}

Result<void> sync_folder(const std::filesystem::path& folder) {
  int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno_error(errno, fmt::format("open folder '{}'", folder.string()));
  int failed = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (failed != 0) return errno_error(failed, fmt::format("sync folder '{}'", folder.string()));
  return {};
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }

void Statement::bound(int code) {
  if (code == SQLITE_TOOBIG) too_big_ = true;
  CHECK(code == SQLITE_OK || code == SQLITE_TOOBIG);
}
Statement& Statement::bind(int index, int64_t value) {
  bound(sqlite3_bind_int64(handle_.get(), index, value));
  return *this;
}
Statement& Statement::bind(int index, double value) {
  bound(sqlite3_bind_double(handle_.get(), index, value));
  return *this;
}
Statement& Statement::bind(int index, std::string_view text) {
  const char* data = text.data() == nullptr ? "" : text.data();  // a null pointer would bind NULL
  bound(sqlite3_bind_text64(handle_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}
Statement& Statement::bind_blob(int index, std::string_view bytes) {
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  bound(sqlite3_bind_blob64(handle_.get(), index, data, bytes.size(), SQLITE_STATIC));
  return *this;
}
Statement& Statement::bind_null(int index) {
  bound(sqlite3_bind_null(handle_.get(), index));
  return *this;
}

Result<bool> Statement::step() {
  if (std::exchange(too_big_, false)) return user_error("{}: a value is longer than 1 GB", database_->path());
  int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  Error error = database_->error();
  reset();
  return error;
}

Result<void> Statement::run() {
  while (TRY(step())) {
  }
  return {};
}

void Statement::reset() { sqlite3_reset(handle_.get()); }
int Statement::columns() const { return sqlite3_column_count(handle_.get()); }
int Statement::type(int column) const { return sqlite3_column_type(handle_.get(), column); }
bool Statement::is_null(int column) const { return type(column) == SQLITE_NULL; }
int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }
double Statement::real(int column) const { return sqlite3_column_double(handle_.get(), column); }
std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
  return data == nullptr ? std::string_view{}
                         : std::string_view(data, static_cast<size_t>(sqlite3_column_bytes(handle_.get(), column)));
}
std::string_view Statement::blob(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(handle_.get(), column));
  return data == nullptr ? std::string_view{}
                         : std::string_view(data, static_cast<size_t>(sqlite3_column_bytes(handle_.get(), column)));
}

// close_v2: statements may outlive the connection's owner for a moment.
void Database::Close::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

Result<std::unique_ptr<Database>> Database::open(const std::string& path, OpenMode mode) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (mode == OpenMode::read_only) flags |= SQLITE_OPEN_READONLY;
  if (mode == OpenMode::read_write) flags |= SQLITE_OPEN_READWRITE;
  if (mode == OpenMode::create) flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  std::unique_ptr<Database> database(new Database(path));
  sqlite3* handle = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  database->handle_.reset(handle);
  if (code != SQLITE_OK) {
    if (mode != OpenMode::create && ::access(path.c_str(), F_OK) != 0) return user_error("{}: no such file", path);
    return database->error();
  }
  sqlite3_busy_handler(handle, &Database::wait_for_lock, database.get());
  TRY(database->execute("PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL"));
  return database;
}

int Database::wait_for_lock(void* self, int attempts) {
  const auto* database = static_cast<const Database*>(self);
  if (database->stop_.stop_requested() || attempts * kBusyStepMs >= kBusyWaitMs) return 0;
  std::this_thread::sleep_for(std::chrono::milliseconds(kBusyStepMs));
  return 1;
}

Result<void> Database::execute(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return error();
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                &statement, nullptr);
  if (code != SQLITE_OK) return error();
  return Statement(statement, this);
}

Result<int64_t> Database::integer(std::string_view sql) {
  Statement statement = TRY(prepare(sql));
  return TRY(statement.step()) ? statement.integer(0) : 0;
}

Result<std::string> Database::text(std::string_view sql) {
  Statement statement = TRY(prepare(sql));
  return TRY(statement.step()) ? std::string(statement.text(0)) : std::string();
}

int64_t Database::changes() const { return sqlite3_changes64(handle_.get()); }
bool Database::in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }
bool Database::failed_in_io() const { return (sqlite3_errcode(handle_.get()) & 0xff) == SQLITE_IOERR; }

Error Database::error() const {
  int code = sqlite3_extended_errcode(handle_.get());
  return make_error(fault_of(code), "{}: {}", path_, sentence_of(code, sqlite3_errmsg(handle_.get())));
}

Result<Transaction> Transaction::begin(Database& database) {
  TRY(database.execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::~Transaction() {
  // Some failures (full disk, I/O) have rolled back by themselves.
  if (database_ != nullptr && database_->in_transaction()) (void)database_->execute("ROLLBACK");
}

Result<void> Transaction::commit() {
  auto done = database_->execute("COMMIT");
  if (done.ok()) {
    database_ = nullptr;
    return {};
  }
  Error error = std::move(done).error();
  // https://sqlite.org/rescode.html#ioerr: the write may have happened although its fsync failed.
  if (database_->failed_in_io()) error.fault = Fault::outcome_unknown;
  return error;
}

std::string quote(std::string_view identifier) {
  std::string quoted = "\"";
  for (char c : identifier) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

Result<void> create_folder_of(const std::string& path) {
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) return {};
  std::vector<std::filesystem::path> missing;
  std::error_code failed;
  for (auto at = folder; !at.empty() && !std::filesystem::exists(at, failed); at = at.parent_path()) {
    missing.push_back(at);
    if (at == at.parent_path()) break;
  }
  std::reverse(missing.begin(), missing.end());
  for (const auto& at : missing) {
    failed.clear();
    std::filesystem::create_directory(at, failed);
    if (failed) return errno_error(failed.value(), fmt::format("create folder '{}'", at.string()));
    TRY(sync_folder(at.has_parent_path() ? at.parent_path() : std::filesystem::path(".")));
  }
  failed.clear();
  if (!std::filesystem::is_directory(folder, failed)) return user_error("'{}' is not a folder", folder.string());
  return {};
}

}  // namespace sluice::sqlite
