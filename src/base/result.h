// Errors as values: Result<T> and Error are the public API's (sluice/result.h); this is what our own code makes and
// passes them on with. Exceptions of libraries are caught at their edge.
#pragma once

#include <source_location>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "sluice/result.h"

namespace sluice {

template <typename... Args>
Error make_error(Fault fault, fmt::format_string<Args...> format, Args&&... args) {
  return Error{fault, fmt::format(format, std::forward<Args>(args)...), {}};
}
template <typename... Args>
Error user_error(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(Fault::user, format, std::forward<Args>(args)...);
}
template <typename... Args>
Error refused(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(Fault::refused, format, std::forward<Args>(args)...);
}
template <typename... Args>
Error transient(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(Fault::transient, format, std::forward<Args>(args)...);
}
template <typename... Args>
Error bug(fmt::format_string<Args...> format, Args&&... args) {
  return make_error(Fault::bug, format, std::forward<Args>(args)...);
}
inline Error cancelled() { return Error{Fault::cancelled, "stopped on request", {}}; }

// A failed system call: the errno becomes a sentence and a Fault (ENOENT: user, EACCES/EROFS/ENOSPC: refused,
// EINTR/EAGAIN: transient, …).
Error errno_error(int error_number, std::string_view doing_what);

}  // namespace sluice

// auto x = TRY(expression): the value, or return its error from the enclosing function. (A GNU statement expression:
// g++ and clang both have it, and nothing else reads as well.)
#define TRY(...)                                                  \
  __extension__({                                                 \
    auto&& sluice_try_ = (__VA_ARGS__);                           \
    if (!sluice_try_.ok()) return std::move(sluice_try_).error(); \
    std::move(sluice_try_).value();                               \
  })

// For our own invariants. What the world can break is an Error.
#define CHECK(condition)                                                                   \
  do {                                                                                     \
    if (!(condition)) ::sluice::check_failed(#condition, std::source_location::current()); \
  } while (false)
