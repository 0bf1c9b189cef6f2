#include "store/local/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <utility>

#include <arrow/buffer.h>

#include "store/local/errors.h"

namespace sluice::local {
namespace {

constexpr int64_t kReadAheadFrom = 256 << 10;  // below it the kernel's first read-ahead has the whole file anyway
// A buffer of up to this much is allocated without asking how much there is to read.
constexpr int64_t kSmallRead = 128 << 10;

// pread() into Arrow's buffers. Not memory-mapped: a file that shrinks while it is read (copytruncate) would raise
// SIGBUS, and a mapping costs more than a read for small files and no less for large ones.
class LocalFile final : public arrow::io::RandomAccessFile {
 public:
  LocalFile(int fd, std::string path, int64_t bytes) : fd_(fd), path_(std::move(path)), bytes_(bytes) {}
  ~LocalFile() override { close_fd(); }
  LocalFile(const LocalFile&) = delete;
  LocalFile& operator=(const LocalFile&) = delete;

  arrow::Status Close() override { return close_fd(), arrow::Status::OK(); }
  [[nodiscard]] bool closed() const override { return fd_ < 0; }
  [[nodiscard]] arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Seek(int64_t position) override {
    if (position < 0) return arrow::Status::Invalid("negative position in ", path_);
    position_ = position;
    return arrow::Status::OK();
  }

  // The size now: the file may be growing.
  arrow::Result<int64_t> GetSize() override {
    struct stat status = {};
    if (::fstat(fd_, &status) != 0) return path_status(errno, "read", path_);
    bytes_ = status.st_size;
    return status.st_size;
  }

  arrow::Result<int64_t> Read(int64_t nbytes, void* out) override {
    ARROW_ASSIGN_OR_RAISE(auto got, pread_all(position_, nbytes, out));
    position_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t nbytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, read_buffer(position_, nbytes));
    position_ += buffer->size();
    return buffer;
  }
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t nbytes, void* out) override {
    return pread_all(position, nbytes, out);
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t nbytes) override {
    return read_buffer(position, nbytes);
  }

 private:
  void close_fd() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  arrow::Result<int64_t> pread_all(int64_t position, int64_t nbytes, void* out) {
    if (fd_ < 0) return arrow::Status::Invalid(path_, " is closed");
    int64_t got = 0;
    while (got < nbytes) {
      ssize_t n = ::pread(fd_, static_cast<char*>(out) + got, static_cast<size_t>(nbytes - got), position + got);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return path_status(errno, "read", path_);
      if (n == 0) break;
      got += n;
      // Less than was asked for, up to where the file ended when it was looked at: that is its end, without asking
      // again.
      if (got < nbytes && position + got == bytes_) break;
    }
    return got;
  }

  // Allocates for what the file has, not for what was asked: a small file read with a large window stays cheap.
  arrow::Result<std::shared_ptr<arrow::Buffer>> read_buffer(int64_t position, int64_t nbytes) {
    int64_t there = nbytes;
    if (nbytes > kSmallRead) {
      if (position + nbytes > bytes_) ARROW_RETURN_NOT_OK(GetSize().status());
      there = std::clamp<int64_t>(bytes_ - position, 0, nbytes);
    }
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(there));
    ARROW_ASSIGN_OR_RAISE(auto got, pread_all(position, there, buffer->mutable_data()));
    if (got < there) ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

  int fd_;
  const std::string path_;
  std::atomic<int64_t> bytes_;  // as last seen; ReadAt may be called from several threads
  int64_t position_ = 0;
};

}  // namespace

Result<std::shared_ptr<arrow::io::RandomAccessFile>> open_file(const ObjectInfo& object) {
  int fd = -1;
  do {
    fd = ::open(object.path.c_str(), O_RDONLY | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return path_error(errno, "read", object.path);
  struct stat status = {};
  const int failed = ::fstat(fd, &status) == 0 ? 0 : errno;
  auto file = std::make_shared<LocalFile>(fd, object.path, status.st_size);
  if (failed != 0) return path_error(failed, "read", object.path);
  if (!object.version.empty() && object.version != fmt::format("{}:{}", status.st_dev, status.st_ino)) {
    return transient("{} was replaced by another file after it was listed", object.path);
  }
  if (status.st_size >= kReadAheadFrom) ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return std::shared_ptr<arrow::io::RandomAccessFile>(std::move(file));
}

}  // namespace sluice::local
