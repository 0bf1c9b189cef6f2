// The local folder where small objects wait for their publication, and where it stands which uploads are ours: S3 lists
// uploads without saying whose they are.
//
// The folder is SLUICE_SPOOL, else .sluice/spool in the working directory (beside the default state). Every file begins
// with a line of JSON, {"owner":…,"service":…,"bucket":…,"key":…}. In a .data file the object's bytes follow. An
// .upload file is there before the service is asked for a multipart upload; once it answered, a line {"upload_id":…}
// follows. A process that died in between leaves a record without an id: the uploads of that very key that no record
// names are then ours. One that died before it wrote the first line leaves an empty file, which belongs to nothing that
// was begun. A multipart upload without any record (its machine was lost) is nobody's for us: a lifecycle
// rule of the bucket (AbortIncompleteMultipartUpload) removes it.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/credentials.h"
#include "store/s3/client.h"

namespace sluice::s3 {

struct SpoolRecord {
  std::string owner;
  std::string service;
  Address address;
  bool multipart = false;  // else the bytes follow
  std::string upload_id;   // of a multipart upload, once it is known
  WallTime written{};      // when it was read back: the file's last change
};

// A file's bytes as memory, without its first line. Empty when it is not there any more.
class MappedFile {
 public:
  static Result<std::optional<MappedFile>> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  MappedFile(void* memory, size_t size, std::string_view bytes) : memory_(memory), size_(size), bytes_(bytes) {}
  void* memory_ = nullptr;
  size_t size_ = 0;
  std::string_view bytes_;
};

// Thread-safe.
class Spool {
 public:
  explicit Spool(const net::Environment& environment);

  // Creates a file that holds the record, without an upload id; the folder too, where it is missing.
  Result<std::string> create(const SpoolRecord& record);
  Result<void> add_upload_id(const std::string& file, const std::string& upload_id);
  Result<void> append(const std::string& file, std::string_view bytes);
  // The file survives a power cut when this returns.
  Result<void> make_durable(const std::string& file);
  // The same for the next sync(), for all of them together.
  void touch(const std::string& file);
  Result<void> sync();
  static Result<void> remove(const std::string& file);
  // Calls `found` with every file of the folder that has a readable record.
  Result<void> each(const std::function<Result<void>(const std::string& file, const SpoolRecord& record)>& found) const;
  // Removes files that are empty although they were made before `now` by so much that nobody is about to write to them.
  void remove_empty(WallTime now) const;

 private:
  const std::string folder_;  // absolute
  std::mutex mutex_;
  std::set<std::string> dirty_;
};

Result<std::string> random_hex();

}  // namespace sluice::s3
