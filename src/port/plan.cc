#include "port/plan.h"

#include <filesystem>

#include "port/glob.h"

namespace sluice {
namespace {

std::string from_the_root(std::string path) {
  std::error_code error;
  const std::string here = std::filesystem::current_path(error).string();
  if (error || here.empty() || has_wildcard(here)) return path;  // the folder's name would be taken for a pattern
  while (path.starts_with("./")) path.erase(0, 2);
  return (here == "/" ? here : here + '/') + path;
}

}  // namespace

std::string Endpoint::uri() const {
  Location location = request.location;
  for (const auto& [name, option] : request.options) location.params[name] = option;
  return location.redacted();
}

std::string Endpoint::lasting_uri() const {
  Endpoint lasting = *this;
  Location& location = lasting.request.location;
  const bool local = location.scheme == "file" || location.scheme == "sqlite";
  if (local && !location.path.starts_with('/')) location.path = from_the_root(location.path);
  return lasting.uri();
}

}  // namespace sluice
