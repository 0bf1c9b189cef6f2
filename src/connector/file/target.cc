#include "connector/file/target.h"

#include "connector/file/position.h"

namespace sluice::file {
namespace {

// FNV leaves its high bits poorly mixed for short inputs; the finaliser of splitmix64 spreads them.
uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

Result<std::string> FileNames::next(Context& context, const std::string& folders, const std::string& table,
                                    const FirstRow& first, WallTime timestamp) {
  bool anonymous = first.split.empty();
  if (!anonymous && (first.split != last_.split || first.position != last_.position)) {
    last_ = first;
    part_ = 0;
  }
  const auto& collection = !target_.collection.empty() ? target_.collection : table;
  const std::string& root = target_.path;
  for (;;) {
    auto identity =
        fmt::format("{}\n{}\n{}\n{}\n{}", pipeline_, first.split, first.position, part_++, anonymous ? lane_ : -1);
    auto hash = mixed(fingerprint_of({reinterpret_cast<const uint8_t*>(identity.data()), identity.size()}).hash);
    auto path = fmt::format("{}{}{}{}", root, root.ends_with('/') ? "" : "/",
                            target_.layout.path(collection, folders, timestamp, fmt::format("{:016x}", hash)),
                            target_.extension);
    // The time of arrival makes a name new; asking a store behind a network would cost a request for each file.
    bool new_name = target_.layout.strategy != KeyStrategy::none && target_.layout.time_column.empty();
    if (new_name || !TRY(target_.endpoint->store->stat(context, path)).has_value()) return path;
  }
}

}  // namespace sluice::file
