// Where a sink writes and how it names its files.
#pragma once

#include <atomic>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connector/file/endpoint.h"
#include "connector/file/layout.h"
#include "port/sink.h"

namespace sluice::file {

class Gathering;

struct Rotation {
  int64_t rows = INT64_MAX;
  int64_t bytes = INT64_MAX;
  Millis age = kNever;
  Millis idle = kNever;

  static constexpr Millis kNever = std::chrono::hours(24 * 365 * 100);
};

// The old files of all targets that are replaced: the next commit removes them, with whatever it publishes. Whichever
// lane comes first takes them into its part of the epoch; they come back when that is discarded. Thread-safe.
class Replaced {
 public:
  void add(std::vector<std::string> paths) {
    std::lock_guard lock(mutex_);
    std::move(paths.begin(), paths.end(), std::back_inserter(paths_));
  }
  std::vector<std::string> take() {
    std::lock_guard lock(mutex_);
    return std::exchange(paths_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> paths_;
};

// Shared by the sink and its writers and committer.
struct Target {
  std::shared_ptr<const Endpoint> endpoint;  // of all tables
  bool exact = false;                        // `path` is the one file; else a folder, without trailing slash
  std::string path;
  Codec codec = Codec::none;
  std::string extension;   // ".jsonl.gz"; folders only
  std::string collection;  // empty: the table's name
  std::vector<std::string> partition_by;
  Layout layout;  // where neither an exact name nor partition_by says more
  Rotation rotation;
  size_t max_open_files = 64;
  IfExists if_exists = IfExists::fail;
  bool replaces = false;  // a folder, by `if_exists`: its old files go once the new ones are complete
  std::shared_ptr<Replaced> replaced = std::make_shared<Replaced>();
  std::shared_ptr<Gathering> gathering;  // of the writers of partitions
  // What the open files of all tables hold in memory, where there may be several; else null.
  std::shared_ptr<std::atomic<int64_t>> buffered;
  SchemaPtr schema;      // as opened; for an exact file without rows
  bool opened = false;   // `if_exists` was asked
  bool resumed = false;  // an earlier run of this statement has delivered: its exact file is there, whole
};

// Where the rows come from that a file begins with: with the pipeline's name it makes the file's name repeatable.
struct FirstRow {
  std::string split;
  std::string position;
};

// Names files in a folder as the target's layout says, with a suffix that is a hash of pipeline, first row and a part
// number: unique, and the same when the same rows are written again. One per writer.
class FileNames {
 public:
  FileNames(const Target& target, std::string pipeline, int lane)
      : target_(target), pipeline_(std::move(pipeline)), lane_(lane) {}

  // `folders` is empty, "a=1/b=2" or "2025/01/15/10"; `timestamp` that of the file's first row. Taken names (after
  // `sluice reset`) are passed over.
  Result<std::string> next(Context& context, const std::string& folders, const std::string& table,
                           const FirstRow& first, WallTime timestamp);

 private:
  const Target& target_;
  const std::string pipeline_;
  const int lane_;
  FirstRow last_;
  uint64_t part_ = 0;  // since the first row changed; where rows name no position, since the writer began
};

}  // namespace sluice::file
