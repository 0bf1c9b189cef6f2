// FileSource: the schema of its files, and what of a request is applied where.
#include <algorithm>

#include <arrow/api.h>
#include <arrow/io/interfaces.h>

#include "batch/arrow_result.h"
#include "batch/inferred.h"
#include "connector/file/byte_stream.h"
#include "connector/file/file_source.h"

namespace sluice::file {
namespace {

constexpr std::string_view kFilename = "filename";

// "orders" for …/orders.jsonl.gz, …/orders/ and …/orders/*.csv.
std::string table_name(std::string_view path) {
  for (;;) {
    while (path.ends_with('/')) path.remove_suffix(1);
    auto name = path.substr(path.rfind('/') + 1);
    if (name.find_first_of("*?[{=") == std::string_view::npos || name.size() == path.size()) {
      return std::string(name.substr(0, std::max<size_t>(1, name.find('.'))));
    }
    path.remove_suffix(name.size());
  }
}

}  // namespace

Result<SchemaPtr> FileSource::infer_one(Context& context, const ObjectInfo& object) {
  Input input;
  input.name = object.path;
  auto file = TRY(endpoint_.store->open(context, object));
  if (endpoint_.format->traits().random_access) {
    input.file = std::move(file);
  } else {
    input.stream = TRY(open_bytes(std::move(file), endpoint_.codec_of(object.path), 0, object.path));
  }
  input.tail = watch_ && has_lines();
  return endpoint_.format->infer(context, std::move(input));
}

Result<SchemaPtr> FileSource::infer(Context& context, const std::vector<ObjectInfo>& objects) {
  auto limit = static_cast<size_t>(endpoint_.options.integer("sample_files"));
  if (limit == 0) limit = objects.size();
  size_t count = std::min(limit, objects.size());
  std::vector<ObjectInfo> sample;
  for (size_t i = 0; i < count; ++i) sample.push_back(objects[i * objects.size() / count]);
  endpoint_.store->prefetch(context, sample);
  SchemaPtr schema;
  const ObjectInfo* first = nullptr;
  for (size_t i = 0; i < count; ++i) {
    const auto& object = sample[i];
    if (i % 16 == 15) endpoint_.store->prefetch(context, std::span(sample).subspan(i));
    if (object.bytes == 0 && (count > 1 || watch_)) continue;
    auto inferred = infer_one(context, object);
    if (!inferred.ok()) {
      // With others to go by, a file that cannot be read is reported when its turn comes: then it can be a dead letter.
      if (inferred.error().fault == Fault::user && count > 1 && !(i + 1 == count && schema == nullptr)) {
        context.log.warn("file left out of the schema sample",
                         {{"path", object.path}, {"reason", inferred.error().message()}});
        continue;
      }
      return std::move(inferred).error();
    }
    if (watch_) schema_checked_.insert_or_assign(object.version, object);
    if (schema == nullptr) {
      schema = inferred.value();
      first = &object;
      continue;
    }
    const bool typed = endpoint_.format->traits().random_access;
    auto both = typed ? unify(schema, inferred.value()) : unify_inferred(schema, inferred.value());
    if (!both.ok()) {
      return user_error("{} and {} do not fit together: {}; give the types with columns := '…'", first->path,
                        object.path, both.error().what);
    }
    schema = both.value();
  }
  if (schema == nullptr) {
    return user_error("{}: there is no row yet to take the schema from; give it with columns := 'name TYPE, …'",
                      endpoint_.path);
  }
  return schema;
}

Result<void> FileSource::find_partitions(const std::vector<ObjectInfo>& objects,
                                         const std::vector<std::string>& folders) {
  const auto& mode = endpoint_.options.text("hive_partitioning");
  if (mode == "false") return {};
  std::vector<std::string> paths;
  paths.reserve(objects.size());
  for (const auto& object : objects) paths.push_back(object.path);
  partitions_ = TRY(PartitionColumns::infer(paths, mode == "true", folders));
  return {};
}

// A look at some of many Hive folders: what a filter excludes need not even be listed. Empty: everything has to be
// listed now, because the location is another thing or because that costs no more.
Result<std::optional<std::vector<ObjectInfo>>> FileSource::survey(Context& context) {
  std::optional<std::vector<ObjectInfo>> nothing;
  const bool all_wanted = endpoint_.options.integer("sample_files") == 0;
  if (watch_ || all_wanted || endpoint_.options.text("hive_partitioning") == "false") return nothing;
  if (!is_pattern() && !is_deep()) return nothing;
  auto sample = TRY(endpoint_.store->sample(context, endpoint_.path, is_deep()));
  if (!is_pattern()) {
    std::erase_if(sample.objects,
                  [&](const ObjectInfo& object) { return !endpoint_.has_known_extension(object.path); });
  }
  if (sample.complete) {
    TRY(find_partitions(sample.objects));
    return std::optional(std::move(sample.objects));
  }
  for (auto& folder : sample.folders) folder += '/';
  TRY(find_partitions(sample.objects, sample.folders));
  if (partitions_.empty()) return nothing;
  surveyed_ = true;
  return std::optional(std::move(sample.objects));
}

bool FileSource::columns_are_given() const {
  return endpoint_.options.has("columns") && !endpoint_.options.text("columns").empty();
}

Result<SchemaPtr> FileSource::fetch_schema(Context& context) {
  if (full_schema_ != nullptr) return full_schema_;
  const bool given = columns_are_given();
  auto some = TRY(survey(context));
  const bool looked = some.has_value();
  auto objects = looked ? std::move(*some) : TRY(list(context));
  if (objects.empty() && !given) {
    return user_error("no {} file matches {}{}", endpoint_.format_descriptor->name, endpoint_.path,
                      watch_ ? " yet; to wait for the first, give the schema with columns := 'name TYPE, …'" : "");
  }
  if (!looked) TRY(find_partitions(objects));
  if (given) {
    auto parsed = parse_columns(endpoint_.options.text("columns"));
    if (!parsed.ok()) return user_error("{}: {}", endpoint_.options.where("columns"), parsed.error().what);
    file_schema_ = parsed.value();
  } else {
    file_schema_ = TRY(infer(context, objects));
  }
  TRY(complete_schema());
  if (!surveyed_) listed_ = std::move(objects);
  return full_schema_;
}

// With the columns given no file was looked into: that it may be listed does not mean that it may be read.
Result<void> FileSource::probe_reading(Context& context) {
  if (!columns_are_given()) return {};
  std::vector<ObjectInfo> sample;
  if (surveyed_) sample = TRY(endpoint_.store->sample(context, endpoint_.path, is_deep())).objects;
  for (const auto& object : surveyed_ ? sample : *listed_) {
    if (object.bytes == 0) continue;
    auto file = TRY(endpoint_.store->open(context, object));
    TRY(to_result(file->ReadAt(0, 1)).while_doing("probing " + object.path));
    break;
  }
  return {};
}

// New columns come behind those the files had. What a sample of today says of a column's type is worth more than what
// an earlier run remembers.
Result<SchemaPtr> FileSource::adopt_schema(Context&, const SchemaChange& change) {
  CHECK(full_schema_ != nullptr);
  if (columns_are_given()) return full_schema_;
  auto fields = file_schema_->fields();
  for (const auto& field : change.after->fields()) {
    if (!is_extra(field->name()) && file_schema_->GetFieldIndex(field->name()) < 0) {
      fields.push_back(field->WithNullable(true));
    }
  }
  file_schema_ = arrow::schema(std::move(fields));
  TRY(complete_schema());
  return full_schema_;
}

// The files' columns, then those of their paths.
Result<void> FileSource::complete_schema() {
  // The path is the authority on its partition values, also where the file repeats them.
  std::vector<std::shared_ptr<arrow::Field>> fields;
  for (const auto& field : file_schema_->fields()) {
    bool repeated = partitions_.index_of(field->name()).has_value();
    repeats_partitions_ = repeats_partitions_ || repeated;
    if (!repeated) fields.push_back(field);
  }
  for (const auto& field : partitions_.fields()) fields.push_back(field);
  if (filename_) {
    if (file_schema_->GetFieldIndex(std::string(kFilename)) >= 0) {
      return user_error("{}: the files have a column 'filename' already; leave the option filename out",
                        endpoint_.path);
    }
    fields.push_back(arrow::field(std::string(kFilename), arrow::utf8(), false));
  }
  full_schema_ = arrow::schema(std::move(fields));
  return refuse_reserved_columns(*full_schema_, endpoint_.path);
}

bool FileSource::is_extra(const std::string& name) const {
  return partitions_.index_of(name).has_value() || (filename_ && name == kFilename);
}

std::shared_ptr<arrow::Field> FileSource::extra_field(size_t index) const {
  if (index < partitions_.fields().size()) return partitions_.fields()[index];
  return arrow::field(std::string(kFilename), arrow::utf8(), false);
}

// What every decoder is told. Where all columns are wanted, one that no file of the sample had is an error: its values
// would be lost without a word.
DecoderOptions FileSource::decoder_options(const ReadRequest& request, ReadRequest inner) const {
  DecoderOptions options{file_schema_, std::move(inner), request.collect_rejects};
  const bool keeps_its_columns = watch_ && endpoint_.options.text("on_schema_change") == "ignore";
  options.refuse_unknown = !request.columns.has_value() && !columns_are_given() && !keeps_its_columns;
  for (const auto& field : partitions_.fields()) options.ignored.push_back(field->name());
  return options;
}

// What the decoder is asked for: columns of the files only.
ReadRequest FileSource::inner_request(const ReadRequest& request) {
  ReadRequest inner = request;
  size_t extras = partitions_.fields().size() + (filename_ ? 1 : 0);
  std::vector<bool> wanted(extras, !request.columns.has_value());
  if (request.columns.has_value()) {
    inner.columns.emplace();
    for (const auto& path : *request.columns) {
      if (is_extra(path[0])) {
        wanted[partitions_.index_of(path[0]).value_or(extras - 1)] = true;
      } else {
        inner.columns->push_back(path);
      }
    }
  } else if (repeats_partitions_) {
    inner.columns.emplace();
    for (const auto& field : file_schema_->fields()) {
      if (!is_extra(field->name())) inner.columns->push_back({field->name()});
    }
  }
  wanted_extras_.clear();
  for (size_t i = 0; i < extras; ++i) {
    if (wanted[i]) wanted_extras_.push_back(i);
  }
  return inner;
}

// A predicate that every path can be judged by is dealt with here, exactly.
bool FileSource::decided_by_path(const Predicate& predicate) const {
  if (predicate.column.size() != 1 || !is_extra(predicate.column[0])) return false;
  if (predicate.op == Predicate::Op::is_null || predicate.op == Predicate::Op::is_not_null) return true;
  auto type = extra_field(partitions_.index_of(predicate.column[0]).value_or(partitions_.fields().size()))->type();
  std::shared_ptr<arrow::Scalar> any;
  switch (type->id()) {
    case arrow::Type::INT64:
      any = std::make_shared<arrow::Int64Scalar>(0);
      break;
    case arrow::Type::DATE32:
      any = std::make_shared<arrow::Date32Scalar>(0);
      break;
    default:
      any = std::make_shared<arrow::StringScalar>("");
      break;
  }
  return satisfies(*any, predicate).has_value();
}

// Takes files out of the listing that the filter excludes; the note for explain.
std::string FileSource::prune_listed() {
  auto folders = [this] {
    std::unordered_set<std::string> all;
    for (const auto& object : *listed_) all.insert(object.path.substr(0, object.path.rfind('/')));
    return all.size();
  };
  size_t files_before = listed_->size();
  size_t folders_before = folders();
  std::erase_if(*listed_, [&](const ObjectInfo& object) { return !may_match(object.path); });
  return fmt::format("partitions: {} of {} read, files: {} of {} ({})", folders(), folders_before, listed_->size(),
                     files_before, filter_text());
}

std::string FileSource::filter_text() const {
  std::vector<std::string> texts;
  for (const auto& predicate : path_filter_) texts.push_back(to_string(predicate));
  return fmt::format("{}", fmt::join(texts, " AND "));
}

Result<Source::Planned> FileSource::plan(Context& context, const ReadRequest& request) {
  TRY(fetch_schema(context));
  path_filter_.clear();
  ReadRequest inner = inner_request(request);
  inner.filter.clear();
  std::vector<int> inner_index;  // −1: decided by the path, −2: left to whoever evaluates the rest
  for (const auto& predicate : request.filter) {
    if (decided_by_path(predicate)) {
      path_filter_.push_back(predicate);
      inner_index.push_back(-1);
    } else if (is_extra(predicate.column[0])) {
      inner_index.push_back(-2);
    } else {
      inner_index.push_back(static_cast<int>(inner.filter.size()));
      inner.filter.push_back(predicate);
    }
  }
  // Rows that somebody above drops must not count for a limit down here.
  if (std::find(inner_index.begin(), inner_index.end(), -2) != inner_index.end()) inner.limit.reset();

  auto planned = TRY(endpoint_.format->plan(file_schema_, inner));
  Planned out;
  auto fields = planned.schema->fields();
  for (size_t i : wanted_extras_) fields.push_back(extra_field(i));
  out.schema = arrow::schema(std::move(fields));
  out.pushed = planned.pushed;
  out.pushed.columns = request.columns.has_value() && planned.pushed.columns;
  out.pushed.filter_exact.clear();
  for (int index : inner_index) {
    auto i = static_cast<size_t>(index);
    out.pushed.filter_exact.push_back(
        index == -1 || (index >= 0 && i < planned.pushed.filter_exact.size() && planned.pushed.filter_exact[i]));
  }
  if (!path_filter_.empty() && listed_.has_value()) out.pushed.notes.push_back(prune_listed());
  if (!path_filter_.empty() && surveyed_) out.pushed.notes.push_back("partitions listed: " + filter_text());

  const bool by_content = endpoint_.store->version_is_content();
  ledger_.emplace(ledger_policy());
  extras_cache_.reset();  // its constants are chosen by the request
  read_plan_ = std::make_unique<ReadPlan>(ReadPlan{endpoint_, *ledger_, watch_, !by_content,
                                                   TableId{"", table_name(endpoint_.path)},
                                                   decoder_options(request, std::move(inner)), out.schema});
  return out;
}

}  // namespace sluice::file
