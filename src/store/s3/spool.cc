#include "store/s3/spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <utility>

#include <nlohmann/json.hpp>

namespace sluice::s3 {
namespace {

using nlohmann::json;

constexpr std::string_view kUploadSuffix = ".upload";
constexpr std::string_view kDataSuffix = ".data";
constexpr auto kEmptyFor = std::chrono::minutes(1);  // a record is written at once
constexpr size_t kSyncEachMax = 8;                   // more files than this share one syncfs

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Error spool_error(int error_number, std::string_view doing, const std::string& path) {
  return errno_error(error_number, fmt::format("{} the spool file {}", doing, path));
}

Result<void> write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return spool_error(errno, "write", path);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Result<void> sync_path(const std::string& path, int flags) {
  Descriptor file(::open(path.c_str(), flags | O_CLOEXEC));
  if (file.get() < 0) return spool_error(errno, "open", path);
  if (::fsync(file.get()) != 0) return spool_error(errno, "flush", path);
  return {};
}

std::string render(const SpoolRecord& record) {
  json text = {{"owner", record.owner},
               {"service", record.service},
               {"bucket", record.address.bucket},
               {"key", record.address.key}};
  return text.dump() + "\n";
}

json next_line(std::istream& in) {
  std::string line;
  std::getline(in, line);
  return json::parse(line, nullptr, /*allow_exceptions=*/false);
}

WallTime changed_at(const struct stat& status) {
  return WallTime(std::chrono::seconds(status.st_mtim.tv_sec) +
                  std::chrono::microseconds(status.st_mtim.tv_nsec / 1000));
}

std::optional<SpoolRecord> read_record(const std::string& path) {
  std::ifstream in(path);
  auto first = next_line(in);
  if (!first.is_object()) return std::nullopt;
  try {
    SpoolRecord record;
    first.at("owner").get_to(record.owner);
    first.at("service").get_to(record.service);
    first.at("bucket").get_to(record.address.bucket);
    first.at("key").get_to(record.address.key);
    record.multipart = path.ends_with(kUploadSuffix);
    if (!record.multipart) return record;
    struct stat status = {};
    if (::stat(path.c_str(), &status) == 0) record.written = changed_at(status);
    // A line that a crash cut off is as good as none.
    auto second = next_line(in);
    if (second.is_object()) record.upload_id = second.value("upload_id", "");
    return record;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

std::string folder_of(const net::Environment& environment) {
  std::error_code ignored;
  std::filesystem::path folder = environment("SLUICE_SPOOL").value_or(".sluice/spool");
  return std::filesystem::absolute(folder, ignored).lexically_normal().string();
}

}  // namespace

// Random per file and not from a seed: two processes of one pipeline may share the folder.
Result<std::string> random_hex() {
  uint64_t bits[2] = {};
  if (::getrandom(bits, sizeof bits, 0) != sizeof bits) return errno_error(errno, "get random bytes from the kernel");
  return fmt::format("{:016x}{:016x}", bits[0], bits[1]);
}

Result<std::optional<MappedFile>> MappedFile::open(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 && errno == ENOENT) return std::nullopt;
  if (file.get() < 0) return spool_error(errno, "open", path);
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) return spool_error(errno, "read", path);
  auto size = static_cast<size_t>(status.st_size);
  void* memory = size == 0 ? MAP_FAILED : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (memory == MAP_FAILED)
    return size == 0 ? refused("the spool file {} is empty", path) : spool_error(errno, "read", path);
  std::string_view all(static_cast<const char*>(memory), size);
  auto line_end = all.find('\n');
  MappedFile mapped(memory, size, line_end == std::string_view::npos ? all.substr(size) : all.substr(line_end + 1));
  return std::optional(std::move(mapped));
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), size_(other.size_), bytes_(other.bytes_) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (memory_ != nullptr) ::munmap(memory_, size_);
}

Spool::Spool(const net::Environment& environment) : folder_(folder_of(environment)) {}

Result<std::string> Spool::create(const SpoolRecord& record) {
  std::string line;
  try {
    line = render(record);
  } catch (const json::exception&) {
    return user_error("cannot write s3://{}: the key is not valid UTF-8", record.address.bucket);
  }
  std::string path = fmt::format("{}/{}{}", folder_, TRY(random_hex()), record.multipart ? kUploadSuffix : kDataSuffix);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC;
  int fd = ::open(path.c_str(), kFlags, 0600);
  if (fd < 0 && errno == ENOENT) {
    std::error_code failed;
    std::filesystem::create_directories(folder_, failed);
    if (failed) return errno_error(failed.value(), fmt::format("create the spool folder {}", folder_));
    fd = ::open(path.c_str(), kFlags, 0600);
  }
  if (fd < 0) return spool_error(errno, "create", path);
  Descriptor file(fd);
  TRY(write_all(file.get(), line, path));
  return path;
}

Result<void> Spool::add_upload_id(const std::string& path, const std::string& upload_id) {
  try {
    return append(path, json{{"upload_id", upload_id}}.dump() + "\n");
  } catch (const json::exception&) {
    return transient("the service begins an upload with an id that is not text");
  }
}

Result<void> Spool::append(const std::string& path, std::string_view bytes) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (file.get() < 0) return spool_error(errno, "open", path);
  return write_all(file.get(), bytes, path);
}

Result<void> Spool::make_durable(const std::string& path) {
  TRY(sync_path(path, O_WRONLY));
  return sync_path(folder_, O_RDONLY | O_DIRECTORY);
}

void Spool::touch(const std::string& path) {
  std::lock_guard lock(mutex_);
  dirty_.insert(path);
}

Result<void> Spool::sync() {
  std::set<std::string> files;
  {
    std::lock_guard lock(mutex_);
    files.swap(dirty_);
  }
  if (files.empty()) return {};
  auto done = [&]() -> Result<void> {
    if (files.size() > kSyncEachMax) {
      Descriptor folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (folder.get() < 0 || ::syncfs(folder.get()) != 0) return spool_error(errno, "flush", folder_);
      return {};
    }
    for (const auto& path : files) {
      auto synced = sync_path(path, O_WRONLY);
      if (!synced.ok() && ::access(path.c_str(), F_OK) == 0) return synced;  // published or discarded meanwhile
    }
    return sync_path(folder_, O_RDONLY | O_DIRECTORY);
  }();
  if (!done.ok()) {
    std::lock_guard lock(mutex_);
    dirty_.merge(files);
  }
  return done;
}

Result<void> Spool::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return spool_error(errno, "remove", path);
  return {};
}

Result<void> Spool::each(const std::function<Result<void>(const std::string&, const SpoolRecord&)>& found) const {
  std::error_code failed;
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, failed)) paths.push_back(entry.path());
  if (failed && failed.value() != ENOENT) return errno_error(failed.value(), "list the spool folder " + folder_);
  for (const auto& path : paths) {
    if (auto record = read_record(path)) TRY(found(path, *record));
  }
  return {};
}

void Spool::remove_empty(WallTime now) const {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    const std::string path = entry.path();
    if (!path.ends_with(kUploadSuffix) && !path.ends_with(kDataSuffix)) continue;
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0 || status.st_size > 0 || now - changed_at(status) < kEmptyFor) continue;
    (void)remove(path);  // nobody's data depends on it
  }
}

}  // namespace sluice::s3
