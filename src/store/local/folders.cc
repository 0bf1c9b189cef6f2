#include "store/local/folders.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "store/local/errors.h"

namespace sluice::local {
namespace {

// With more than this to make durable, one flush of the whole file system is cheaper: a flush of the disk for each
// costs 1 to 10 ms, and an fsync asks for one even when the journal has it already.
constexpr size_t kSyncfsFrom = 16;

struct Descriptor {
  explicit Descriptor(const std::string& path) : fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int fd;
};

// A file that was published since is durable by its folder's name and by fsync under the new one; a folder that is gone
// has no names to lose. Both are left to publish(), which notices what has perished.
Result<void> sync_one(const std::string& path) {
  Descriptor opened(path);
  if (opened.fd < 0 && errno == ENOENT) return {};
  if (opened.fd < 0) return path_error(errno, "make durable", path);
  // EINVAL: a file system that has no fsync for folders (some FUSE and network ones) makes names durable by itself.
  if (::fsync(opened.fd) != 0 && errno != EINVAL) return path_error(errno, "make durable", path);
  return {};
}

Result<void> sync_file_systems(const std::set<std::string>& paths) {
  std::set<dev_t> done;
  for (const auto& path : paths) {
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0 || !done.insert(status.st_dev).second) continue;
    Descriptor opened(path);
    if (opened.fd < 0) return path_error(errno, "make durable", path);
    if (::syncfs(opened.fd) != 0) return path_error(errno, "make durable what was written beside", path);
  }
  return {};
}

// Creates missing folders from the top; adds the parent of each new one to `parents`.
Result<void> create_all(const std::string& folder, std::set<std::string>& parents) {
  if (::mkdir(folder.c_str(), 0777) == 0) {
    parents.insert(folder_of(folder));
    return {};
  }
  if (errno == EEXIST) {
    struct stat status = {};
    if (::stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
    return refused("cannot create the folder {}: a file of that name is in the way", folder);
  }
  if (errno != ENOENT) return path_error(errno, "create the folder", folder);
  TRY(create_all(folder_of(folder), parents));
  if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) return path_error(errno, "create the folder", folder);
  parents.insert(folder_of(folder));
  return {};
}

}  // namespace

Result<void> Folders::create(const std::string& folder) {
  std::lock_guard lock(mutex_);
  if (known_.contains(folder)) return {};
  TRY(create_all(folder, dirty_));
  known_.insert(folder);
  return {};
}

void Folders::forget(const std::string& folder) {
  std::lock_guard lock(mutex_);
  known_.erase(folder);
}

void Folders::touch(const std::string& folder) {
  std::lock_guard lock(mutex_);
  dirty_.insert(folder);
}

void Folders::touch_file(const std::string& file) { touch(file); }

// On an error everything stays on the list. Other threads may go on meanwhile: what they add is for the next sync.
Result<void> Folders::sync() {
  std::set<std::string> paths;
  {
    std::lock_guard lock(mutex_);
    paths.swap(dirty_);
  }
  auto synced = [&]() -> Result<void> {
    if (paths.size() >= kSyncfsFrom) return sync_file_systems(paths);
    for (const auto& path : paths) TRY(sync_one(path));
    return {};
  }();
  if (!synced.ok()) {
    std::lock_guard lock(mutex_);
    dirty_.merge(paths);
  }
  return synced;
}

}  // namespace sluice::local
