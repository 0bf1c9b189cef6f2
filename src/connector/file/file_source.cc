#include "connector/file/file_source.h"

#include <algorithm>

#include <arrow/api.h>
#include <arrow/io/interfaces.h>

#include "batch/arrow_result.h"
#include "connector/file/byte_stream.h"

namespace sluice::file {
namespace {

// A folder that changes without pause is listed no more often than this.
constexpr Millis kListingPause{50};
constexpr Millis kOvershoot{3};
// A column format's stored bytes hold about this many times more.
constexpr int64_t kStoredToDecoded = 4;
// Files compared with what has been read before lanes get the next ones.
constexpr size_t kComparedAtOnce = 500;

}  // namespace

FileSource::FileSource(Endpoint endpoint) : endpoint_(std::move(endpoint)) {
  watch_ = endpoint_.options.boolean("watch");
  filename_ = endpoint_.options.boolean("filename");
}

Result<std::unique_ptr<Source>> FileSource::create(const Registry& registry, const ConnectorRequest& request) {
  auto endpoint = TRY(resolve(registry, request, OptionScope::source));
  auto source = std::unique_ptr<FileSource>(new FileSource(std::move(endpoint)));
  return std::unique_ptr<Source>(std::move(source));
}

SourceTraits FileSource::traits() const {
  SourceTraits traits;
  traits.streaming = watch_;
  traits.batch = !watch_;
  // A compressed copy of a watched file is known by what was read of that one.
  traits.splits_stand_alone = !watch_;
  return traits;
}

bool FileSource::has_lines() const {
  const auto traits = endpoint_.format->traits();
  return traits.line_based || (traits.needs_head && !traits.random_access);
}

int64_t FileSource::line_feed() const {
  if (!has_lines()) return 0;
  return endpoint_.options.has("encoding") ? line_feed_bytes(endpoint_.options.text("encoding")) : 1;
}

// Where a position is a byte, what is appended begins there.
Ledger::Policy FileSource::ledger_policy() const {
  const auto traits = endpoint_.format->traits();
  return {.watch = watch_,
          .appendable = !traits.random_access,
          .version_is_content = endpoint_.store->version_is_content(),
          .cut_at_records = traits.quoted_newlines,
          .line_feed = line_feed()};
}

bool FileSource::may_match(const std::string& path) const {
  if (path_filter_.empty()) return true;
  auto values = partitions_.values(path);
  if (!values.ok()) return true;  // reading it reports the value
  for (const auto& predicate : path_filter_) {
    const auto& name = predicate.column[0];
    auto index = partitions_.index_of(name);
    auto fits = index.has_value() ? satisfies(*values.value()[*index], predicate)
                                  : satisfies(arrow::StringScalar(path), predicate);
    if (fits.has_value() && !*fits) return false;
  }
  return true;
}

// A folder may lack keys that folders below it have: only what is known can exclude it.
bool FileSource::folder_may_match(const std::string& folder) const {
  for (const auto& [key, text] : partition_values(folder + "/")) {
    auto index = partitions_.index_of(key);
    if (!index.has_value()) continue;
    const auto& type = partitions_.fields()[*index]->type();
    std::shared_ptr<arrow::Scalar> value = arrow::MakeNullScalar(type);
    if (text.has_value()) {
      auto parsed = arrow::Scalar::Parse(type, *text);
      if (!parsed.ok()) continue;
      value = *parsed;
    }
    for (const auto& predicate : path_filter_) {
      if (predicate.column[0] != key) continue;
      auto fits = satisfies(*value, predicate);
      if (fits.has_value() && !*fits) return false;
    }
  }
  return true;
}

Result<std::vector<ObjectInfo>> FileSource::list_all(Context& context, bool recursive) {
  auto keep = [this](const std::string& folder) { return folder_may_match(folder); };
  auto found = endpoint_.store->list(context, endpoint_.path, recursive, keep);
  if (!watch_ || listed_once_ || found.ok() || found.error().fault != Fault::refused) return found;
  // A store that is waited for leaves out folders below the location that may not be read.
  TRY(endpoint_.store->wait_for_change(context, endpoint_.path, context.clock.steady()));
  return endpoint_.store->list(context, endpoint_.path, recursive, keep);
}

Result<std::vector<ObjectInfo>> FileSource::list(Context& context) {
  auto found = list_all(context, is_deep());
  if (!found.ok()) {
    // Watching: the folder may appear later, a permission may be given back. At first only the former: what is wrong
    // from the beginning is hardly passing.
    if (!watch_ || found.error().fault == Fault::cancelled) return std::move(found).error();
    if (!listed_once_) {
      const bool missing = found.error().fault == Fault::user;
      if (!missing) return std::move(found).error();
      const auto there = endpoint_.store->stat(context, endpoint_.path);
      if (!there.ok() || there.value().has_value()) return std::move(found).error();
    }
    context.log.warn("cannot list the watched location now",
                     {{"path", endpoint_.path}, {"reason", found.error().what}});
    return std::vector<ObjectInfo>{};
  }
  auto objects = std::move(found).value();
  bool one_file = objects.size() == 1 && objects[0].path == endpoint_.path;
  if (!one_file && !is_pattern()) {
    // A folder: everything below it that looks like the format.
    if (!is_deep()) objects = TRY(list_all(context, true));
    std::erase_if(objects, [&](const ObjectInfo& object) { return !endpoint_.has_known_extension(object.path); });
  }
  std::erase_if(objects, [&](const ObjectInfo& object) { return !may_match(object.path); });
  listed_once_ = true;
  return objects;
}

Result<void> FileSource::start(Context&, const Positions& durable) {
  CHECK(read_plan_ != nullptr);
  // Readers hold it through read_plan_; there are none now.
  ledger_.emplace(ledger_policy());
  cutting_.clear();
  polled_ = false;
  {
    std::lock_guard lock(mutex_);
    items_.clear();
  }
  return ledger_->load(durable);
}

Result<Extras> FileSource::extras_of(const std::string& path) {
  auto folder = path.substr(0, path.rfind('/') + 1);
  bool wants_name = !wanted_extras_.empty() && wanted_extras_.back() == partitions_.fields().size();
  if (!wants_name && extras_cache_ != nullptr && (wanted_extras_.empty() || extras_folder_ == folder)) {
    return extras_cache_;
  }
  auto found = partitions_.values(path);
  if (!found.ok() && surveyed_) {
    return user_error("{}; sample_files := 0 looks at all paths before it says what their columns are",
                      found.error().what);
  }
  auto values = TRY(std::move(found));
  std::vector<std::shared_ptr<arrow::Scalar>> extras;
  for (size_t i : wanted_extras_) {
    extras.push_back(i < values.size() ? values[i] : std::make_shared<arrow::StringScalar>(path));
  }
  extras_folder_ = folder;
  extras_cache_ = std::make_shared<const std::vector<std::shared_ptr<arrow::Scalar>>>(std::move(extras));
  return extras_cache_;
}

void FileSource::add_split(Work work, Extras extras, SplitEvents& events, int64_t parts) {
  Split split;
  split.id = work.id;
  auto end = std::min(work.position.end, work.object.bytes);
  // Where positions are rows, their bytes are not known: parts count as equal ones.
  split.bytes = endpoint_.format->traits().random_access ? work.object.bytes / parts
                                                         : std::max<int64_t>(0, end - std::min(end, work.position.at));
  std::lock_guard lock(mutex_);
  items_.insert_or_assign(split.id, ReadItem{std::move(work), std::move(extras)});
  events.added.push_back(std::move(split));
}

Result<bool> FileSource::is_splittable(Context& context, const ObjectInfo& object) {
  Input sample;
  sample.name = object.path;
  sample.stream = stream_from(TRY(endpoint_.store->open(context, object)), 0);
  sample.tail = watch_;
  return endpoint_.format->splittable(context, std::move(sample));
}

Result<void> FileSource::add_work(Context& context, Work work, SplitEvents& events) {
  auto found = extras_of(work.object.path);
  if (!found.ok() && watch_ && found.error().fault == Fault::user) {
    const SplitId id = work.id;
    add_split(std::move(work), nullptr, events);
    std::lock_guard lock(mutex_);
    items_.at(id).flaw = std::move(found).error();
    return {};
  }
  auto extras = TRY(std::move(found));
  auto traits = endpoint_.format->traits();
  int64_t piece = endpoint_.options.bytes("split_bytes");
  int64_t end = std::min(work.position.end, work.object.bytes);
  bool plain_lines = has_lines() && work.codec == Codec::none;
  bool cut = work.fresh && !watch_ && plain_lines && traits.line_based && end - work.position.at > piece + piece / 2;
  if (plain_lines && (cut || watch_)) {
    bool splittable = work.object.bytes == 0 || TRY(is_splittable(context, work.object));
    cut = cut && splittable;
    work.tail = watch_ && splittable;
  }
  if (traits.random_access && work.fresh && !watch_ && work.object.bytes > piece / kStoredToDecoded) {
    return cut_rows(context, work, std::move(extras), events);
  }
  if (!cut) {
    add_split(std::move(work), std::move(extras), events);
    return {};
  }
  Cutting cutting{std::move(work), std::move(extras), nullptr, 0};
  cutting.at = cutting.work.position.at;
  if (!endpoint_.store->version_is_content() && cutting.work.position.head.bytes == 0) {
    cutting.file = TRY(endpoint_.store->open(context, cutting.work.object));
    cutting.work.position.head = TRY(fingerprint_at(*cutting.file, 0, kFingerprintBytes));
  }
  cutting_.push_back(std::move(cutting));
  return {};
}

// Row groups of one file side by side.
Result<void> FileSource::cut_rows(Context& context, const Work& work, Extras extras, SplitEvents& events) {
  Input input;
  input.name = work.object.path;
  input.file = TRY(endpoint_.store->open(context, work.object));
  auto cuts =
      endpoint_.format->cuts(context, std::move(input), endpoint_.options.bytes("split_bytes") / kStoredToDecoded);
  std::vector<int64_t> inside;
  for (int64_t row : cuts.ok() ? cuts.value() : std::vector<int64_t>{}) {  // a broken file is reported by its reader
    if (row > work.position.begin && row < work.position.end) inside.push_back(row);
  }
  if (inside.empty()) {
    add_split(work, std::move(extras), events);
    return {};
  }
  inside.push_back(work.position.end);
  int64_t begin = work.position.begin;
  for (int64_t end : inside) {
    add_split(ledger_->part_of(work, begin, end, true), extras, events, static_cast<int64_t>(inside.size()));
    begin = end;
  }
  return {};
}

// One range at a time where the cuts have to be searched: readers begin while the search goes on.
Result<void> FileSource::cut_some(Context& context, SplitEvents& events) {
  auto traits = endpoint_.format->traits();
  int64_t piece = endpoint_.options.bytes("split_bytes");
  while (!cutting_.empty()) {
    auto& cutting = cutting_.front();
    const auto& work = cutting.work;
    int64_t begin = cutting.at;
    int64_t size = std::min(work.position.end, work.object.bytes);
    int64_t end = begin + piece;
    if (size - begin <= piece + piece / 2) {
      end = size;
    } else if (traits.quoted_newlines) {
      if (cutting.file == nullptr) cutting.file = TRY(endpoint_.store->open(context, work.object));
      end = TRY(endpoint_.format->next_record_start(context, *cutting.file, begin, end));
    }
    bool last = end >= size;
    bool at_start = begin == work.position.at ? work.at_record_start : traits.quoted_newlines;
    add_split(ledger_->part_of(work, begin, last ? work.position.end : end, at_start), cutting.extras, events);
    cutting.at = end;
    if (last) cutting_.pop_front();
    if (traits.quoted_newlines) break;
  }
  return {};
}

Result<std::optional<SchemaChange>> FileSource::check_new_file(Context& context, const ObjectInfo& object, bool fresh) {
  const auto& policy = endpoint_.options.text("on_schema_change");
  std::optional<SchemaChange> change;
  if (policy == "ignore" || columns_are_given() || object.bytes == 0) return change;
  // What is appended is not looked at again: that would be the same first rows each time.
  const auto checked = schema_checked_.find(object.version);
  if (checked != schema_checked_.end()) {
    const auto& then = checked->second;
    if (!fresh || (then.bytes == object.bytes && then.modified == object.modified)) return change;
  }
  auto inferred = infer_one(context, object);
  if (!inferred.ok()) return change;  // reading it reports the same, with the policy for bad files
  auto fields = full_schema_->fields();
  for (const auto& field : inferred.value()->fields()) {
    if (full_schema_->GetFieldIndex(field->name()) >= 0) continue;
    if (policy == "stop") {
      return refused("{}: has a new column '{}' {}, and on_schema_change is 'stop'", object.path, field->name(),
                     type_name(*field->type()));
    }
    context.log.info("a file has a new column", {{"path", object.path}, {"column", field->name()}});
    fields.push_back(field->WithNullable(true));
  }
  if (fields.size() == static_cast<size_t>(full_schema_->num_fields())) {
    schema_checked_.insert_or_assign(object.version, object);
    return change;
  }
  change = SchemaChange{read_plan_->table, full_schema_, arrow::schema(std::move(fields))};
  return change;
}

Result<bool> FileSource::compare_listing(Context& context, std::span<const ObjectInfo> objects, SplitEvents& events) {
  for (const auto& object : objects) {
    if (context.stop.stop_requested()) return cancelled();
    auto codec = endpoint_.codec_of(object.path);
    // While watching, a file may be gone again, or a permission may still be given.
    auto leave_for_later = [&](const Error& error) {
      bool later =
          watch_ && (error.fault == Fault::transient || error.fault == Fault::refused || error.fault == Fault::user);
      if (!later) return false;
      context.log.warn("file cannot be read now, it will be tried again",
                       {{"path", object.path}, {"reason", error.message()}});
      return true;
    };
    auto compared = ledger_->compare(context, *endpoint_.store, object, codec);
    if (!compared.ok()) {
      if (!leave_for_later(compared.error())) return std::move(compared).error();
      continue;
    }
    auto works = std::move(compared).value();
    if (watch_ && !works.empty()) {
      // The file itself and what comes after it wait for start(), with the new schema.
      const bool fresh = std::any_of(works.begin(), works.end(), [](const Work& work) { return work.fresh; });
      events.schema_change = TRY(check_new_file(context, object, fresh));
      if (events.schema_change.has_value()) return true;
    }
    for (auto& work : works) {
      const SplitId id = work.id;
      auto added = add_work(context, std::move(work), events);
      if (added.ok()) continue;
      if (!leave_for_later(added.error())) return std::move(added).error();
      ledger_->give_up(id, object, context.clock.wall() + kTryAgain);
    }
  }
  return !events.added.empty();
}

Result<SplitEvents> FileSource::poll_splits(Context& context, Deadline deadline) {
  CHECK(read_plan_ != nullptr);
  SplitEvents events;
  if (!watch_) {
    if (!polled_) {
      compared_ = 0;
      if (!listed_.has_value()) listed_ = TRY(list(context));
      ledger_->begin_listing(*listed_);
      polled_ = true;
    }
    while (listed_.has_value() && events.added.empty() && cutting_.empty()) {
      // Some at a time: lanes read the first files while the others are compared.
      auto some = std::span(*listed_).subspan(compared_, std::min(kComparedAtOnce, listed_->size() - compared_));
      TRY(compare_listing(context, some, events));
      compared_ += some.size();
      if (compared_ == listed_->size()) listed_.reset();
    }
    TRY(cut_some(context, events));
    events.finished = cutting_.empty() && !listed_.has_value();
    return events;
  }
  auto poll_interval = endpoint_.options.duration("poll_interval");
  for (;;) {
    if (polled_) {
      auto until = std::min(deadline, listed_at_ + poll_interval);
      TRY(endpoint_.store->wait_for_change(context, endpoint_.path, until));
      auto now = context.clock.steady();
      // The caller's deadline alone is no reason to list again; a wait that overshot it saw something.
      if (now >= until && now < until + kOvershoot && now < listed_at_ + poll_interval) return events;
      if (now < listed_at_ + kListingPause) {
        context.clock.sleep(std::chrono::ceil<Millis>(listed_at_ + kListingPause - now), context.stop);
      }
    } else {
      // Arms the notification before the first listing: what happens in between is not missed.
      TRY(endpoint_.store->wait_for_change(context, endpoint_.path, context.clock.steady()));
    }
    if (context.stop.stop_requested()) return cancelled();
    auto objects = TRY(list(context));
    listed_at_ = context.clock.steady();
    ledger_->begin_listing(objects);
    bool added = TRY(compare_listing(context, objects, events));
    polled_ = true;
    if (added || context.clock.steady() >= deadline) return events;
  }
}

Result<std::unique_ptr<Reader>> FileSource::create_reader(Context&, std::span<const Split> splits) {
  std::vector<ReadItem> items;
  std::lock_guard lock(mutex_);
  for (const auto& split : splits) {
    auto item = items_.extract(split.id);
    CHECK(!item.empty());
    items.push_back(std::move(item.mapped()));
  }
  return std::unique_ptr<Reader>(std::make_unique<FileReader>(*read_plan_, std::move(items)));
}

Result<Positions> FileSource::resolve_position(Context& context, const std::string& text) {
  Positions positions;
  if (text == "earliest") return positions;
  if (text != "latest") return user_error("files can be reset to 'earliest' or 'latest', not to '{}'", text);
  for (const auto& object : TRY(list(context))) {
    const bool plain = endpoint_.codec_of(object.path) == Codec::none;
    auto file = TRY(endpoint_.store->open(context, object));
    auto end = TRY(end_of(*file, object, plain ? line_feed() : 0));
    // Where nothing but the end of the file ends what was read.
    if (plain && !has_lines() && !endpoint_.format->traits().random_access) end.at = object.bytes;
    positions.emplace(object.path, end.token());
  }
  return positions;
}

}  // namespace sluice::file
