// What has been read of which file. Compares a listing with that and says what there is to read: new files, the rest of
// unfinished ones, what was appended; not what was renamed or is merely a compressed copy. Thread-safe: readers record
// into it while the source compares.
//
// A file is the same file when its version (device and inode) and the hash of its first bytes are: an inode that was
// given to another file, or a file that was truncated and filled again, is new content. What is on record of the
// content before it stays on record, with a lower generation, and counts no more. Where the store's version names
// content (ETag), the path is the identity and any other version is new content.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "codec/codec.h"
#include "connector/file/position.h"

namespace sluice::file {

// Something to read.
struct Work {
  SplitId id;
  ObjectInfo object;
  Codec codec = Codec::none;
  FilePosition position;        // begin, end and where to start
  bool at_record_start = true;  // false: `position.at` was cut at a byte count
  std::string base;             // the id without a range
  bool fresh = false;           // nothing of it has been read: it may be cut into ranges
  bool tail = false;            // it may grow: an unfinished last record is left for later
};

// When a file that could not be read, but may be well, is tried again.
inline constexpr Millis kTryAgain{1'000};

class Ledger {
 public:
  struct Policy {
    bool watch = false;
    bool appendable = false;  // what is appended can be read on its own
    bool version_is_content = false;
    bool cut_at_records = false;  // ranges begin at records' starts, not at byte counts
    int64_t line_feed = 0;        // the bytes that end a line; 0: what is read are no lines
  };
  explicit Ledger(Policy policy) : policy_(policy) {}

  // The durable positions of an earlier run.
  Result<void> load(const Positions& durable);

  // Called once with each listing before compare() is called for its objects: says which files are alive.
  void begin_listing(const std::vector<ObjectInfo>& objects);
  // What of this object is to be read now; it is busy until release(). Opens the file only when it changed.
  Result<std::vector<Work>> compare(Context& context, Store& store, const ObjectInfo& object, Codec codec);

  // Replaces fresh work by a part of it, [begin, end). Its own id is free again.
  Work part_of(const Work& work, int64_t begin, int64_t end, bool at_record_start);

  // From readers: how far `id` has come (also unfinished), and that nobody reads it now. Of use to later listings only,
  // which there are while watching; the same goes for what is handed out.
  void record(const SplitId& id, const FilePosition& position);
  void release(const SplitId& id);
  // Like release(), and the file is left alone until it changes or that time has come.
  void give_up(const SplitId& id, const ObjectInfo& object, WallTime until = WallTime::max());

 private:
  struct Entry {
    FilePosition position;
    std::string base;  // the id without a range
    std::string path;  // where it was seen last
    bool busy = false;
  };
  using Entries = std::vector<SplitId>;
  // What all ranges of one content of a file have in common.
  struct Content {
    std::string base;
    int64_t generation = 0;
    Fingerprint head;
  };

  void put(const SplitId& id, Entry entry);
  void forget(const SplitId& id);
  // No longer found by its key: the inode serves another file. A compressed copy may still be recognised by it.
  void retire(const SplitId& id);
  // Files of different devices may share a key.
  [[nodiscard]] std::string key_of(const std::string& version) const;
  // What is on record of the object's newest content, by range; perhaps under another device's number.
  [[nodiscard]] Entries same_file(const ObjectInfo& object) const;
  // Is the file that the entry tells of still there, under whatever name?
  Result<bool> is_alive(Context& context, Store& store, const Entry& entry) const;
  std::vector<Work> rest_of(const ObjectInfo& object, Codec codec, const Entries& entries, const Content& content);
  // What is left of a compressed copy of a file that was read; nothing when it is not one. Never reads a copy while its
  // original is there: it may be incomplete.
  struct Copy {
    bool is_copy = false;
    std::vector<Work> rest;
  };
  Result<Copy> compressed_copy(Context& context, Store& store, const ObjectInfo& object, Codec codec);
  Result<void> check_continues(arrow::io::RandomAccessFile& file, const ObjectInfo& object,
                               const Entries& entries) const;
  [[nodiscard]] std::string new_base(const ObjectInfo& object) const;
  [[nodiscard]] Content new_content(const ObjectInfo& object) const;
  Work make_work(const Content& content, const ObjectInfo& object, Codec codec, int64_t begin, int64_t end);

  const Policy policy_;
  mutable std::mutex mutex_;
  std::unordered_map<SplitId, Entry> entries_;
  std::unordered_map<std::string, std::set<SplitId>> by_key_;
  std::unordered_map<std::string, std::string> version_of_base_;
  std::unordered_set<std::string> handed_out_;         // versions, while not watching
  std::unordered_map<std::string, ObjectInfo> alive_;  // the current listing, by version
  std::unordered_set<std::string> alive_paths_;
  struct GivenUp {
    ObjectInfo object;
    WallTime until;
  };
  std::unordered_map<std::string, GivenUp> given_up_;  // by path
};

}  // namespace sluice::file
