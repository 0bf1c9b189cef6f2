#include "postgres/errors.h"

#include <algorithm>
#include <array>

namespace sluice::postgres {
namespace {

bool any_of(std::string_view text, std::initializer_list<std::string_view> pieces) {
  return std::any_of(pieces.begin(), pieces.end(),
                     [&](std::string_view piece) { return text.find(piece) != std::string_view::npos; });
}

}  // namespace

Fault fault_of_state(std::string_view sqlstate) {
  const std::string_view family = sqlstate.substr(0, 2);
  // Connection trouble; too many connections; deadlock and serialization; shutdown, crash recovery, start-up; sessions
  // and transactions that the server ended for being idle or long.
  if (family == "08" || sqlstate == "53300" || sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "57P01" ||
      sqlstate == "57P02" || sqlstate == "57P03" || sqlstate == "57P05" || sqlstate == "25P03" || sqlstate == "25P04" ||
      sqlstate == "55P03" || sqlstate == "55006") {
    return Fault::transient;
  }
  if (sqlstate == "40003") return Fault::outcome_unknown;
  if (family == "22" || family == "23" || family == "28" || family == "3D" || family == "3F" || family == "42" ||
      family == "0A" || family == "26" || family == "2B" || family == "44" || family == "57") {
    return Fault::user;
  }
  return Fault::refused;  // out of disk or memory, read-only, object in the wrong state, internal errors
}

Fault fault_of_connecting(std::string_view message) {
  if (any_of(message, {"starting up", "shutting down", "in recovery mode", "too many clients", "too many connections",
                       "standby connections exceeds", "Temporary failure in name resolution", "remaining connection",
                       "not yet accepting"})) {
    return Fault::transient;
  }
  if (any_of(message, {"FATAL:", "SSL", "certificate", "could not translate host name", "no password supplied",
                       "authentication", "invalid", "definition of service"})) {
    // A server that dies during the handshake mentions SSL, too.
    return any_of(message, {"SSL SYSCALL error", "server closed the connection"}) ? Fault::transient : Fault::user;
  }
  return Fault::transient;
}

std::string one_line(std::string_view message) {
  std::string out;
  for (char c : message) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
    if (c == ' ' && (out.empty() || out.back() == ' ')) continue;
    out += c;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  for (std::string_view level : {"FATAL: ", "ERROR: ", "PANIC: "}) {
    if (auto at = out.find(level); at != std::string::npos) out.erase(at, level.size());
  }
  return out;
}

}  // namespace sluice::postgres
