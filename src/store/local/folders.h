// Folders are created on demand, and the names in a folder are durable only after an fsync of it: this keeps track, and
// of files whose bytes may still be on their way to the disk.
#pragma once

#include <mutex>
#include <set>
#include <string>

#include "base/result.h"

namespace sluice::local {

// Thread-safe. Each folder is fsynced once, however many names changed in it; many at once share one syncfs.
class Folders {
 public:
  // Creates `folder` and its parents where they are missing.
  Result<void> create(const std::string& folder);
  // The folder turned out to be gone: the next create() looks again.
  void forget(const std::string& folder);
  // A name in `folder` was created or removed.
  void touch(const std::string& folder);
  // The bytes of `file` are written but not durable.
  void touch_file(const std::string& file);
  // Makes all names and bytes durable.
  Result<void> sync();

 private:
  std::mutex mutex_;
  std::set<std::string> known_;  // folders seen to exist, so that 10,000 files in one cost one look
  std::set<std::string> dirty_;  // folders and files to make durable
};

}  // namespace sluice::local
