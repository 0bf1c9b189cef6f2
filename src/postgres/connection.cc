#include "postgres/connection.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <future>
#include <thread>

#include "postgres/errors.h"

namespace sluice::postgres {
namespace {

constexpr int kStopCheckMs = 200;
constexpr std::chrono::milliseconds kCancelWait{500};

// Text values of types we carry as text look the same whatever the server or role was told.
constexpr const char* kSession =
    "SET client_encoding = 'UTF8'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'iso_8601'; SET timezone = 'UTC'; "
    "SET bytea_output = 'hex'; SET extra_float_digits = 1; SET xmloption = 'content'; SET statement_timeout = 0; "
    "SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET standard_conforming_strings = on";

std::string_view view(const char* text) { return text == nullptr ? std::string_view() : std::string_view(text); }

}  // namespace

void Rows::Clear::operator()(pg_result* handle) const { PQclear(handle); }
int Rows::rows() const { return PQntuples(handle_.get()); }
int Rows::columns() const { return PQnfields(handle_.get()); }
bool Rows::is_null(int row, int column) const { return PQgetisnull(handle_.get(), row, column) != 0; }
std::string_view Rows::text(int row, int column) const {
  return {PQgetvalue(handle_.get(), row, column), static_cast<size_t>(PQgetlength(handle_.get(), row, column))};
}
int64_t Rows::integer(int row, int column) const {
  const std::string_view digits = text(row, column);
  int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}
std::string_view Rows::column_name(int column) const { return view(PQfname(handle_.get(), column)); }
uint32_t Rows::column_type(int column) const { return PQftype(handle_.get(), column); }
int32_t Rows::column_typmod(int column) const { return PQfmod(handle_.get(), column); }
int64_t Rows::affected() const {
  const std::string_view digits = view(PQcmdTuples(handle_.get()));
  int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

void Connection::Finish::operator()(pg_conn* handle) const { PQfinish(handle); }
void Connection::FreeMemory::operator()(char* data) const { PQfreemem(data); }

Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::open(const Parameters& parameters, std::string where,
                                                     std::stop_token stop) {
  auto connection = std::unique_ptr<Connection>(new Connection(std::move(where), std::move(stop)));
  TRY(connection->connect(parameters));
  TRY(connection->settle());
  return connection;
}

Result<void> Connection::connect(const Parameters& parameters) {
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  handle_.reset(PQconnectStartParams(keywords.data(), values.data(), 1));
  if (handle_ == nullptr) return refused("{}: no memory for a connection", where_);
  // PQconnectStart leaves connect_timeout to us: libpq applies it in its blocking calls only.
  int timeout_s = 30;
  for (const auto& [keyword, value] : parameters) {
    if (keyword == "connect_timeout") std::from_chars(value.data(), value.data() + value.size(), timeout_s);
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(timeout_s > 0 ? timeout_s : 1'000'000);
  for (auto polled = PGRES_POLLING_WRITING; polled != PGRES_POLLING_OK; polled = PQconnectPoll(handle_.get())) {
    if (polled == PGRES_POLLING_FAILED || PQstatus(handle_.get()) == CONNECTION_BAD) {
      const std::string message = one_line(PQerrorMessage(handle_.get()));
      return make_error(fault_of_connecting(PQerrorMessage(handle_.get())), "{}: cannot connect: {}", where_, message);
    }
    const Wait what = polled == PGRES_POLLING_READING ? Wait::readable : Wait::writable;
    if (!TRY(wait(what, deadline))) {
      return transient("{}: no connection within {} s; is the host right and its port reachable?", where_, timeout_s);
    }
  }
  PQsetnonblocking(handle_.get(), 1);
  PQsetNoticeReceiver(
      handle_.get(), [](void*, const PGresult*) {}, nullptr);
  return {};
}

Result<void> Connection::settle() {
  std::string session = kSession;
  const int version = PQserverVersion(handle_.get());
  if (version >= 140000) session += "; SET idle_session_timeout = 0";
  if (version >= 170000) session += "; SET transaction_timeout = 0";
  return query(session).ok() ? Result<void>() : lost("setting up the session");
}

Result<bool> Connection::wait(Wait what, std::optional<std::chrono::steady_clock::time_point> deadline) {
  while (true) {
    if (stop_.stop_requested()) return cancelled();
    int timeout = kStopCheckMs;
    if (deadline) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(*deadline - std::chrono::steady_clock::now());
      if (left.count() < 0) return false;
      timeout = static_cast<int>(std::min<int64_t>(timeout, left.count() + 1));
    }
    pollfd entry{PQsocket(handle_.get()), static_cast<short>(what == Wait::readable ? POLLIN : POLLOUT | POLLIN), 0};
    if (entry.fd < 0) return lost("waiting");
    const int ready = ::poll(&entry, 1, timeout);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return errno_error(errno, where_ + ": waiting for the server");
  }
}

Result<void> Connection::flush() {
  while (true) {
    const int left = PQflush(handle_.get());
    if (left == 0) return {};
    if (left < 0) return lost("sending");
    TRY(wait(Wait::writable, std::nullopt));
    // The server may be unable to take more before we have read what it sent.
    if (PQconsumeInput(handle_.get()) == 0) return lost("reading");
  }
}

Result<pg_result*> Connection::next_result() {
  TRY(flush());
  while (PQisBusy(handle_.get()) != 0) {
    auto ready = wait(Wait::readable, std::nullopt);
    if (!ready.ok()) {
      if (ready.error().fault == Fault::cancelled) cancel();
      return std::move(ready).error();
    }
    if (PQconsumeInput(handle_.get()) == 0) return lost("reading");
  }
  return PQgetResult(handle_.get());
}

// Reads all results of what was sent and returns the last; the first failure wins.
Result<Rows> Connection::last_result() {
  std::optional<Rows> last;
  std::optional<Error> failed;
  while (true) {
    pg_result* result = TRY(next_result());
    if (result == nullptr) break;
    Rows rows(result);
    switch (PQresultStatus(result)) {
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
      case PGRES_EMPTY_QUERY:
        last.emplace(std::move(rows));
        break;
      case PGRES_COPY_IN:
      case PGRES_COPY_OUT:
      case PGRES_COPY_BOTH:
        return bug("{}: a COPY was begun by query()", where_);
      default:
        if (!failed) failed = failure(result);
    }
  }
  if (failed) return std::move(*failed);
  if (!last) return lost("reading an answer");
  return std::move(*last);
}

Result<Rows> Connection::query(const std::string& sql) {
  sqlstate_.clear();
  if (PQsendQuery(handle_.get(), sql.c_str()) == 0) return lost("sending a statement");
  return last_result();
}

Result<Rows> Connection::query(const std::string& sql, const std::vector<std::optional<std::string>>& parameters) {
  sqlstate_.clear();
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const auto& parameter : parameters) values.push_back(parameter ? parameter->c_str() : nullptr);
  if (PQsendQueryParams(handle_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr,
                        nullptr, 0) == 0) {
    return lost("sending a statement");
  }
  return last_result();
}

Result<Rows> Connection::describe(const std::string& sql) {
  sqlstate_.clear();
  if (PQsendPrepare(handle_.get(), "", sql.c_str(), 0, nullptr) == 0) return lost("sending a statement");
  TRY(last_result());
  if (PQsendDescribePrepared(handle_.get(), "") == 0) return lost("sending a statement");
  return last_result();
}

Result<void> Connection::commit() {
  auto done = query("COMMIT");
  if (!done.ok() && sqlstate_.empty() && done.error().fault != Fault::bug) {
    Error error = std::move(done).error();
    error.fault = Fault::outcome_unknown;
    return error;
  }
  return done.ok() ? Result<void>() : std::move(done).error();
}

Result<void> Connection::expect_copy(int status) {
  pg_result* result = TRY(next_result());
  if (result == nullptr) return lost("beginning a COPY");
  Rows rows(result);
  if (PQresultStatus(result) == status) return {};
  Error error = failure(result);
  drain();
  return error;
}

Result<void> Connection::begin_copy_out(const std::string& sql) {
  sqlstate_.clear();
  if (PQsendQuery(handle_.get(), sql.c_str()) == 0) return lost("sending a COPY");
  return expect_copy(PGRES_COPY_OUT);
}

Result<std::optional<std::string_view>> Connection::copy_row() {
  while (true) {
    char* data = nullptr;
    const int bytes = PQgetCopyData(handle_.get(), &data, 1);
    copied_.reset(data);
    if (bytes > 0) return std::optional(std::string_view(data, static_cast<size_t>(bytes)));
    if (bytes == -2) return lost("reading rows");
    if (bytes == -1) {
      TRY(last_result());
      return std::optional<std::string_view>();
    }
    auto ready = wait(Wait::readable, std::nullopt);
    if (!ready.ok()) {
      if (ready.error().fault == Fault::cancelled) cancel();
      return std::move(ready).error();
    }
    if (PQconsumeInput(handle_.get()) == 0) return lost("reading rows");
  }
}

Result<void> Connection::begin_copy_in(const std::string& sql) {
  sqlstate_.clear();
  if (PQsendQuery(handle_.get(), sql.c_str()) == 0) return lost("sending a COPY");
  return expect_copy(PGRES_COPY_IN);
}

Result<void> Connection::copy_write(std::string_view bytes) {
  constexpr size_t kPiece = 256 << 10;  // libpq and the server each copy a message while it is in a near cache
  while (!bytes.empty()) {
    const size_t piece = std::min(bytes.size(), kPiece);
    const int sent = PQputCopyData(handle_.get(), bytes.data(), static_cast<int>(piece));
    if (sent < 0) return lost("sending rows");
    TRY(flush());
    if (sent > 0) bytes.remove_prefix(piece);
  }
  return {};
}

Result<int64_t> Connection::finish_copy_in() {
  while (true) {
    const int sent = PQputCopyEnd(handle_.get(), nullptr);
    if (sent < 0) return lost("ending a COPY");
    TRY(flush());
    if (sent > 0) break;
  }
  auto rows = TRY(last_result());
  return rows.affected();
}

void Connection::abort_copy_in() {
  PQputCopyEnd(handle_.get(), "given up");
  drain();
}

Result<void> Connection::begin_replication(const std::string& sql) {
  sqlstate_.clear();
  if (PQsendQuery(handle_.get(), sql.c_str()) == 0) return lost("starting replication");
  return expect_copy(PGRES_COPY_BOTH);
}

Result<std::optional<std::string_view>> Connection::receive(std::chrono::steady_clock::time_point deadline) {
  while (true) {
    char* data = nullptr;
    const int bytes = PQgetCopyData(handle_.get(), &data, 1);
    copied_.reset(data);
    if (bytes > 0) return std::optional(std::string_view(data, static_cast<size_t>(bytes)));
    if (bytes == -2) return lost("reading changes");
    if (bytes == -1) {
      TRY(last_result());
      return transient("{}: the server ended the replication stream", where_);
    }
    if (!TRY(wait(Wait::readable, deadline))) return std::optional<std::string_view>();
    if (PQconsumeInput(handle_.get()) == 0) return lost("reading changes");
  }
}

Result<void> Connection::send(std::string_view message) {
  const int sent = PQputCopyData(handle_.get(), message.data(), static_cast<int>(message.size()));
  if (sent < 0) return lost("answering the server");
  return flush();
}

int Connection::server_version() const { return PQserverVersion(handle_.get()); }
bool Connection::alive() const { return PQstatus(handle_.get()) == CONNECTION_OK; }
bool Connection::is_between_statements() const { return PQtransactionStatus(handle_.get()) == PQTRANS_INTRANS; }

// PQcancel connects and waits for as long as the server likes, which may be gone. It needs nothing of ours: a thread
// that is still at it when we go on ends by itself.
void Connection::cancel() {
  std::shared_ptr<PGcancel> handle(PQgetCancel(handle_.get()), PQfreeCancel);
  if (handle == nullptr) return;
  std::promise<void> told;
  auto heard = told.get_future();
  std::thread([handle, told = std::move(told)]() mutable {
    std::array<char, 256> problem{};
    PQcancel(handle.get(), problem.data(), static_cast<int>(problem.size()));
    told.set_value();
  }).detach();
  heard.wait_for(kCancelWait);
}

void Connection::drain() {
  while (true) {
    auto result = next_result();
    if (!result.ok() || result.value() == nullptr) return;
    Rows rows(result.value());
    const auto status = PQresultStatus(result.value());
    if (status == PGRES_COPY_IN || status == PGRES_COPY_BOTH) PQputCopyEnd(handle_.get(), "given up");
    if (status == PGRES_COPY_OUT) return;
  }
}

Error Connection::failure(const pg_result* result) {
  sqlstate_ = view(PQresultErrorField(result, PG_DIAG_SQLSTATE));
  if (sqlstate_.empty()) return lost("waiting for an answer");
  std::string what(view(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)));
  if (auto detail = view(PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL)); !detail.empty()) {
    what += fmt::format(" ({})", one_line(detail));
  } else if (auto hint = view(PQresultErrorField(result, PG_DIAG_MESSAGE_HINT)); !hint.empty()) {
    what += fmt::format(" ({})", one_line(hint));
  }
  return make_error(fault_of_state(sqlstate_), "{}: {} [{}]", where_, one_line(what), sqlstate_);
}

Error Connection::lost(std::string_view doing) {
  const std::string message = handle_ == nullptr ? std::string() : one_line(PQerrorMessage(handle_.get()));
  return transient("{}: the connection was lost while {}: {}", where_, doing,
                   message.empty() ? "no reason is known" : message);
}

std::string quote(std::string_view identifier) {
  std::string out = "\"";
  for (char c : identifier) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string quote_text(std::string_view text) {
  std::string out = text.find('\\') == std::string_view::npos ? "'" : "E'";
  for (char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + '\'';
}

}  // namespace sluice::postgres
