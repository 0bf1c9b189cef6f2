#include "base/result.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace sluice {

std::string_view to_string(Fault fault) {
  switch (fault) {
    case Fault::user:
      return "user";
    case Fault::refused:
      return "refused";
    case Fault::transient:
      return "transient";
    case Fault::outcome_unknown:
      return "outcome unknown";
    case Fault::cancelled:
      return "cancelled";
    case Fault::bug:
      return "bug";
  }
  return "bug";
}

std::string Error::message() const {
  if (during.empty()) return what;
  std::string steps;
  for (const auto& step : during) steps += (steps.empty() ? "while " : ", while ") + step;
  return fmt::format("{} ({})", what, steps);
}

static Fault fault_of_errno(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
      return Fault::user;
    case EINTR:
    case EAGAIN:
    case ECONNRESET:
    case ECONNREFUSED:
    case ETIMEDOUT:
    case EPIPE:
    case ESTALE:
    case EMFILE:
    case ENFILE:
      return Fault::transient;
    default:
      return Fault::refused;
  }
}

Error errno_error(int error_number, std::string_view doing_what) {
  char text[128];
  const char* reason = ::strerror_r(error_number, text, sizeof text);
  return make_error(fault_of_errno(error_number), "cannot {}: {}", doing_what, reason);
}

void check_failed(std::string_view condition, std::source_location where) {
  std::fprintf(stderr, "sluice: internal error at %s:%u: %.*s\n", where.file_name(), where.line(),
               static_cast<int>(condition.size()), condition.data());
  std::abort();
}

}  // namespace sluice
