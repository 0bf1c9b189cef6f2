#include "options/redact.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, 10> kSecretWords = {
    "secret", "token", "password", "passwd", "passphrase", "pwd", "credential", "authorization", "signature", "key"};

constexpr std::array<std::string_view, 18> kPlainKeyNames = {
    "key",         "keys",          "key_strategy", "key_column",  "key_columns", "key_field",
    "key_fields",  "key_format",    "key_schema",   "key_subject", "primary_key", "sort_key",
    "sorting_key", "partition_key", "message_key",  "unique_key",  "upsert_key",  "merge_key"};

}  // namespace

bool looks_secret(std::string_view name) {
  const std::string folded = ascii_lower(name);
  if (std::find(kPlainKeyNames.begin(), kPlainKeyNames.end(), folded) != kPlainKeyNames.end()) return false;
  return std::any_of(kSecretWords.begin(), kSecretWords.end(),
                     [&](std::string_view word) { return folded.find(word) != std::string::npos; });
}

std::string redact_urls(std::string_view text) {
  std::string out;
  while (true) {
    const size_t scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) break;
    const size_t begin = scheme_end + 3;
    out += text.substr(0, begin);
    text.remove_prefix(begin);
    // A password may hold an unencoded '/' or '@': everything up to the last '@' before a space is user and password.
    const std::string_view word = text.substr(0, text.find_first_of(" \t\r\n\"'"));
    const std::string_view one_url = word.substr(0, word.find("://"));
    const size_t at = one_url.rfind('@');
    const size_t colon = one_url.find(':');
    if (at == std::string_view::npos || colon == std::string_view::npos || colon > at) continue;
    out += text.substr(0, colon);
    out += ":***";
    text.remove_prefix(at);
  }
  out += text;
  return out;
}

std::string printable_value(std::string_view name, std::string_view value) {
  if (looks_secret(name)) return value.empty() ? "" : "***";
  return redact_urls(value);
}

}  // namespace sluice
