#include "store/local/errors.h"

#include <cerrno>

#include <arrow/util/io_util.h>

namespace sluice::local {
namespace {

// What to do about it, where the system's own words do not say.
std::string_view advice(int error_number) {
  switch (error_number) {
    case ENOSPC:
      return "; free some space there and run it again";
    case EDQUOT:
      return "; free some of the quota there and run it again";
    case EROFS:
      return "; write somewhere else or remount it writable";
    case EACCES:
    case EPERM:
      return "; give this user the permission";
    case EMFILE:
    case ENFILE:
      return "; raise the limit (ulimit -n)";
    default:
      return "";
  }
}

}  // namespace

Error path_error(int error_number, std::string_view doing, const std::string& path) {
  Error error = errno_error(error_number, fmt::format("{} {}", doing, path));
  error.what += advice(error_number);
  return error;
}

arrow::Status path_status(int error_number, std::string_view doing, const std::string& path) {
  return arrow::internal::StatusFromErrno(error_number, arrow::StatusCode::IOError,
                                          path_error(error_number, doing, path).what);
}

std::string folder_of(const std::string& path) {
  auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) {
  auto slash = path.find_last_of('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace sluice::local
