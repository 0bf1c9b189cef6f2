#include "store/local/watch.h"

#include <dirent.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "store/local/errors.h"
#include "store/local/temp_name.h"

namespace sluice::local {
namespace {

constexpr uint32_t kMask = IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                           IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR | IN_EXCL_UNLINK;
constexpr Millis kPollEvery{1000};      // where there is no notification
constexpr Millis kStopCheck{200};       // how soon a requested stop is noticed
constexpr Millis kSettle{20};           // a burst of events is one change
constexpr size_t kFoldersMax = 50'000;  // beyond it the kernel's limit is near: poll

bool exists_as_folder(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::vector<std::string> folders_in(const std::string& folder) {
  std::vector<std::string> below;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return below;
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_name[0] == '.' || entry->d_name[0] == '_') continue;
    if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) continue;
    std::string path = (folder == "/" ? "" : folder) + '/' + entry->d_name;
    if (entry->d_type == DT_DIR || exists_as_folder(path)) below.push_back(std::move(path));
  }
  ::closedir(dir);
  return below;
}

}  // namespace

bool is_network_magic(uint32_t magic) {
  // statfs(2) lists the magic numbers.
  constexpr std::array<uint32_t, 9> kNetwork = {0x6969,       // NFS
                                                0x517B,       // SMB
                                                0xFE534D42,   // SMB2
                                                0xFF534D42,   // CIFS
                                                0x65735546,   // FUSE
                                                0x01021997,   // 9p
                                                0x00C36400,   // Ceph
                                                0x0BD00BD0,   // Lustre
                                                0x5346414F};  // AFS
  return std::find(kNetwork.begin(), kNetwork.end(), magic) != kNetwork.end();
}

bool is_network_file_system(const std::string& folder) {
  struct statfs status = {};
  return ::statfs(folder.c_str(), &status) == 0 && is_network_magic(static_cast<uint32_t>(status.f_type));
}

Watch::Watch(std::string folder, bool recursive, Notice notice)
    : folder_(std::move(folder)), recursive_(recursive), notice_(notice) {
  start();
}

Watch::~Watch() { stop(); }

void Watch::start() {
  if (notice_ == Notice::never) return;
  std::string nearest = folder_;
  std::string_view missing;  // the name to wait for in `nearest`
  while (nearest.size() > 1 && !exists_as_folder(nearest)) {
    missing = std::string_view(folder_).substr(0, nearest.size());
    nearest = folder_of(nearest);
  }
  if (is_network_file_system(nearest)) return;
  fd_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd_ < 0) return;
  if (nearest != folder_) return add_outer(nearest, name_of(missing));
  // Above it, too: the folder may be moved away and made anew.
  if (folder_.size() > 1) add_outer(folder_of(folder_), name_of(folder_));
  if (fd_ >= 0) add(folder_, recursive_);
}

void Watch::stop() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  inner_.clear();
  outer_ = -1;
}

void Watch::add_outer(const std::string& folder, std::string_view name) {
  outer_ = ::inotify_add_watch(fd_, folder.c_str(), kMask);
  outer_name_ = name;
  if (outer_ < 0 && errno != ENOENT && errno != ENOTDIR && errno != EACCES) stop();
}

// Any failure but a vanished folder means polling: out of watches (fs.inotify.max_user_watches) or no permission.
void Watch::add(const std::string& folder, bool below) {
  std::vector<std::string> pending = {folder};
  while (!pending.empty()) {
    std::string path = std::move(pending.back());
    pending.pop_back();
    int descriptor = ::inotify_add_watch(fd_, path.c_str(), kMask);
    if (descriptor < 0 && (errno == ENOENT || errno == ENOTDIR)) continue;
    if (descriptor < 0 || inner_.size() >= kFoldersMax) return stop();
    inner_.insert(descriptor);
    if (!below) continue;
    auto more = folders_in(path);
    pending.insert(pending.end(), more.begin(), more.end());
  }
}

// Reads what events there are; true when one of them matters. Not without end: somebody may write beside the watched
// folder faster than we read about it.
bool Watch::drain() {
  constexpr int kReadsMax = 64;
  constexpr uint32_t kMoved = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM;
  alignas(inotify_event) std::array<char, 64 << 10> buffer;
  bool changed = false;
  bool rebuild = false;
  for (int reads = 0; reads < kReadsMax; ++reads) {
    ssize_t n = ::read(fd_, buffer.data(), buffer.size());
    if (n <= 0) break;
    for (ssize_t at = 0; at < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      std::string_view name = event->len > 0 ? event->name : "";
      bool lost = (event->mask & IN_Q_OVERFLOW) != 0;
      bool inner = inner_.contains(event->wd);
      bool outer = event->wd == outer_ && (name == outer_name_ || name.empty());
      if (!lost && !inner && !outer) continue;
      if (owner_of(name)) continue;  // an upload beside the files we wait for
      changed = true;
      // Events were lost, or the watched folders are no longer those there are: watch everything anew.
      bool self = (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0;
      bool folder_event = (event->mask & IN_ISDIR) != 0 && (event->mask & kMoved) != 0;
      rebuild = rebuild || lost || self || (folder_event && (outer || recursive_));
    }
  }
  if (rebuild) {
    stop();
    start();
  }
  return changed;
}

Result<void> Watch::wait(Context& context, Deadline deadline) {
  if (fd_ < 0) {
    auto now = context.clock.steady();
    auto until = std::min(deadline, now + kPollEvery);
    if (until > now) context.clock.sleep(std::chrono::ceil<Millis>(until - now), context.stop);
    return {};
  }
  while (!context.stop.stop_requested()) {
    auto left = std::chrono::ceil<Millis>(deadline - context.clock.steady());
    if (left.count() <= 0) return {};
    pollfd ready = {fd_, POLLIN, 0};
    int n = ::poll(&ready, 1, static_cast<int>(std::min(left, kStopCheck).count()));
    if (n < 0 && errno != EINTR) return errno_error(errno, "wait for changes in " + folder_);
    if (n <= 0) continue;
    if (!drain()) continue;
    context.clock.sleep(std::min(kSettle, left), context.stop);
    if (fd_ >= 0) drain();
    return {};
  }
  return {};
}

}  // namespace sluice::local
