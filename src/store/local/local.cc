#include "store/local/local.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "port/glob.h"
#include "store/local/errors.h"
#include "store/local/file.h"
#include "store/local/folders.h"
#include "store/local/publish.h"
#include "store/local/temp_name.h"
#include "store/local/upload.h"
#include "store/local/walk.h"
#include "store/local/watch.h"

namespace sluice {
namespace {

using namespace local;

bool is_folder(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

class LocalStore final : public Store {
 public:
  Result<std::vector<ObjectInfo>> list(Context& context, const std::string& pattern, bool recursive,
                                       const KeepFolder& keep_folder) override {
    bool waiting = false;
    {
      std::lock_guard lock(mutex_);
      if (recursive) recursive_.insert(pattern);
      waiting = watches_.contains(pattern);
    }
    // Who comes again finds what may be read by then.
    if (!waiting) return list_files(context, pattern, recursive, keep_folder);
    std::vector<std::string> unreadable;
    auto found = TRY(list_files(context, pattern, recursive, keep_folder, &unreadable));
    std::lock_guard lock(mutex_);
    auto& left_out = left_out_[{pattern, recursive}];
    for (const auto& folder : unreadable) {
      if (left_out.contains(folder)) continue;
      context.log.warn("folder may not be read, what is in it is left out", {{"path", folder}});
    }
    left_out = {unreadable.begin(), unreadable.end()};
    return found;
  }

  Result<Sample> sample(Context& context, const std::string& pattern, bool recursive) override {
    return sample_files(context, pattern, recursive);
  }

  Result<std::optional<ObjectInfo>> stat(Context&, const std::string& path) override { return stat_file(path); }

  Result<std::shared_ptr<arrow::io::RandomAccessFile>> open(Context&, const ObjectInfo& object) override {
    return open_file(object);
  }

  Result<std::unique_ptr<Upload>> begin(Context&, const std::string& path, const std::string& owner,
                                        IfExists if_exists) override {
    return begin_upload(uploads_, path, owner, if_exists);
  }

  Result<void> publish(Context&, const std::string& token) override { return publish_file(uploads_->folders, token); }

  Result<void> sync(Context&) override { return uploads_->folders.sync(); }

  Result<void> discard(Context&, const std::string& token) override { return discard_file(token); }

  Result<void> sweep(Context& context, const std::string& prefix,
                     const std::function<bool(const std::string&)>& is_ours) override {
    bool folder = is_folder(prefix);
    std::string start = folder ? without_trailing_slashes(prefix) : folder_of(prefix);
    return find_temp_files(context, start, folder, [&](const std::string& path) -> Result<void> {
      if (!is_ours(*owner_of(name_of(path)))) return {};
      if (::unlink(path.c_str()) != 0 && errno != ENOENT) return path_error(errno, "remove", path);
      crash_point("store.local.sweep.removed");
      return {};
    });
  }

  Result<void> remove(Context&, const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return path_error(errno, "remove", path);
    uploads_->folders.touch(folder_of(path));
    return {};
  }

  // Missing folders would be created, so the nearest one that is there decides.
  Result<void> probe(Context&, const std::string& prefix) override {
    std::string folder = without_trailing_slashes(prefix);
    struct stat status = {};
    while (::stat(folder.c_str(), &status) != 0) {
      if (errno != ENOENT && errno != ENOTDIR) return path_error(errno, "look at", folder);
      folder = folder_of(folder);
    }
    if (!S_ISDIR(status.st_mode)) {
      if (folder != prefix) return refused("cannot write to {}: {} is a file, not a folder", prefix, folder);
      folder = folder_of(folder);
    }
    std::string temp = (folder == "/" ? "" : folder) + "/.sluice-probe-XXXXXX.tmp";
    int fd = ::mkostemps(temp.data(), 4, O_CLOEXEC);
    if (fd < 0) return path_error(errno, "create files in the folder", folder);
    ::close(fd);
    if (::unlink(temp.c_str()) != 0) return path_error(errno, "remove", temp);
    return {};
  }

  // The first call only starts watching and returns at once: what changed since the caller's last list() would
  // otherwise be missed until the deadline.
  Result<void> wait_for_change(Context& context, const std::string& pattern, Deadline deadline) override {
    std::shared_ptr<Watch> watch;
    {
      std::lock_guard lock(mutex_);
      auto& entry = watches_[pattern];
      if (entry == nullptr) {
        entry = TRY(watch_for(pattern));
        return {};
      }
      watch = entry;
    }
    return watch->wait(context, deadline);
  }

 private:
  Result<std::shared_ptr<Watch>> watch_for(const std::string& pattern) {
    bool recursive = recursive_.contains(pattern);
    std::string plain = without_trailing_slashes(pattern);
    if (is_folder(plain)) return std::make_shared<Watch>(plain, recursive);
    if (!has_wildcard(plain)) return std::make_shared<Watch>(folder_of(plain), false);
    auto glob = TRY(parse_glob(plain));
    for (const auto& alternative : glob.alternatives) {
      recursive = recursive || alternative.components.size() > 1 || alternative.components[0] == "**";
    }
    return std::make_shared<Watch>(glob.root, recursive);
  }

  const std::shared_ptr<Uploads> uploads_ = std::make_shared<Uploads>();
  std::mutex mutex_;
  std::set<std::string> recursive_;  // patterns that were listed recursively: wait_for_change() is not told
  std::map<std::string, std::shared_ptr<Watch>> watches_;
  std::map<std::pair<std::string, bool>, std::set<std::string>> left_out_;  // folders, by what list() was asked
};

Result<std::unique_ptr<Store>> create_local_store(const Location& location, const OptionValues&) {
  if (!location.hosts.empty() && location.hosts[0].host != "localhost") {
    return user_error("file://{}/… names another machine; file:// reads this one's files: file:///path",
                      location.hosts[0].host);
  }
  return std::unique_ptr<Store>(std::make_unique<LocalStore>());
}

// Absolute, without empty and "." components; ".." is resolved only against the working directory, since elsewhere it
// may follow a symbolic link.
Result<std::string> absolute_path(const Location& location) {
  const std::string& text = location.path;
  if (text.empty()) return user_error("a file's location needs a path, such as data/*.json or file:///data/a.csv");
  std::string out;
  if (text[0] != '/') {
    std::error_code failed;
    out = std::filesystem::current_path(failed).string();
    if (failed) return errno_error(failed.value(), "find the working directory");
    if (out == "/") out.clear();
  }
  bool within_working_directory = text[0] != '/';
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = std::min(text.find('/', begin), text.size());
    std::string_view part = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == ".." && within_working_directory) {
      out.resize(out.empty() ? 0 : out.find_last_of('/'));
      continue;
    }
    within_working_directory = false;
    out += '/';
    out += part;
  }
  if (out.empty()) return std::string("/");
  if (text.back() == '/') out += '/';
  return out;
}

}  // namespace

StoreDescriptor local_store() {
  StoreDescriptor descriptor;
  descriptor.scheme = "file";
  descriptor.doc = "Files in local or mounted folders.";
  descriptor.create = create_local_store;
  descriptor.path_of = absolute_path;
  return descriptor;
}

}  // namespace sluice
