#include "sql/spill_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

namespace sluice::sql {
namespace {

constexpr std::string_view kPrefix = "sluice-spill-";

std::string read_all(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// proc(5): the second field is the program's name in parentheses, which may hold anything; the 22nd is the start.
std::optional<unsigned long long> start_of(long process) {
  auto text = read_all(fmt::format("/proc/{}/stat", process));
  auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  for (int number = 3; number <= 22; ++number) fields >> field;
  unsigned long long started = 0;
  auto [end, failed] = std::from_chars(field.data(), field.data() + field.size(), started);
  if (failed != std::errc() || end != field.data() + field.size()) return std::nullopt;
  return started;
}

template <typename Number>
bool take_number(std::string_view& text, Number& number) {
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end == text.data() + text.size() || *end != '-') return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()) + 1);
  return true;
}

std::string base_folder() {
  std::error_code failed;
  auto base = std::filesystem::temp_directory_path(failed);
  return failed ? "." : base.string();
}

std::atomic<int> last_number{0};

}  // namespace

SpillOwner spill_owner() {
  SpillOwner owner;
  owner.process = ::getpid();
  owner.started = start_of(owner.process).value_or(0);
  std::error_code ignored;
  auto container = std::filesystem::read_symlink("/proc/self/ns/pid", ignored).string();
  auto where = std::hash<std::string>()(read_all("/proc/sys/kernel/random/boot_id") + container);
  owner.where = fmt::format("{:016x}", where);
  return owner;
}

std::string spill_name(const SpillOwner& owner, int number) {
  return fmt::format("{}{}-{}-{}-{}", kPrefix, owner.process, owner.started, owner.where, number);
}

bool parse_spill_name(std::string_view name, SpillOwner& owner) {
  if (!name.starts_with(kPrefix)) return false;
  name.remove_prefix(kPrefix.size());
  if (!take_number(name, owner.process) || !take_number(name, owner.started)) return false;
  auto dash = name.find('-');
  if (dash == std::string_view::npos || dash + 1 == name.size()) return false;
  owner.where = name.substr(0, dash);
  return name.find_first_not_of("0123456789", dash + 1) == std::string_view::npos;
}

void sweep_spill_folders(const std::string& folder) {
  const auto self = spill_owner();
  std::error_code failed;
  for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    SpillOwner owner;
    if (!parse_spill_name(entry->path().filename().string(), owner) || owner.where != self.where) continue;
    if (owner.started == 0 || start_of(owner.process) == owner.started) continue;
    // The place is everybody's: only a folder, not a link to one, and only our own.
    struct stat status = {};
    if (::lstat(entry->path().c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != ::geteuid()) {
      continue;
    }
    std::error_code ignored;
    std::filesystem::remove_all(entry->path(), ignored);
  }
}

std::string new_spill_folder() {
  auto base = base_folder();
  sweep_spill_folders(base);
  return (std::filesystem::path(base) / spill_name(spill_owner(), ++last_number)).string();
}

}  // namespace sluice::sql
