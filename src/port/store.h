// An object store: names to immutable bytes. Writing is two steps, so that nothing half-written is ever visible and
// a crash between them can be finished by somebody who has only the token.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <arrow/io/type_fwd.h>

#include "options/location.h"
#include "port/context.h"

namespace sluice {

struct ObjectInfo {
  std::string path;  // as the store names it: an absolute file path, "bucket/key"
  int64_t bytes = 0;
  WallTime modified;
  std::string version;  // changes when the content is replaced: "dev:inode" for files, the ETag for s3
};

// An object being written. Destroying it without finish() removes what was written.
class Upload {
 public:
  virtual ~Upload() = default;
  [[nodiscard]] virtual std::shared_ptr<arrow::io::OutputStream> stream() = 0;
  // Bytes are durable (fsync, all parts uploaded) but invisible. The token (JSON) is all publish() needs, also in
  // another process after this one died.
  virtual Result<std::string> finish(Context& context) = 0;
  // The same for one of many: durable only after the next Store::sync(), which costs one flush of the disk for all of
  // them together. The token must not be recorded before that.
  virtual Result<std::string> finish_later(Context& context) { return finish(context); }
};

enum class IfExists { fail, replace };

class Store {
 public:
  virtual ~Store() = default;
  // What ObjectInfo::version means. False: it names the object itself and survives a rename (dev:inode). True: it names
  // the content (an ETag): two objects with the same bytes may share it.
  [[nodiscard]] virtual bool version_is_content() const { return false; }
  // Objects matching the glob (*, **, ?, [a-z], {a,b}), in byte order of their paths; hidden names (first character
  // '.' or '_') below the literal part of the pattern are skipped. A literal path that does not exist is Fault::user.
  // `keep_folder` prunes: called with each folder path below the literal prefix; false skips everything below it.
  virtual Result<std::vector<ObjectInfo>> list(Context& context, const std::string& pattern, bool recursive,
                                               const std::function<bool(const std::string&)>& keep_folder) = 0;
  // Some of what list() would find, to learn from: everything where that is cheap, else objects of a few folders, old
  // and new ones. `folders`: those that were met, looked into or not.
  struct Sample {
    std::vector<ObjectInfo> objects;
    std::vector<std::string> folders;
    bool complete = true;  // `objects` are all there are
  };
  virtual Result<Sample> sample(Context& context, const std::string& pattern, bool recursive) {
    Sample all;
    all.objects = TRY(list(context, pattern, recursive, {}));
    return all;
  }
  virtual Result<std::optional<ObjectInfo>> stat(Context& context, const std::string& path) = 0;
  virtual Result<std::shared_ptr<arrow::io::RandomAccessFile>> open(Context& context, const ObjectInfo& object) = 0;
  // A hint that these objects will be opened soon, in this order: a store behind a network fetches small ones ahead, as
  // many as memory allows (calling again with what is left is cheap). Errors show when they are opened.
  virtual void prefetch(Context&, std::span<const ObjectInfo>) {}
  // Starts writing what publish() will make visible as `path`. `owner` names pipeline and generation: sweep() uses it.
  virtual Result<std::unique_ptr<Upload>> begin(Context& context, const std::string& path, const std::string& owner,
                                                IfExists if_exists) = 0;
  // Idempotent: publishing a published token succeeds. Existing content that is not ours is Fault::refused. Perished
  // temporary data is Fault::refused and says which.
  virtual Result<void> publish(Context& context, const std::string& token) = 0;
  // The same for many at once; a store behind a network overlaps them. At the first error it stops: some of the later
  // ones may be published then.
  virtual Result<void> publish_all(Context& context, std::span<const std::string> tokens) {
    for (const auto& token : tokens) TRY(publish(context, token));
    return {};
  }
  // Called once after a group of finish_later() and after a group of publishes: makes the bytes of the former and the
  // names of the latter durable.
  virtual Result<void> sync(Context& context) = 0;
  virtual Result<void> discard(Context& context, const std::string& token) = 0;
  // Removes unfinished uploads below `prefix` whose owner `is_ours` accepts, except the tokens in `keep`.
  virtual Result<void> sweep(Context& context, const std::string& prefix,
                             const std::function<bool(const std::string& owner)>& is_ours) = 0;
  virtual Result<void> remove(Context& context, const std::string& path) = 0;
  // For `check`: can objects be created below `prefix`? Leaves nothing behind.
  virtual Result<void> probe(Context& context, const std::string& prefix) = 0;
  // Waits until something below the literal prefix of `pattern` may have changed, or the deadline (just that without
  // notification): callers list again. Once called, list(pattern) leaves out folders below it that may not be read.
  virtual Result<void> wait_for_change(Context& context, const std::string& pattern, Deadline deadline) = 0;
};

struct StoreDescriptor {
  std::string_view scheme;  // "file", "s3"
  std::string_view doc;
  std::vector<OptionSpec> options;
  Result<std::unique_ptr<Store>> (*create)(const Location& location, const OptionValues& options) = nullptr;
  // The path inside the store that a location means ("bucket/key").
  Result<std::string> (*path_of)(const Location& location) = nullptr;
};

}  // namespace sluice
