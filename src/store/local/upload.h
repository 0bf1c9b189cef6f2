// A file being written: a hidden temporary file beside its target.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/result.h"
#include "port/store.h"
#include "store/local/folders.h"

namespace sluice::local {

// What the uploads of one store share. Outlives them.
struct Uploads {
  Folders folders;
  std::atomic<int> open{0};         // uploads alive
  std::atomic<int> descriptors{0};  // of them, those that keep their file open
};

// Creates the folder and the temporary file, so that a place that cannot be written to shows at once.
Result<std::unique_ptr<Upload>> begin_upload(std::shared_ptr<Uploads> uploads, const std::string& path,
                                             const std::string& owner, IfExists if_exists);

}  // namespace sluice::local
