#include "store/local/upload.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <arrow/io/interfaces.h>

#include "batch/arrow_result.h"
#include "store/local/errors.h"
#include "store/local/publish.h"
#include "store/local/temp_name.h"

namespace sluice::local {
namespace {

// Thousands of uploads may be open (one per partition): their buffers share 16 MB, and beyond 256 descriptors an
// upload reopens its file for each write, since ulimit -n is often 1,024.
constexpr int64_t kBuffersBytes = 16 << 20;
constexpr int64_t kBufferMin = 1 << 10;
constexpr int64_t kBufferMax = 256 << 10;
constexpr int kDescriptorsMax = 256;
// Starts writing to the disk this often, so that the fsync at the end finds little left to do.
constexpr int64_t kWriteBackEvery = 8 << 20;

class TempFile final : public arrow::io::OutputStream {
 public:
  TempFile(std::shared_ptr<Uploads> uploads, std::string target, std::string temp)
      : uploads_(std::move(uploads)), target_(std::move(target)), temp_(std::move(temp)) {
    uploads_->open.fetch_add(1);
  }
  ~TempFile() override {
    close_fd();
    uploads_->open.fetch_sub(1);
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;

  // 0 or the errno.
  int create() {
    fd_ = ::open(temp_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    if (fd_ < 0) return errno;
    uploads_->descriptors.fetch_add(1);
    release_fd_if_many();
    return 0;
  }

  [[nodiscard]] const std::string& path() const { return temp_; }

  // Everything is in the file afterwards, and with `durable` on the disk.
  arrow::Result<struct stat> complete(bool durable) {
    ARROW_RETURN_NOT_OK(Flush());
    ARROW_RETURN_NOT_OK(reopen());
    if (durable && ::fdatasync(fd_) != 0) return fail(errno);
    struct stat status = {};
    if (::fstat(fd_, &status) != 0) return fail(errno);
    if (status.st_nlink == 0) return fail(ENOENT);
    close_fd();
    finished_ = true;
    return status;
  }

  arrow::Status Close() override { return Flush(); }
  [[nodiscard]] bool closed() const override { return finished_; }
  [[nodiscard]] arrow::Result<int64_t> Tell() const override { return written_ + static_cast<int64_t>(buffer_.size()); }

  using arrow::io::OutputStream::Write;
  arrow::Status Write(const void* data, int64_t nbytes) override {
    ARROW_RETURN_NOT_OK(failed_);
    if (finished_) return arrow::Status::Invalid(target_, " is finished");
    if (static_cast<int64_t>(buffer_.size()) + nbytes <= buffer_limit()) {
      buffer_.append(static_cast<const char*>(data), static_cast<size_t>(nbytes));
      return arrow::Status::OK();
    }
    ARROW_RETURN_NOT_OK(Flush());
    if (nbytes < buffer_limit()) {
      buffer_.append(static_cast<const char*>(data), static_cast<size_t>(nbytes));
      return arrow::Status::OK();
    }
    ARROW_RETURN_NOT_OK(write_through(static_cast<const char*>(data), nbytes));
    release_fd_if_many();
    return arrow::Status::OK();
  }

  arrow::Status Flush() override {
    ARROW_RETURN_NOT_OK(failed_);
    if (!buffer_.empty()) {
      ARROW_RETURN_NOT_OK(write_through(buffer_.data(), static_cast<int64_t>(buffer_.size())));
      buffer_.clear();
      if (static_cast<int64_t>(buffer_.capacity()) > buffer_limit()) buffer_.shrink_to_fit();
      release_fd_if_many();
    }
    return arrow::Status::OK();
  }

 private:
  [[nodiscard]] int64_t buffer_limit() const {
    return std::clamp(kBuffersBytes / std::max(1, uploads_->open.load(std::memory_order_relaxed)), kBufferMin,
                      kBufferMax);
  }

  arrow::Status fail(int error_number) {
    if (error_number == ENOENT) {
      failed_ = arrow::Status::IOError("cannot write ", target_, ": its unfinished file ", temp_,
                                       " was removed while it was being written");
    } else {
      failed_ = path_status(error_number, "write", target_);
    }
    return failed_;
  }

  arrow::Status reopen() {
    if (fd_ >= 0) return arrow::Status::OK();
    fd_ = ::open(temp_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd_ < 0) return fail(errno);
    uploads_->descriptors.fetch_add(1);
    return arrow::Status::OK();
  }

  void close_fd() {
    if (fd_ < 0) return;
    ::close(std::exchange(fd_, -1));
    uploads_->descriptors.fetch_sub(1);
  }

  void release_fd_if_many() {
    if (uploads_->descriptors.load(std::memory_order_relaxed) > kDescriptorsMax) close_fd();
  }

  arrow::Status write_through(const char* data, int64_t nbytes) {
    ARROW_RETURN_NOT_OK(reopen());
    while (nbytes > 0) {
      ssize_t n = ::write(fd_, data, static_cast<size_t>(nbytes));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail(errno);
      data += n;
      nbytes -= n;
      written_ += n;
    }
    if (written_ - written_back_ >= kWriteBackEvery) {
      // A hint: where the file system has no such thing, the fsync does all the work.
      ::sync_file_range(fd_, written_back_, written_ - written_back_, SYNC_FILE_RANGE_WRITE);
      written_back_ = written_;
    }
    return arrow::Status::OK();
  }

  const std::shared_ptr<Uploads> uploads_;
  const std::string target_;
  const std::string temp_;
  int fd_ = -1;
  std::string buffer_;
  int64_t written_ = 0;
  int64_t written_back_ = 0;
  arrow::Status failed_;  // a failed write spoils the file for good
  bool finished_ = false;
};

class LocalUpload final : public Upload {
 public:
  LocalUpload(std::shared_ptr<Uploads> uploads, std::shared_ptr<TempFile> file, std::string path, IfExists if_exists)
      : uploads_(std::move(uploads)), file_(std::move(file)), path_(std::move(path)), if_exists_(if_exists) {}
  ~LocalUpload() override {
    if (!finished_) ::unlink(file_->path().c_str());
  }
  LocalUpload(const LocalUpload&) = delete;
  LocalUpload& operator=(const LocalUpload&) = delete;

  std::shared_ptr<arrow::io::OutputStream> stream() override { return file_; }

  // Not stopped half-way: a stopping pipeline drains and commits.
  Result<std::string> finish(Context&) override {
    auto token = TRY(complete(/*durable=*/true));
    // The temporary name, too, has to survive a power cut: publish() finds the data by it.
    TRY(uploads_->folders.sync());
    crash_point("store.local.finish");
    finished_ = true;
    return token;
  }

  Result<std::string> finish_later(Context&) override {
    auto token = TRY(complete(/*durable=*/false));
    uploads_->folders.touch_file(file_->path());
    crash_point("store.local.finish");
    finished_ = true;
    return token;
  }

 private:
  Result<std::string> complete(bool durable) {
    auto status = file_->complete(durable);
    if (!status.ok()) return from_arrow(status.status(), Fault::refused);
    uploads_->folders.touch(folder_of(path_));
    Token token;
    token.path = path_;
    token.temp = file_->path();
    token.bytes = status->st_size;
    token.inode = status->st_ino;
    token.modified_ns = status->st_mtim.tv_sec * 1'000'000'000 + status->st_mtim.tv_nsec;
    token.if_exists = if_exists_;
    return render(token);
  }

  const std::shared_ptr<Uploads> uploads_;
  const std::shared_ptr<TempFile> file_;
  const std::string path_;
  const IfExists if_exists_;
  bool finished_ = false;
};

// Random per file and not from a seed: two processes of one pipeline may write into one folder, and the name is gone
// once the file is published.
Result<uint64_t> random_bits() {
  uint64_t bits = 0;
  if (::getrandom(&bits, sizeof bits, 0) != sizeof bits) return errno_error(errno, "get random bytes from the kernel");
  return bits;
}

}  // namespace

Result<std::unique_ptr<Upload>> begin_upload(std::shared_ptr<Uploads> uploads, const std::string& path,
                                             const std::string& owner, IfExists if_exists) {
  if (name_of(path).empty()) return user_error("cannot write {}: it names a folder, not a file", path);
  TRY(refuse_unprintable(path));
  std::string folder = folder_of(path);
  std::string temp = (folder == "/" ? "" : folder) + '/' + TRY(temp_name(owner, TRY(random_bits())));
  auto file = std::make_shared<TempFile>(uploads, path, std::move(temp));
  TRY(uploads->folders.create(folder));
  int failed = file->create();
  if (failed == ENOENT) {  // the folder existed a moment ago, or in an earlier epoch
    uploads->folders.forget(folder);
    TRY(uploads->folders.create(folder));
    failed = file->create();
  }
  if (failed != 0) return path_error(failed, "create files in the folder", folder);
  return std::unique_ptr<Upload>(std::make_unique<LocalUpload>(std::move(uploads), std::move(file), path, if_exists));
}

}  // namespace sluice::local
