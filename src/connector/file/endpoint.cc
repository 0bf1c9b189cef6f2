#include "connector/file/endpoint.h"

#include <algorithm>
#include <vector>

#include "connector/file/layout.h"

namespace sluice::file {
namespace {

constexpr OptionScope kSource = OptionScope::source;
constexpr OptionScope kSink = OptionScope::sink;

// What reading by watching takes; objects of s3 are read once.
bool concerns_watching(std::string_view option) {
  return option == "watch" || option == "poll_interval" || option == "on_schema_change";
}

const std::vector<OptionSpec>& specs() {
  static const std::vector<OptionSpec> all = {
      {.name = "format", .doc = "The format of the files; by default their extension says it, else json."},
      {.name = "compression",
       .kind = OptionKind::choice,
       .default_value = "auto",
       .doc = "Compression around the format; auto follows the extension (.gz .zst .lz4 .bz2 .snappy).",
       .choices = {"auto", "none", "gzip", "zstd", "snappy", "lz4", "bzip2"}},
      // Reading.
      {.name = "columns",
       .doc = "The schema, as 'id BIGINT, name VARCHAR, …'; by default it is inferred from a sample of the files.",
       .scope = kSource},
      {.name = "recursive",
       .kind = OptionKind::boolean,
       .default_value = "false",
       .doc = "Let a glob match in all folders below, too; a folder is always read with everything below it.",
       .scope = kSource},
      {.name = "hive_partitioning",
       .kind = OptionKind::choice,
       .default_value = "auto",
       .doc = "Read key=value folders as columns; auto does when every file's path has the same keys.",
       .scope = kSource,
       .choices = {"auto", "true", "false"}},
      {.name = "filename",
       .kind = OptionKind::boolean,
       .default_value = "false",
       .doc = "Add a column 'filename' with the path each row came from.",
       .scope = kSource},
      {.name = "on_schema_change",
       .kind = OptionKind::choice,
       .default_value = "add",
       .doc = "While watching, a new file has new columns: add them (what came before is committed, the sink gets the "
              "columns, and the pipeline goes on), stop with an error that names them, or ignore them.",
       .scope = kSource,
       .choices = {"add", "stop", "ignore"}},
      {.name = "sample_files",
       .kind = OptionKind::integer,
       .default_value = "64",
       .doc = "How many files, spread evenly, the schema is inferred from; 0 looks at all of them.",
       .scope = kSource,
       .min = 0},
      {.name = "watch",
       .kind = OptionKind::boolean,
       .default_value = "false",
       .doc = "Go on with new files and with what is appended to known ones.",
       .scope = kSource},
      {.name = "poll_interval",
       .kind = OptionKind::duration,
       .default_value = "1s",
       .doc = "While watching, list again at least this often, whatever notifications say.",
       .scope = kSource,
       .min = 10},
      {.name = "split_bytes",
       .kind = OptionKind::bytes,
       .default_value = "32MB",
       .doc = "Uncompressed files of lines that are larger are read in ranges of this size, side by side.",
       .scope = kSource,
       .min = 2},
      // Writing.
      {.name = "partition_by",
       .kind = OptionKind::list,
       .doc = "Write into Hive folders (a=1/b=x/) by the values of these columns.",
       .scope = kSink},
      {.name = "key_strategy",
       .kind = OptionKind::choice,
       .doc = "Folders and names by collection and time instead: HivePartitioned, DateHourPartitioned, "
              "DatePartitioned, CollectionBased or Flat; see the guide on S3. partition_by goes before it.",
       .scope = kSink,
       .choices = {key_strategy_names().begin(), key_strategy_names().end()}},
      {.name = "time_column",
       .doc = "The column (TIMESTAMP or DATE, taken as UTC) whose dates key_strategy takes, row by row; by default "
              "it is the time of arrival.",
       .scope = kSink},
      {.name = "collection",
       .doc = "The collection in folders and file names; by default the table's or the pipeline's name.",
       .scope = kSink},
      {.name = "prefix", .doc = "A path below the location that everything is written under.", .scope = kSink},
      {.name = "if_exists",
       .kind = OptionKind::choice,
       .doc =
           "What an unnamed statement does when there are files already: error (the default), append beside them, or "
           "replace them.",
       .scope = kSink,
       .choices = {"error", "append", "replace"}},
      {.name = "rotate_rows",
       .kind = OptionKind::integer,
       .doc = "Begin a new file after this many rows.",
       .scope = kSink,
       .min = 1},
      {.name = "rotate_bytes",
       .kind = OptionKind::bytes,
       .doc = "Begin a new file once one has this many bytes.",
       .scope = kSink,
       .min = 1},
      {.name = "rotate_age",
       .kind = OptionKind::duration,
       .doc = "Close a file this long after its first row.",
       .scope = kSink,
       .min = 1},
      {.name = "rotate_idle",
       .kind = OptionKind::duration,
       .doc = "Close a file this long after its last row.",
       .scope = kSink,
       .min = 1},
      {.name = "max_open_files",
       .kind = OptionKind::integer,
       .default_value = "64",
       .doc = "How many files a lane keeps open at once; rows of further partitions wait in memory and spill to disk.",
       .scope = kSink,
       .min = 1},
  };
  return all;
}

// What the URI and the statement say, together.
Result<RawOptions> all_raw(const ConnectorRequest& request) {
  RawOptions raw = request.location.params;
  for (const auto& [name, option] : request.options) {
    auto [place, added] = raw.emplace(name, option);
    if (!added && place->second.value != option.value) {
      return user_error("{}: option '{}' is '{}' in {} and '{}' here; give it once", option.where, name,
                        place->second.value, place->second.where, option.value);
    }
  }
  return raw;
}

bool declares(std::span<const OptionSpec> specs, std::string_view name) {
  return std::any_of(specs.begin(), specs.end(), [&](const OptionSpec& spec) {
    return spec.name == name || (spec.open_prefix && name.starts_with(spec.name));
  });
}

// The same for s3: objects get a date and an hour unless told otherwise.
const std::vector<OptionSpec>& s3_specs() {
  static const std::vector<OptionSpec> all = [] {
    auto changed = specs();
    for (auto& spec : changed) {
      if (spec.name == "key_strategy") spec.default_value = "DateHourPartitioned";
    }
    return changed;
  }();
  return all;
}

const std::vector<OptionSpec>& specs_of(std::string_view scheme) { return scheme == "s3" ? s3_specs() : specs(); }

// A format's own `compression` (inside its files) replaces the one around formats.
std::vector<OptionSpec> merged(const FormatDescriptor& format, const StoreDescriptor& store) {
  std::vector<OptionSpec> all = format.options;
  for (const auto& spec : specs_of(store.scheme)) {
    if (!declares(format.options, spec.name)) all.push_back(spec);
  }
  for (const auto& spec : store.options) {
    if (!declares(all, spec.name)) all.push_back(spec);
  }
  return all;
}

struct Place {
  const StoreDescriptor& store;
  const ConnectorRequest& request;
  const RawOptions& raw;
  std::string path;
  bool folder;
};

// The format of the first file found, for a folder or glob whose name says nothing.
Result<const FormatDescriptor*> format_of_content(const Registry& registry, const Place& place) {
  RawOptions stores_own;
  for (const auto& [name, option] : place.raw) {
    if (declares(place.store.options, name)) stores_own.emplace(name, option);
  }
  auto options = TRY(OptionValues::parse(place.store.scheme, place.store.options, kSource, stores_own));
  auto store = TRY(place.store.create(place.request.location, options));
  Metrics metrics;
  Budget memory(64 << 20);
  Context context{{}, system_clock(), {}, metrics, memory, registry, {}};
  auto sample = store->sample(context, place.path, true);
  if (!sample.ok()) return nullptr;  // listing again later reports it, with what is being read
  for (const auto& object : sample->objects) {
    const auto* format = registry.format_of_extension(strip_extension(object.path));
    if (format != nullptr) return format;
  }
  return nullptr;
}

Result<const FormatDescriptor*> choose_format(const Registry& registry, const Place& place, OptionScope side) {
  auto given = place.raw.find("format");
  if (given != place.raw.end() && !given->second.value.empty()) {
    auto format = registry.format(given->second.value);
    if (format.ok()) return format;
    return user_error("{}: {}", given->second.where, format.error().what);
  }
  const FormatDescriptor* format = nullptr;
  if (!place.folder) format = registry.format_of_extension(strip_extension(place.path));
  if (format == nullptr && side == kSource) format = TRY(format_of_content(registry, place));
  if (format == nullptr) return registry.format("json");
  return format;
}

}  // namespace

std::span<const OptionSpec> own_options(std::string_view scheme) {
  if (scheme != "s3") return specs();
  static const std::vector<OptionSpec> offered = [] {
    auto read_once = s3_specs();
    std::erase_if(read_once, [](const OptionSpec& spec) { return concerns_watching(spec.name); });
    return read_once;
  }();
  return offered;
}

Codec Endpoint::codec_of(const std::string& file) const {
  if (format->traits().compressed_inside) return Codec::none;
  return codec.has_value() ? *codec : codec_of_extension(file);
}

// app.jsonl.1 and app.jsonl-20260118 are app.jsonl, rotated: the lines written before the rename are still to be read.
static std::string_view without_rotation(std::string_view file) {
  auto end = file.find_last_not_of("0123456789-");
  if (end == std::string_view::npos || end + 1 == file.size()) return file;
  if (file[end] == '.') return file.substr(0, end);
  auto dash = file.find('-', end);
  return dash == end + 1 ? file.substr(0, dash) : file;
}

bool Endpoint::has_known_extension(const std::string& file) const {
  auto bare = format->traits().compressed_inside ? std::string_view(file) : strip_extension(file);
  if (format->traits().line_based) bare = without_rotation(bare);
  return std::any_of(format_descriptor->extensions.begin(), format_descriptor->extensions.end(),
                     [&](std::string_view extension) { return bare.ends_with(extension); });
}

Result<Endpoint> resolve(const Registry& registry, const ConnectorRequest& request, OptionScope side) {
  const auto* store = TRY(registry.store(request.location.scheme));
  auto raw = TRY(all_raw(request));
  Endpoint endpoint;
  endpoint.path = TRY(store->path_of(request.location));
  // A bucket alone is a folder.
  endpoint.folder = request.location.path.ends_with('/') || (request.location.path.empty() && store->scheme != "file");
  endpoint.where = request.where;
  endpoint.pipeline = request.pipeline;
  endpoint.streaming = request.streaming;
  endpoint.one_off = request.one_off;

  Place place{*store, request, raw, endpoint.path, endpoint.folder};
  const auto* format = TRY(choose_format(registry, place, side));
  endpoint.format_descriptor = format;
  auto all = merged(*format, *store);
  endpoint.options = TRY(OptionValues::parse(store->scheme, all, side, raw));
  if (store->scheme == "s3" && side == kSource && endpoint.options.boolean("watch")) {
    return user_error("{}: s3('…') is read once; follow a bucket with s3queue('…')", endpoint.options.where("watch"));
  }
  endpoint.store = TRY(store->create(request.location, endpoint.options));
  endpoint.format = TRY(format->create(endpoint.options));

  if (endpoint.format->traits().compressed_inside) {
    endpoint.codec = Codec::none;
    if (!declares(format->options, "compression") && endpoint.options.is_given("compression")) {
      return user_error("{}: {} compresses inside its files and takes no option 'compression'",
                        endpoint.options.where("compression"), format->name);
    }
  } else if (!declares(format->options, "compression") && endpoint.options.text("compression") != "auto") {
    endpoint.codec = TRY(parse_codec(endpoint.options.text("compression")));
  }
  return endpoint;
}

}  // namespace sluice::file
