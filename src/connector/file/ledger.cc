#include "connector/file/ledger.h"

#include <algorithm>
#include <tuple>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

#include "batch/arrow_result.h"
#include "connector/file/byte_stream.h"

namespace sluice::file {
namespace {

std::string range_id(const std::string& base, int64_t begin) { return fmt::format("{}@{}", base, begin); }

std::string without_suffix(const std::string& text, const std::string& suffix) {
  return !suffix.empty() && text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text;
}

bool is_range(const FilePosition& position) { return position.begin != 0 || position.end != kToTheEnd; }

}  // namespace

Result<void> Ledger::load(const Positions& durable) {
  std::lock_guard lock(mutex_);
  for (const auto& [id, token] : durable) {
    Entry entry;
    entry.position = TRY(FilePosition::parse(id, token));
    entry.base = is_range(entry.position) ? without_suffix(id, fmt::format("@{}", entry.position.begin)) : id;
    entry.path =
        !entry.position.path.empty() ? entry.position.path : without_suffix(entry.base, "#" + entry.position.version);
    put(id, std::move(entry));
  }
  return {};
}

// Of "device:inode" the inode.
std::string Ledger::key_of(const std::string& version) const {
  return policy_.version_is_content ? version : version.substr(version.find(':') + 1);
}

void Ledger::put(const SplitId& id, Entry entry) {
  by_key_[key_of(entry.position.version)].insert(id);
  version_of_base_[entry.base] = entry.position.version;
  entries_[id] = std::move(entry);
}

void Ledger::forget(const SplitId& id) {
  auto entry = entries_.find(id);
  if (entry == entries_.end()) return;
  auto ids = by_key_.find(key_of(entry->second.position.version));
  if (ids != by_key_.end()) {
    ids->second.erase(id);
    if (ids->second.empty()) by_key_.erase(ids);
  }
  entries_.erase(entry);
}

void Ledger::retire(const SplitId& id) {
  auto ids = by_key_.find(key_of(entries_.at(id).position.version));
  if (ids == by_key_.end()) return;
  ids->second.erase(id);
  if (ids->second.empty()) by_key_.erase(ids);
}

void Ledger::begin_listing(const std::vector<ObjectInfo>& objects) {
  std::lock_guard lock(mutex_);
  alive_.clear();
  alive_paths_.clear();
  if (entries_.empty() && !policy_.watch) return;
  for (const auto& object : objects) {
    alive_.insert_or_assign(object.version, object);
    alive_paths_.insert(object.path);
  }
}

Ledger::Entries Ledger::same_file(const ObjectInfo& object) const {
  const auto known = by_key_.find(key_of(object.version));
  if (known == by_key_.end()) return {};
  const Entry* newest = nullptr;
  // A file that was filled again, or an inode that was handed on: what it held before is on record, too. Positions that
  // were recorded before there were generations have the lowest.
  auto rank = [&](const Entry& entry) {
    return std::tuple(entry.position.version == object.version, entry.position.generation, entry.path == object.path,
                      entry.position.modified);
  };
  std::vector<std::pair<const SplitId*, const Entry*>> found;
  for (const auto& id : known->second) {
    const Entry& entry = entries_.at(id);
    const bool here = entry.position.version == object.version;
    if (policy_.version_is_content ? entry.path != object.path : !here && alive_.contains(entry.position.version)) {
      continue;
    }
    found.emplace_back(&id, &entry);
    if (!here && entry.path != object.path) continue;
    if (newest == nullptr || rank(*newest) < rank(entry)) newest = &entry;
  }
  if (newest == nullptr) return {};
  std::erase_if(found, [&](const auto& one) {
    return one.second->base != newest->base || one.second->position.generation != newest->position.generation;
  });
  // When only the end of a file was read since its device changed, the ranges before are on record under the old
  // number. Where ranges overlap, the older ones are left over from an earlier content.
  std::stable_sort(found.begin(), found.end(),
                   [&](const auto& a, const auto& b) { return rank(*b.second) < rank(*a.second); });
  std::map<int64_t, std::pair<const SplitId*, int64_t>> ranges;  // by begin; with the end
  for (const auto& [id, entry] : found) {
    const auto& [begin, end] = std::pair(entry->position.begin, entry->position.end);
    const auto next = ranges.lower_bound(begin);
    if (next != ranges.end() && next->first < end) continue;
    if (next != ranges.begin() && std::prev(next)->second.second > begin) continue;
    ranges.emplace_hint(next, begin, std::pair(id, end));
  }
  Entries out;
  for (const auto& [begin, range] : ranges) out.push_back(*range.first);
  return out;
}

// The path; unless another file that is still there was seen under it first (rename rotation).
std::string Ledger::new_base(const ObjectInfo& object) const {
  auto taken = version_of_base_.find(object.path);
  if (taken == version_of_base_.end() || taken->second == object.version || policy_.version_is_content) {
    return object.path;
  }
  bool gone = !policy_.watch && !alive_.contains(taken->second);
  return gone ? object.path : object.path + "#" + object.version;
}

Ledger::Content Ledger::new_content(const ObjectInfo& object) const {
  Content content;
  content.base = new_base(object);
  auto ids = by_key_.find(key_of(object.version));
  if (ids == by_key_.end() || policy_.version_is_content) return content;
  for (const auto& id : ids->second) {
    content.generation = std::max(content.generation, entries_.at(id).position.generation + 1);
  }
  return content;
}

Work Ledger::make_work(const Content& content, const ObjectInfo& object, Codec codec, int64_t begin, int64_t end) {
  const std::string& base = content.base;
  Work work;
  work.base = base;
  work.id = begin == 0 && end == kToTheEnd ? base : range_id(base, begin);
  work.object = object;
  work.codec = codec;
  work.fresh = true;
  auto& position = work.position;
  position.begin = position.at = begin;
  position.end = end;
  position.bytes = object.bytes;
  position.modified = object.modified;
  position.version = object.version;
  position.generation = content.generation;
  position.head = content.head;
  if (without_suffix(base, "#" + object.version) != object.path) position.path = object.path;
  if (!policy_.watch) {
    if (!policy_.version_is_content) handed_out_.insert(object.version);
    return work;
  }
  Entry entry{position, base, object.path, true};
  forget(work.id);
  put(work.id, std::move(entry));
  return work;
}

Work Ledger::part_of(const Work& work, int64_t begin, int64_t end, bool at_record_start) {
  std::lock_guard lock(mutex_);
  forget(work.id);
  const Content content{work.base, work.position.generation, work.position.head};
  auto part = make_work(content, work.object, work.codec, begin, end);
  part.at_record_start = at_record_start;
  part.fresh = false;
  return part;
}

// What the entries of one file leave to be read: unfinished ranges, ranges nobody began, and what was appended.
std::vector<Work> Ledger::rest_of(const ObjectInfo& object, Codec codec, const Entries& ids, const Content& content) {
  std::vector<Work> out;
  int64_t covered = 0;
  for (const auto& id : ids) {
    Entry& entry = entries_.at(id);
    if (entry.position.begin > covered) {
      out.push_back(make_work(content, object, codec, covered, entry.position.begin));
      out.back().at_record_start = covered == 0 || policy_.cut_at_records;
    }
    covered = entry.position.end;
    bool last = covered == kToTheEnd;
    bool grown = last && object.bytes > entry.position.bytes;
    entry.path = object.path;
    if (version_of_base_[content.base] == entry.position.version) version_of_base_[content.base] = object.version;
    entry.position.version = object.version;
    if ((entry.position.done && !grown) || entry.busy) continue;
    entry.busy = true;
    Work work;
    work.id = id;
    work.base = content.base;
    work.object = object;
    work.codec = codec;
    work.position = entry.position;
    work.position.done = false;
    work.position.bytes = object.bytes;
    work.position.modified = object.modified;
    work.position.head = content.head;
    const bool named_so = without_suffix(content.base, "#" + object.version) == object.path;
    work.position.path = named_so ? std::string() : object.path;
    bool untouched = work.position.at == work.position.begin && work.position.begin > 0;
    work.at_record_start = !untouched || policy_.cut_at_records;
    out.push_back(std::move(work));
  }
  if (covered != kToTheEnd) {
    out.push_back(make_work(content, object, codec, covered, kToTheEnd));
    out.back().at_record_start = covered == 0 || policy_.cut_at_records;
  }
  return out;
}

Result<std::vector<Work>> Ledger::compare(Context& context, Store& store, const ObjectInfo& object, Codec codec) {
  std::lock_guard lock(mutex_);
  // One file under two names (hard links) is read once.
  if (handed_out_.contains(object.version)) return std::vector<Work>{};
  auto given_up = given_up_.find(object.path);
  if (given_up != given_up_.end()) {
    const auto& then = given_up->second.object;
    bool same = then.version == object.version && then.bytes == object.bytes && then.modified == object.modified;
    if (same && context.clock.wall() < given_up->second.until) return std::vector<Work>{};
    given_up_.erase(given_up);
  }
  auto ids = same_file(object);
  auto unknown = [&]() -> Result<std::vector<Work>> {
    if (policy_.watch && codec != Codec::none) {
      auto copy = TRY(compressed_copy(context, store, object, codec));
      if (copy.is_copy) return std::move(copy.rest);
    }
    const auto content = new_content(object);
    for (const auto& id : ids) retire(id);
    std::vector<Work> all;
    all.push_back(make_work(content, object, codec, 0, kToTheEnd));
    return all;
  };
  if (ids.empty()) return unknown();
  if (std::any_of(ids.begin(), ids.end(), [&](const SplitId& id) { return entries_.at(id).busy; })) {
    return std::vector<Work>{};
  }
  const Entry& last = entries_.at(ids.back());
  Content content{last.base, last.position.generation, last.position.head};
  auto& head = content.head;
  const bool elsewhere = last.position.version != object.version;  // on a device of another number
  bool unchanged = !elsewhere && last.position.bytes == object.bytes && last.position.modified == object.modified;
  if (unchanged || policy_.version_is_content) return rest_of(object, codec, ids, content);

  // Changed since it was recorded: grown, touched, truncated and filled again, on a device with another number, or the
  // inode serves another file now.
  auto file = TRY(store.open(context, object));
  bool same = fingerprint_at(*file, 0, head.bytes).ok() && TRY(fingerprint_at(*file, 0, head.bytes)) == head;
  if (!policy_.appendable) same = same && last.position.bytes == object.bytes;
  // Here the inode says less: a file that shrank, or of which no first bytes are known, is another.
  if (elsewhere) same = same && last.position.bytes <= object.bytes && (head.bytes > 0 || last.position.bytes == 0);
  if (codec == Codec::none && policy_.appendable) {
    same = same && object.bytes >= last.position.at;
    if (same && last.position.tail.bytes > 0) {
      const auto& tail = last.position.tail;
      same = TRY(fingerprint_at(*file, last.position.at - tail.bytes, tail.bytes)) == tail;
    }
  }
  if (!same) return unknown();
  TRY(check_continues(*file, object, ids));
  if (head.bytes < kFingerprintBytes) head = TRY(fingerprint_at(*file, 0, kFingerprintBytes));
  return rest_of(object, codec, ids, content);
}

// A bounded run takes a last line without line feed for a record. When that line has grown since, its first half has
// been delivered already.
Result<void> Ledger::check_continues(arrow::io::RandomAccessFile& file, const ObjectInfo& object,
                                     const Entries& ids) const {
  const auto& last = entries_.at(ids.back()).position;
  bool grown = last.done && last.end == kToTheEnd && object.bytes > last.bytes;
  if (policy_.watch || policy_.line_feed == 0 || !grown || last.at == 0 ||
      codec_of_extension(object.path) != Codec::none) {
    return {};
  }
  const auto unit = static_cast<size_t>(policy_.line_feed);
  const int64_t begin = std::max<int64_t>(0, last.at - policy_.line_feed);
  const auto around = TRY(to_result(file.ReadAt(begin, 2 * policy_.line_feed)));
  std::string bytes = around->ToString();
  if (bytes.size() < 2 * unit || is_line_feed(bytes.substr(0, unit))) return {};
  bytes = bytes.substr(unit);
  if (is_line_feed(bytes)) return {};
  std::replace(bytes.begin(), bytes.end(), '\r', '\n');
  if (is_line_feed(bytes)) return {};
  return refused(
      "{}: the last line was delivered when it ended at byte {} without a line feed, and it has grown since; what to "
      "do "
      "with the rest cannot be known: reset the pipeline, or watch the file instead of reading it in runs",
      object.path, last.at);
}

Result<bool> Ledger::is_alive(Context& context, Store& store, const Entry& entry) const {
  const auto found = alive_.find(entry.position.version);
  if (found == alive_.end()) return false;
  const ObjectInfo& object = found->second;
  const auto& then = entry.position;
  if (object.path == entry.path && object.bytes == then.bytes && object.modified == then.modified) return true;
  auto file = TRY(store.open(context, object));
  return TRY(fingerprint_at(*file, 0, then.head.bytes)) == then.head;
}

// app.log.1.gz made of an app.log.1 that was read: the same first bytes and, where reading stopped, the same last ones.
// Reading then goes on behind them.
Result<Ledger::Copy> Ledger::compressed_copy(Context& context, Store& store, const ObjectInfo& object, Codec codec) {
  if (alive_paths_.contains(std::string(strip_extension(object.path)))) return Copy{true, {}};
  for (const auto& [id, entry] : entries_) {
    if (entry.position.tail.bytes == 0 || entry.position.end != kToTheEnd || entry.busy) continue;
    if (entry.position.version != object.version && TRY(is_alive(context, store, entry))) continue;
    auto matches = holds_already_read(TRY(store.open(context, object)), codec, entry.position);
    if (!matches.ok() || !matches.value()) continue;
    int64_t at = entry.position.at;
    auto work = make_work(new_content(object), object, codec, 0, kToTheEnd);
    work.position.at = at;
    work.fresh = false;
    entries_.at(work.id).position.at = at;
    return Copy{true, {std::move(work)}};
  }
  return Copy{};
}

void Ledger::record(const SplitId& id, const FilePosition& position) {
  if (!policy_.watch) return;
  std::lock_guard lock(mutex_);
  auto entry = entries_.find(id);
  if (entry != entries_.end()) entry->second.position = position;
}

void Ledger::release(const SplitId& id) {
  if (!policy_.watch) return;
  std::lock_guard lock(mutex_);
  auto entry = entries_.find(id);
  if (entry != entries_.end()) entry->second.busy = false;
}

void Ledger::give_up(const SplitId& id, const ObjectInfo& object, WallTime until) {
  if (!policy_.watch) return;
  release(id);
  std::lock_guard lock(mutex_);
  given_up_[object.path] = {object, until};
}

}  // namespace sluice::file
