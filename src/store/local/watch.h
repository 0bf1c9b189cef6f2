// Notices that something changed below a folder: inotify, or the clock where that cannot work.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/result.h"
#include "port/context.h"

namespace sluice::local {

// Watches one pattern from its construction on. One thread at a time.
class Watch {
 public:
  enum class Notice : uint8_t { by_file_system, never };  // never: it polls, whatever the file system
  // `folder` need not exist: then the nearest folder above it is watched. `recursive`: the folders below it, too.
  Watch(std::string folder, bool recursive, Notice notice = Notice::by_file_system);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Returns soon after a change, at the deadline, or when stop is requested. It may return without any change.
  Result<void> wait(Context& context, Deadline deadline);

  // For tests and for `explain`: false where it polls.
  [[nodiscard]] bool notified() const { return fd_ >= 0; }

 private:
  void start();
  void stop();
  void add(const std::string& folder, bool below);
  void add_outer(const std::string& folder, std::string_view name);
  bool drain();

  const std::string folder_;
  const bool recursive_;
  const Notice notice_;
  int fd_ = -1;                    // -1: polling
  std::unordered_set<int> inner_;  // watch descriptors of the folder and those below it
  int outer_ = -1;                 // that of the nearest folder above, where only `outer_name_` is of interest
  std::string outer_name_;
};

// True for file systems whose other clients' changes the kernel does not tell us: NFS, SMB, FUSE, 9p, Ceph, Lustre.
bool is_network_file_system(const std::string& folder);
// The same by the magic number that statfs(2) gives such a file system.
bool is_network_magic(uint32_t magic);

}  // namespace sluice::local
