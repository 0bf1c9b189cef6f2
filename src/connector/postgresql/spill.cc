#include "connector/postgresql/spill.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace sluice::postgresql {
namespace {

struct Header {
  uint32_t bytes = 0;
  uint32_t subxid = 0;
};

constexpr size_t kReadBytes = 256 << 10;

Result<int> open_unnamed() {
  std::error_code failed;
  const auto folder = std::filesystem::temp_directory_path(failed).string();
  std::string name = (failed ? std::string("/tmp") : folder) + "/sluice-transaction-XXXXXX";
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) return errno_error(errno, fmt::format("making a file for a large transaction in {}", folder));
  ::unlink(name.c_str());
  return file;
}

}  // namespace

TransactionSpill::~TransactionSpill() {
  if (file_ >= 0) ::close(file_);
}

Result<void> TransactionSpill::add(uint32_t subxid, std::string_view message) {
  const Header header{static_cast<uint32_t>(message.size()), subxid};
  buffer_.append(reinterpret_cast<const char*>(&header), sizeof header);
  buffer_.append(message);
  bytes_ += static_cast<int64_t>(message.size());
  if (buffer_.size() >= memory_bytes_) return write_out();
  return {};
}

Result<void> TransactionSpill::write_out() {
  if (file_ < 0) file_ = TRY(open_unnamed());
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t done = ::write(file_, rest.data(), rest.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) {
      return errno_error(errno, "keeping a large transaction on disk until it commits (TMPDIR says where)");
    }
    rest.remove_prefix(static_cast<size_t>(done));
  }
  written_ += static_cast<int64_t>(buffer_.size());
  buffer_.clear();
  return {};
}

// Has at least `wanted` bytes that are not taken in the buffer, unless the file ends before.
Result<bool> TransactionSpill::fill(size_t wanted) {
  while (buffer_.size() - taken_ < wanted && file_ >= 0 && read_ < written_) {
    buffer_.erase(0, taken_);
    taken_ = 0;
    const size_t had = buffer_.size();
    buffer_.resize(std::max(wanted, kReadBytes) + had);
    const ssize_t got = ::pread(file_, buffer_.data() + had, buffer_.size() - had, read_);
    buffer_.resize(had + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, "reading a large transaction back from disk");
    if (got == 0) return bug("a large transaction's file ends at {} of {} bytes", read_, written_);
    read_ += got;
  }
  return buffer_.size() - taken_ >= wanted;
}

Result<std::optional<TransactionSpill::Record>> TransactionSpill::next() {
  if (!reading_) {
    if (file_ >= 0) TRY(write_out());
    reading_ = true;
  }
  if (!TRY(fill(sizeof(Header)))) return std::optional<Record>();
  Header header;
  std::memcpy(&header, buffer_.data() + taken_, sizeof header);
  if (!TRY(fill(sizeof header + header.bytes))) return bug("a large transaction's file ends within a message");
  Record record{header.subxid, std::string_view(buffer_).substr(taken_ + sizeof header, header.bytes)};
  taken_ += sizeof header + header.bytes;
  return std::optional(record);
}

}  // namespace sluice::postgresql
