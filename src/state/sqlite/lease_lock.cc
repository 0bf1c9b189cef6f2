#include "state/sqlite/lease_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace sluice {
namespace {

Result<int> open_lock_file(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return errno_error(errno, fmt::format("open lock file '{}'", path));
  return fd;
}

struct flock one_byte(int64_t byte) {
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = byte;
  range.l_len = 1;
  return range;
}

}  // namespace

LeaseLock::LeaseLock(LeaseLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
LeaseLock& LeaseLock::operator=(LeaseLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
LeaseLock::~LeaseLock() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::optional<LeaseLock>> LeaseLock::try_take(const std::string& path, int64_t byte) {
  LeaseLock lock(TRY(open_lock_file(path)));
  struct flock range = one_byte(byte);
  if (::fcntl(lock.fd_, F_OFD_SETLK, &range) == 0) return std::optional(std::move(lock));
  if (errno == EAGAIN || errno == EACCES) return std::optional<LeaseLock>();
  return errno_error(errno, fmt::format("lock '{}'", path));
}

Result<bool> LeaseLock::is_held(const std::string& path, int64_t byte) {
  LeaseLock probe(TRY(open_lock_file(path)));
  struct flock range = one_byte(byte);
  if (::fcntl(probe.fd_, F_OFD_GETLK, &range) != 0) return errno_error(errno, fmt::format("look at lock '{}'", path));
  return range.l_type != F_UNLCK;
}

}  // namespace sluice
