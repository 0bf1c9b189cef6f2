// Making finished uploads visible, by rename; and the token that says which.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "port/store.h"
#include "store/local/folders.h"

namespace sluice::local {

// What publishing takes, as JSON: {"path":…,"temp":…,"bytes":…,"inode":…,"modified_ns":…,"if_exists":"fail"}.
// Size, inode and time of change tell our published file from a foreign one of the same name after a crash. (The device
// number does not: it may change when the machine restarts.)
struct Token {
  std::string path;
  std::string temp;
  int64_t bytes = 0;
  uint64_t inode = 0;
  int64_t modified_ns = 0;
  IfExists if_exists = IfExists::fail;
};
std::string render(const Token& token);
Result<Token> parse_token(const std::string& text);

// A path that JSON cannot carry (not UTF-8) is Fault::user.
Result<void> refuse_unprintable(const std::string& path);

// See Store::publish. The names' durability is left to folders.sync().
Result<void> publish_file(Folders& folders, const std::string& token);
// Removes the temporary file; fine when it is gone. What is published stays.
Result<void> discard_file(const std::string& token);

}  // namespace sluice::local
