#include "store/s3/prefetch.h"

#include <algorithm>

namespace sluice::s3 {
namespace {

constexpr size_t kEntriesMax = 256;
constexpr auto kStaleAfter = std::chrono::seconds(30);  // a reader that ended early never opens them

}  // namespace

bool Prefetch::holds(const ObjectInfo& object) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& entry) { return entry.path == object.path && entry.version == object.version; });
}

void Prefetch::drop_stale(SteadyTime now) {
  while (!entries_.empty() && now - entries_.front().since > kStaleAfter) entries_.pop_front();
}

void Prefetch::start(Context& context, std::span<const ObjectInfo> objects) {
  auto now = context.clock.steady();
  std::lock_guard lock(mutex_);
  for (const auto& object : objects) {
    if (object.bytes == 0 || object.bytes > kWholeBytesMax || holds(object)) continue;
    if (entries_.size() >= kEntriesMax) drop_stale(now);
    if (entries_.size() >= kEntriesMax) return;
    auto held = memory_.take(context.memory, object.bytes);
    if (!held.has_value()) return;
    auto range = start_range(client_, context, object, 0, object.bytes);
    if (!range.ok()) return;  // opening it will say why
    range->held = std::move(*held);
    entries_.push_back({object.path, object.version, now, std::move(range).value()});
  }
}

std::optional<Range> Prefetch::take(const ObjectInfo& object) {
  std::lock_guard lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->path != object.path || entry->version != object.version) continue;
    std::optional<Range> range = std::move(entry->range);
    entries_.erase(entry);
    return range;
  }
  return std::nullopt;
}

}  // namespace sluice::s3
