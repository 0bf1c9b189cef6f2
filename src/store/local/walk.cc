#include "store/local/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "port/glob.h"
#include "store/local/errors.h"
#include "store/local/temp_name.h"

namespace sluice::local {
namespace {

struct Entry {
  std::string name;
  unsigned char type;  // DT_REG, DT_DIR, DT_LNK, DT_UNKNOWN, …
};

struct CloseFolder {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using OpenFolder = std::unique_ptr<DIR, CloseFolder>;

// The entries of a folder, unsorted. nullopt when the folder is gone: it vanished after its name was read. With
// `opened` it stays open: looking at an entry from there spares the kernel the way down to it.
Result<std::optional<std::vector<Entry>>> read_folder(const std::string& path, OpenFolder* opened = nullptr) {
  OpenFolder dir(::opendir(path.c_str()));
  if (dir == nullptr) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return path_error(errno, "list the folder", path);
  }
  std::vector<Entry> entries;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") entries.push_back({std::string(name), entry->d_type});
  }
  if (errno != 0) return path_error(errno, "list the folder", path);
  if (opened != nullptr) *opened = std::move(dir);
  return std::optional(std::move(entries));
}

std::string join(const std::string& folder, std::string_view name) {
  std::string path;
  path.reserve(folder.size() + 1 + name.size());
  path += folder;
  if (folder != "/") path += '/';
  path += name;
  return path;
}

ObjectInfo describe(std::string path, const struct stat& status) {
  ObjectInfo info;
  info.path = std::move(path);
  info.bytes = status.st_size;
  info.modified =
      WallTime(std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::microseconds(status.st_mtim.tv_nsec / 1000));
  info.version = fmt::format("{}:{}", status.st_dev, status.st_ino);
  return info;
}

// Everything, or what was found until it was enough, and the folders that were met then.
struct Found {
  std::vector<ObjectInfo> objects;
  std::vector<std::string> folders;
  bool complete = true;
};

// How far a walk goes.
struct Extent {
  size_t enough = SIZE_MAX;                        // files
  std::vector<std::string>* unreadable = nullptr;  // takes the folders that may not be read; null: they are an error
};

// One walk over the folders that the pattern can match.
class Walk {
 public:
  using States = GlobStates;

  Walk(const Context& context, const Glob& glob, const KeepFolder& keep_folder, const Extent& extent)
      : context_(context),
        glob_(glob),
        keep_folder_(keep_folder),
        enough_(extent.enough),
        unreadable_(extent.unreadable) {}

  Result<Found> run() {
    pending_.push_back({glob_.root, start_of(glob_)});
    // Folders behind symbolic links come last, so that the way without links is the one that counts.
    while (!pending_.empty() || !linked_.empty()) {
      if (found_.objects.size() >= enough_) {
        found_.complete = false;
        break;
      }
      auto& queue = pending_.empty() ? linked_ : pending_;
      Folder folder = std::move(queue.front());
      queue.pop_front();
      TRY(visit(folder));
    }
    std::sort(found_.objects.begin(), found_.objects.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    return std::move(found_);
  }

 private:
  struct Folder {
    std::string path;
    States states;
  };

  // Drops the states whose rest of the pattern was already looked for in this folder, come by whichever way.
  void drop_seen(const struct stat& status, States& states) {
    auto& seen = visited_[{status.st_dev, status.st_ino}];
    std::erase_if(states, [&](const GlobState& state) {
      std::string rest;
      const auto& parts = glob_.alternatives[state.alternative].components;
      for (size_t i = state.component; i < parts.size(); ++i) rest += '/' + parts[i];
      // Two alternatives may share their rest within one visit; follow() counts a file once.
      return !seen.insert(std::move(rest)).second;
    });
  }

  Result<void> visit(Folder& folder) {
    if (context_.stop.stop_requested()) return cancelled();
    struct stat own = {};
    if (::stat(folder.path.c_str(), &own) != 0) {
      if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return {};
      auto error = path_error(errno, "list the folder", folder.path);
      if (leave_out(folder.path)) return {};
      return error;
    }
    drop_seen(own, folder.states);
    if (folder.states.empty()) return {};
    OpenFolder opened;
    auto read = read_folder(folder.path, &opened);
    if (!read.ok() && leave_out(folder.path)) return {};
    const auto entries = TRY(std::move(read));
    if (!entries) return {};
    for (auto& entry : *entries) {
      if (owner_of(entry.name)) continue;
      auto [next, wanted] = follow(glob_, folder.states, entry.name);
      if (!wanted && next.empty()) continue;
      if (!wanted && entry.type != DT_DIR && entry.type != DT_LNK && entry.type != DT_UNKNOWN) continue;
      auto taken = take(::dirfd(opened.get()), entry, join(folder.path, entry.name), std::move(next), wanted);
      if (taken.ok()) continue;
      // A folder whose names may be read and nothing else.
      if (leave_out(folder.path)) break;
      return taken;
    }
    return {};
  }

  // Whether this folder may not be read, and may be left out.
  bool leave_out(const std::string& folder) {
    if (unreadable_ == nullptr || folder == glob_.root) return false;
    if (::faccessat(AT_FDCWD, folder.c_str(), R_OK | X_OK, AT_EACCESS) == 0 || errno != EACCES) return false;
    unreadable_->push_back(folder);
    return true;
  }

  Result<void> take(int folder, const Entry& entry, std::string path, States next, bool wanted) {
    if (entry.type == DT_DIR) return enter(std::move(path), std::move(next), false), Result<void>();
    struct stat status = {};
    if (::fstatat(folder, entry.name.c_str(), &status, 0) != 0) {
      // Gone since the folder was read, a dangling link, or a link in a circle: no file.
      if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return {};
      return path_error(errno, "read", path);
    }
    if (S_ISDIR(status.st_mode)) {
      enter(std::move(path), std::move(next), entry.type == DT_LNK);
    } else if (S_ISREG(status.st_mode) && wanted) {
      found_.objects.push_back(describe(std::move(path), status));
    }
    return {};
  }

  void enter(std::string path, States next, bool through_link) {
    if (next.empty() || (keep_folder_ && !keep_folder_(path))) return;
    if (enough_ < SIZE_MAX) found_.folders.push_back(path);
    (through_link ? linked_ : pending_).push_back({std::move(path), std::move(next)});
  }

  const Context& context_;
  const Glob& glob_;
  const KeepFolder& keep_folder_;
  std::deque<Folder> pending_;
  std::deque<Folder> linked_;
  const size_t enough_;
  std::vector<std::string>* const unreadable_;
  std::map<std::pair<dev_t, ino_t>, std::set<std::string>> visited_;
  Found found_;
};

Result<Found> list_folder(const Context& context, std::string folder, bool recursive, const KeepFolder& keep_folder,
                          const Extent& extent) {
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  Glob glob{std::move(folder), {{{recursive ? "**" : "*"}}}};
  return Walk(context, glob, keep_folder, extent).run();
}

Result<Found> find_files(const Context& context, const std::string& pattern, bool recursive,
                         const KeepFolder& keep_folder, const Extent& extent) {
  struct stat status = {};
  bool exists = ::stat(pattern.c_str(), &status) == 0;
  if (!exists && !has_wildcard(pattern)) {
    if (errno == ENOENT || errno == ENOTDIR) return user_error("{} does not exist", pattern);
    return path_error(errno, "read", pattern);
  }
  if (exists && S_ISDIR(status.st_mode)) return list_folder(context, pattern, recursive, keep_folder, extent);
  if (exists && !S_ISREG(status.st_mode)) return user_error("{} is neither a file nor a folder", pattern);
  if (!has_wildcard(pattern)) return Found{{describe(pattern, status)}, {}, true};

  auto glob = TRY(parse_glob(pattern));
  if (recursive) make_recursive(glob);
  auto found = TRY(Walk(context, glob, keep_folder, extent).run());
  // A file may bear the pattern's very text as its name: a[1].json matches the pattern a1.json only.
  auto& objects = found.objects;
  bool listed =
      std::any_of(objects.begin(), objects.end(), [&](const ObjectInfo& info) { return info.path == pattern; });
  if (exists && !listed) {
    auto info = describe(pattern, status);
    auto place = std::lower_bound(objects.begin(), objects.end(), info,
                                  [](const ObjectInfo& a, const ObjectInfo& b) { return a.path < b.path; });
    objects.insert(place, std::move(info));
  }
  return found;
}

}  // namespace

Result<std::vector<ObjectInfo>> list_files(const Context& context, const std::string& pattern, bool recursive,
                                           const KeepFolder& keep_folder, std::vector<std::string>* unreadable) {
  return TRY(find_files(context, pattern, recursive, keep_folder, {.unreadable = unreadable})).objects;
}

Result<Store::Sample> sample_files(const Context& context, const std::string& pattern, bool recursive) {
  constexpr size_t kEnough = 4000;
  auto found = TRY(find_files(context, pattern, recursive, {}, {.enough = kEnough}));
  return Store::Sample{std::move(found.objects), std::move(found.folders), found.complete};
}

Result<std::optional<ObjectInfo>> stat_file(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return path_error(errno, "read", path);
  }
  return std::optional(describe(path, status));
}

Result<void> find_temp_files(const Context& context, const std::string& folder, bool recursive,
                             const std::function<Result<void>(const std::string& path)>& found) {
  std::vector<std::string> pending = {folder};
  while (!pending.empty()) {
    if (context.stop.stop_requested()) return cancelled();
    std::string path = std::move(pending.back());
    pending.pop_back();
    // What we may not look into, such as lost+found, holds nothing that we wrote.
    if (::faccessat(AT_FDCWD, path.c_str(), R_OK | X_OK, AT_EACCESS) != 0 && errno == EACCES) continue;
    auto entries = TRY(read_folder(path));
    if (!entries) continue;
    for (const auto& entry : *entries) {
      if (owner_of(entry.name)) {
        TRY(found(join(path, entry.name)));
        continue;
      }
      bool below = entry.type == DT_DIR;
      if (entry.type == DT_UNKNOWN) {
        struct stat status = {};
        below = ::lstat(join(path, entry.name).c_str(), &status) == 0 && S_ISDIR(status.st_mode);
      }
      if (recursive && below) pending.push_back(join(path, entry.name));
    }
  }
  return {};
}

}  // namespace sluice::local
