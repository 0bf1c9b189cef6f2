#include "store/s3/walk.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <map>
#include <utility>

#include "port/glob.h"
#include "store/s3/faults.h"

namespace sluice::s3 {
namespace {

struct Page {
  std::string prefix;
  bool one_level = false;  // folders are named instead of listed
  std::string continuation;
  int keys_max = 1000;  // S3 gives no more
};

Result<Listing> list_page(Client& client, Context& context, const std::string& bucket, const Page& page) {
  Request request;
  request.address.bucket = bucket;
  request.about = Address{bucket, page.prefix}.url();
  request.doing = "list";
  request.permission = "s3:ListBucket";
  request.query = {{"list-type", "2"}, {"prefix", page.prefix}, {"max-keys", std::to_string(page.keys_max)}};
  if (page.one_level) request.query.emplace_back("delimiter", "/");
  if (!page.continuation.empty()) request.query.emplace_back("continuation-token", page.continuation);
  auto answer = TRY(client.send(context, request));
  if (!answer.ok()) return unexpected(request, answer);
  auto listing = parse_listing(answer.http.body);
  if (!listing.ok()) return std::move(listing).while_doing("listing " + request.about);
  return listing;
}

// False also when it may not be listed. The name itself sorts before all that begin with it.
bool is_not_listed(Client& client, Context& context, const Address& address) {
  auto listing = list_page(client, context, address.bucket, {address.key, false, {}, 1});
  return listing.ok() && (listing->objects.empty() || listing->objects[0].key != address.key);
}

ObjectInfo describe(const std::string& bucket, ListedObject object) {
  ObjectInfo info;
  info.path = bucket + "/" + object.key;
  info.bytes = object.bytes;
  info.modified = object.modified;
  info.version = std::move(object.etag);
  return info;
}

bool marks_folder(std::string_view key) { return key.ends_with('/'); }

constexpr int kSamplePagesMax = 4;  // of all keys
constexpr int kSampleLevelPagesMax = 10;
constexpr size_t kSampleFolders = 4;

// The characters before the first one that means something in a pattern.
std::string_view literal_begin(std::string_view component) {
  return component.substr(0, std::min(component.find_first_of("*?[\\"), component.size()));
}

// One walk over the keys that a pattern can match. Below a folder it lists all keys, a thousand at a time, for as long
// as most of them are wanted; otherwise it lists that folder's own level and goes into those folders only that can hold
// something. So a few requests do for a small tree, and a pruned partition or a sibling with a million keys costs one.
class Walk {
 public:
  Walk(Client& client, Context& context, std::string bucket, const Glob& glob, const KeepFolder& keep_folder)
      : client_(client), context_(context), bucket_(std::move(bucket)), glob_(glob), keep_folder_(keep_folder) {}

  // `prefix`: the root's keys begin with it; empty or ending in '/'.
  Result<std::vector<ObjectInfo>> run(const std::string& prefix) {
    TRY(visit(prefix, start_of(glob_), shared_begin()));
    std::sort(found_.begin(), found_.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return std::move(found_);
  }

  Result<Store::Sample> sample(const std::string& prefix) {
    Store::Sample sample;
    sample.complete = TRY(visit_pages(prefix, start_of(glob_), shared_begin(), kSamplePagesMax));
    if (!sample.complete) {
      found_.clear();
      TRY(sample_level(prefix, start_of(glob_), shared_begin(), kSampleFolders, sample.folders));
    }
    std::sort(found_.begin(), found_.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    sample.objects = std::move(found_);
    return sample;
  }

 private:
  using Folders = std::vector<std::pair<std::string, GlobStates>>;

  // What all names at the root begin with: "2024-" for {2024-*,2024-01/x}.
  std::string shared_begin() const {
    std::string_view shared = literal_begin(glob_.alternatives[0].components[0]);
    for (const auto& alternative : glob_.alternatives) {
      auto other = literal_begin(alternative.components[0]);
      auto [end, ignored] = std::mismatch(shared.begin(), shared.end(), other.begin(), other.end());
      shared = shared.substr(0, static_cast<size_t>(end - shared.begin()));
    }
    return std::string(shared);
  }

  Result<void> visit(const std::string& folder, GlobStates states, const std::string& name_begin = {}) {
    const size_t before = found_.size();
    known_ = {{folder, states}};
    Page page{folder + name_begin, false, {}};
    for (;;) {
      auto listing = TRY(list_page(client_, context_, bucket_, page));
      size_t wanted = 0;
      for (auto& object : listing.objects) {
        if (marks_folder(object.key) || !wants(folder, object.key)) continue;
        found_.push_back(describe(bucket_, std::move(object)));
        ++wanted;
      }
      if (listing.continuation.empty()) return {};
      if (wanted * 2 < listing.objects.size()) break;
      page.continuation = std::move(listing.continuation);
    }
    found_.resize(before);
    return visit_level(folder, states, name_begin);
  }

  // The first pages of all keys below the folder; whether they were all.
  Result<bool> visit_pages(const std::string& folder, const GlobStates& states, const std::string& name_begin,
                           int pages_max) {
    known_ = {{folder, states}};
    Page page{folder + name_begin, false, {}};
    for (int pages = 0; pages < pages_max; ++pages) {
      auto listing = TRY(list_page(client_, context_, bucket_, page));
      for (auto& object : listing.objects) {
        if (!marks_folder(object.key) && wants(folder, object.key)) {
          found_.push_back(describe(bucket_, std::move(object)));
        }
      }
      if (listing.continuation.empty()) return true;
      page.continuation = std::move(listing.continuation);
    }
    return false;
  }

  // A page from each of some folders, spread over the level; the last one is gone into the same way, because what is
  // new mostly comes last.
  Result<void> sample_level(const std::string& folder, const GlobStates& states, const std::string& name_begin,
                            size_t folders_max, std::vector<std::string>& met) {
    auto below = TRY(list_level(folder, states, name_begin, kSampleLevelPagesMax));
    for (const auto& [next, inside] : below) met.push_back(bucket_ + "/" + next.substr(0, next.size() - 1));
    if (below.empty()) return {};
    const size_t count = std::min(folders_max, below.size());
    for (size_t i = 0; i + 1 < count; ++i) {
      const auto& [next, inside] = below[i * (below.size() - 1) / (count - 1)];
      (void)TRY(visit_pages(next, inside, {}, 1));
    }
    return sample_level(below.back().first, below.back().second, {}, std::max<size_t>(1, folders_max / 2), met);
  }

  // Takes the objects of the folder itself and says which folders in it can hold more.
  Result<Folders> list_level(const std::string& folder, const GlobStates& states, const std::string& name_begin,
                             int pages_max = INT_MAX) {
    Page page{folder + name_begin, true, {}};
    Folders below;
    do {
      auto listing = TRY(list_page(client_, context_, bucket_, page));
      for (auto& object : listing.objects) {
        if (marks_folder(object.key)) continue;
        if (follow(glob_, states, std::string_view(object.key).substr(folder.size())).second) {
          found_.push_back(describe(bucket_, std::move(object)));
        }
      }
      for (const auto& next : listing.folders) {
        std::string_view name = std::string_view(next).substr(folder.size());
        if (name.ends_with('/')) name.remove_suffix(1);
        auto inside = follow(glob_, states, name).first;
        if (!inside.empty() && keeps(next)) below.emplace_back(next, std::move(inside));
      }
      page.continuation = std::move(listing.continuation);
    } while (!page.continuation.empty() && --pages_max > 0);
    return below;
  }

  Result<void> visit_level(const std::string& folder, const GlobStates& states, const std::string& name_begin) {
    auto below = TRY(list_level(folder, states, name_begin));
    for (auto& [next, inside] : below) TRY(visit(next, std::move(inside)));
    return {};
  }

  bool keeps(std::string_view folder_key) const {
    if (!keep_folder_) return true;
    return keep_folder_(bucket_ + "/" + std::string(folder_key.substr(0, folder_key.size() - 1)));
  }

  // Whether a key below `folder` matches. Keys come sorted, so the folders of one are mostly those of the one before.
  bool wants(const std::string& folder, const std::string& key) {
    auto slash = key.rfind('/');
    std::string parent = slash == std::string::npos || slash < folder.size() ? folder : key.substr(0, slash + 1);
    const auto& states = states_in(folder, parent);
    if (states.empty()) return false;
    return follow(glob_, states, std::string_view(key).substr(parent.size())).second;
  }

  const GlobStates& states_in(const std::string& root, const std::string& folder) {
    auto known = known_.find(folder);
    if (known != known_.end()) return known->second;
    auto slash = folder.rfind('/', folder.size() - 2);
    std::string parent = slash == std::string::npos || slash + 1 < root.size() ? root : folder.substr(0, slash + 1);
    GlobStates above = states_in(root, parent);
    GlobStates inside;
    if (!above.empty()) {
      auto name = std::string_view(folder).substr(parent.size(), folder.size() - parent.size() - 1);
      inside = follow(glob_, above, name).first;
    }
    if (!inside.empty() && !keeps(folder)) inside.clear();
    if (known_.size() > 10'000) known_ = {{root, known_.at(root)}};
    return known_[folder] = std::move(inside);
  }

  Client& client_;
  Context& context_;
  const std::string bucket_;
  const Glob& glob_;
  const KeepFolder& keep_folder_;
  std::map<std::string, GlobStates> known_;  // of the folders met in the visit under way; empty: pruned
  std::vector<ObjectInfo> found_;
};

Result<std::vector<ObjectInfo>> list_folder(Client& client, Context& context, const Address& folder, bool recursive,
                                            const KeepFolder& keep_folder) {
  Glob glob{"", {{{recursive ? "**" : "*"}}}};
  std::string prefix = folder.key;
  if (!prefix.empty() && !prefix.ends_with('/')) prefix += '/';
  return Walk(client, context, folder.bucket, glob, keep_folder).run(prefix);
}

Result<std::vector<ObjectInfo>> list_literal(Client& client, Context& context, const std::string& pattern,
                                             bool recursive, const KeepFolder& keep_folder) {
  auto address = address_of(pattern);
  if (address.key.empty() || address.key.ends_with('/')) {
    return list_folder(client, context, address, recursive, keep_folder);
  }
  if (auto info = TRY(stat_object(client, context, pattern))) return std::vector{std::move(*info)};
  // Also tells a bucket that does not exist from an object that does not: HEAD cannot.
  auto below = TRY(list_page(client, context, address.bucket, {address.key + "/", false, {}, 1}));
  if (below.objects.empty()) return user_error("{} does not exist", address.url());
  return list_folder(client, context, address, recursive, keep_folder);
}

// Where the keys are that a pattern can match, and how.
struct Root {
  Address folder;  // its key is empty or ends in '/'
  Glob glob;
};

// Empty: the pattern is a name.
Result<std::optional<Root>> root_of(const std::string& pattern, bool recursive) {
  Root root;
  if (!has_wildcard(pattern)) {
    root.folder = address_of(pattern);
    if (!root.folder.key.empty() && !root.folder.key.ends_with('/')) return std::nullopt;
    root.glob = Glob{"", {{{recursive ? "**" : "*"}}}};
    return std::optional(std::move(root));
  }
  root.glob = TRY(parse_glob(pattern));
  root.folder = address_of(root.glob.root);
  if (root.glob.root == "." || has_wildcard(root.folder.bucket)) {
    return user_error("s3://{} names no single bucket: wildcards may follow after the bucket's name", pattern);
  }
  if (!root.folder.key.empty()) root.folder.key += '/';
  if (recursive) make_recursive(root.glob);
  return std::optional(std::move(root));
}

}  // namespace

Result<std::optional<Answer>> head_object(Client& client, Context& context, const Address& address) {
  Request request;
  request.method = "HEAD";
  request.address = address;
  auto answer = client.send(context, request);
  if (!answer.ok() && answer.error().fault == Fault::refused && is_not_listed(client, context, address)) {
    return std::nullopt;
  }
  if (!answer.ok()) return std::move(answer).error();
  if (answer->http.status == 404) return std::nullopt;
  if (!answer->ok()) return unexpected(request, answer.value());
  return std::optional(std::move(answer).value());
}

Result<std::optional<ObjectInfo>> stat_object(Client& client, Context& context, const std::string& path) {
  const Address address = address_of(path);
  if (address.key.empty() || address.key.ends_with('/')) return std::nullopt;
  const auto answer = TRY(head_object(client, context, address));
  if (!answer.has_value()) return std::nullopt;
  ObjectInfo info;
  info.path = path;
  auto length = answer->http.header("content-length");
  auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), info.bytes);
  if (error != std::errc() || length.empty()) {
    return transient("the service does not say how long {} is", address.url());
  }
  info.version = without_quotes(answer->http.header("etag"));
  info.modified = TRY(parse_time(std::string(answer->http.header("last-modified"))));
  return std::optional(std::move(info));
}

Result<std::vector<ObjectInfo>> list_objects(Client& client, Context& context, const std::string& pattern,
                                             bool recursive, const KeepFolder& keep_folder) {
  if (!has_wildcard(pattern)) return list_literal(client, context, pattern, recursive, keep_folder);
  auto root = TRY(root_of(pattern, recursive));
  auto found = TRY(Walk(client, context, root->folder.bucket, root->glob, keep_folder).run(root->folder.key));
  if (!found.empty()) return found;
  // A key may bear the pattern's very text: a[1].json matches the pattern a1.json only.
  if (auto info = TRY(stat_object(client, context, pattern))) found.push_back(std::move(*info));
  return found;
}

Result<Store::Sample> sample_objects(Client& client, Context& context, const std::string& pattern, bool recursive) {
  Store::Sample sample;
  auto root = TRY(root_of(pattern, recursive));
  if (root.has_value()) {
    sample = TRY(Walk(client, context, root->folder.bucket, root->glob, {}).sample(root->folder.key));
  }
  // A name, or a pattern that nothing matches.
  if (sample.objects.empty()) {
    sample = {};
    sample.objects = TRY(list_objects(client, context, pattern, recursive, {}));
  }
  return sample;
}

}  // namespace sluice::s3
