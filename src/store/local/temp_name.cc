#include "store/local/temp_name.h"

namespace sluice::local {
namespace {

constexpr std::string_view kPrefix = ".sluice-";
constexpr std::string_view kSuffix = ".tmp";
constexpr size_t kNameMax = 255;  // NAME_MAX of every Linux file system

bool is_plain(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<std::string> temp_name(std::string_view owner, uint64_t random) {
  std::string name(kPrefix);
  for (unsigned char c : owner) {
    if (is_plain(c)) {
      name += static_cast<char>(c);
    } else if (c == '/') {
      name += '~';
    } else {
      name += fmt::format("%{:02X}", c);
    }
  }
  name += fmt::format("-{:016x}{}", random, kSuffix);
  if (name.size() > kNameMax) {
    return user_error("the pipeline's name '{}' is too long for a temporary file's name; choose a shorter one", owner);
  }
  return name;
}

std::optional<std::string> owner_of(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  name.remove_suffix(std::min(kSuffix.size(), name.size()));
  auto dash = name.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  std::string owner;
  for (size_t i = 0; i < dash; ++i) {
    if (name[i] == '~') {
      owner += '/';
    } else if (name[i] != '%') {
      owner += name[i];
    } else {
      if (i + 2 >= dash) return std::nullopt;
      int high = hex_digit(name[i + 1]);
      int low = hex_digit(name[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      owner += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return owner;
}

}  // namespace sluice::local
