#include "store/local/publish.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "store/local/errors.h"

namespace sluice::local {
namespace {

using nlohmann::json;

enum class AtTarget { nothing, ours, foreign };

Result<AtTarget> look_at_target(const Token& token) {
  struct stat status = {};
  if (::lstat(token.path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return AtTarget::nothing;
    return path_error(errno, "look at", token.path);
  }
  int64_t modified_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
  bool ours = S_ISREG(status.st_mode) && status.st_size == token.bytes &&
              (status.st_ino == token.inode || modified_ns == token.modified_ns);
  return ours ? AtTarget::ours : AtTarget::foreign;
}

Error exists_already(const Token& token) {
  return refused("{} exists already and is not this pipeline's; move it away, or write to another place", token.path);
}

Result<void> remove_temp(const Token& token) {
  if (::unlink(token.temp.c_str()) != 0 && errno != ENOENT) return path_error(errno, "remove", token.temp);
  return {};
}

// The temporary file is not there: either an earlier publish() got through, or it has been deleted.
Result<void> published_before(const Token& token) {
  switch (TRY(look_at_target(token))) {
    case AtTarget::ours:
      return {};
    case AtTarget::nothing:
      return refused("prepared data has perished: {} was to become {}, and neither is there", token.temp, token.path);
    case AtTarget::foreign:
      return refused("prepared data has perished: {} was to become {}, which is now another file", token.temp,
                     token.path);
  }
  return {};
}

// What stands at the target was there first.
Result<void> target_taken(const Token& token) {
  if (TRY(look_at_target(token)) != AtTarget::ours) return exists_already(token);
  return remove_temp(token);  // a crash fell between link() and unlink()
}

// For file systems without RENAME_NOREPLACE (NFS, some FUSE): a hard link fails when the name is taken, too.
Result<void> publish_by_link(const Token& token) {
  if (::link(token.temp.c_str(), token.path.c_str()) == 0) return remove_temp(token);
  if (errno == EEXIST) return target_taken(token);
  if (errno == ENOENT) return published_before(token);
  if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK) {
    return path_error(errno, "publish", token.path);
  }
  // Neither there (FAT, some network shares): look, then rename. Only another writer at this very moment can interfere.
  if (TRY(look_at_target(token)) != AtTarget::nothing) return target_taken(token);
  if (::rename(token.temp.c_str(), token.path.c_str()) == 0) return {};
  if (errno == ENOENT) return published_before(token);
  return path_error(errno, "publish", token.path);
}

Result<void> publish_new(const Token& token) {
  if (::renameat2(AT_FDCWD, token.temp.c_str(), AT_FDCWD, token.path.c_str(), RENAME_NOREPLACE) == 0) return {};
  switch (errno) {
    case EEXIST:
      return target_taken(token);
    case ENOENT:
      return published_before(token);
    case EINVAL:
    case ENOSYS:
    case EOPNOTSUPP:
      return publish_by_link(token);
    default:
      return path_error(errno, "publish", token.path);
  }
}

Result<void> publish_over(const Token& token) {
  if (::rename(token.temp.c_str(), token.path.c_str()) == 0) return {};
  if (errno == ENOENT) return published_before(token);
  if (errno == EISDIR || errno == ENOTEMPTY || errno == EEXIST) {
    return refused("cannot replace {}: it is a folder", token.path);
  }
  return path_error(errno, "replace", token.path);
}

}  // namespace

std::string render(const Token& token) {
  json text = {{"path", token.path},
               {"temp", token.temp},
               {"bytes", token.bytes},
               {"inode", token.inode},
               {"modified_ns", token.modified_ns},
               {"if_exists", token.if_exists == IfExists::fail ? "fail" : "replace"}};
  return text.dump();
}

Result<Token> parse_token(const std::string& text) {
  try {
    auto parsed = json::parse(text);
    Token token;
    parsed.at("path").get_to(token.path);
    parsed.at("temp").get_to(token.temp);
    parsed.at("bytes").get_to(token.bytes);
    parsed.at("inode").get_to(token.inode);
    parsed.at("modified_ns").get_to(token.modified_ns);
    token.if_exists = parsed.at("if_exists") == "replace" ? IfExists::replace : IfExists::fail;
    return token;
  } catch (const json::exception& e) {
    return refused("the record of an unfinished file is unreadable: {} in {}", e.what(), text);
  }
}

Result<void> refuse_unprintable(const std::string& path) {
  try {
    (void)json(path).dump();
    return {};
  } catch (const json::exception&) {
    return user_error("cannot write {}: the path is not valid UTF-8", path);
  }
}

Result<void> publish_file(Folders& folders, const std::string& text) {
  auto token = TRY(parse_token(text));
  crash_point("store.local.publish.before");
  TRY(token.if_exists == IfExists::fail ? publish_new(token) : publish_over(token));
  folders.touch(folder_of(token.path));
  crash_point("store.local.publish.after");
  return {};
}

Result<void> discard_file(const std::string& text) { return remove_temp(TRY(parse_token(text))); }

}  // namespace sluice::local
