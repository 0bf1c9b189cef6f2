#include "cli/replay_batch.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <unistd.h>

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <arrow/util/base64.h>
#include <nlohmann/json.hpp>

#include "batch/arrow_result.h"
#include "batch/utf8.h"
#include "codec/encoding.h"
#include "connector/file/byte_stream.h"
#include "connector/file/endpoint.h"
#include "port/unknown_columns.h"

namespace sluice {
namespace {

constexpr size_t kBufferBytes = 1 << 20;
constexpr size_t kCutPayloadBytes = 64 << 10;  // where the csv and text formats cut the payload of a bad record
constexpr const char* kManifest = "manifest.json";

// Appends and, with `sync`, makes durable: what the manifest promises has to be there after a power cut.
Result<void> write_file(const std::string& path, std::string_view bytes, bool sync) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return errno_error(errno, fmt::format("write '{}'", path));
  struct Closed {
    int fd;
    ~Closed() { ::close(fd); }
  } closed{fd};
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_error(errno, fmt::format("write '{}'", path));
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  if (sync && ::fsync(fd) != 0) return errno_error(errno, fmt::format("write '{}'", path));
  return {};
}

Result<void> make_folder_of(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (error) return errno_error(error.value(), fmt::format("create the folder of '{}'", path));
  return {};
}

const char* name_of(ReplayRun::Kind kind) {
  switch (kind) {
    case ReplayRun::Kind::raw:
      return "raw";
    case ReplayRun::Kind::rows:
      return "rows";
    case ReplayRun::Kind::output:
      return "output";
    case ReplayRun::Kind::file:
      return "file";
    case ReplayRun::Kind::again:
      return "again";
  }
  return "raw";
}

// "day=2026-01-01/hour=5/": the Hive folders of a path, which hold columns.
std::string partition_folders(const std::string& path) {
  std::string out;
  for (size_t at = 0, slash; (slash = path.find('/', at)) != std::string::npos; at = slash + 1) {
    const auto part = path.substr(at, slash - at);
    if (part.find('=') != std::string::npos && part.find('=') > 0) out += part + '/';
  }
  return out;
}

// The file of a record's position: "data/a.csv:17", "data/a.csv (byte 2345)", "data/a.json:17 (byte 2345)".
std::string file_of(const std::string& position) {
  std::string file = position.substr(0, position.ends_with(')') ? position.rfind(" (") : position.size());
  const auto colon = file.rfind(':');
  const bool line = colon != std::string::npos && colon + 1 < file.size() &&
                    file.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  return line ? file.substr(0, colon) : file;
}

// Paths need not be UTF-8, and JSON has to be.
nlohmann::json json_of(const std::string& path) {
  if (is_utf8(path)) return path;
  return {{"base64", arrow::util::base64_encode(path)}};
}

Result<std::string> path_in(const nlohmann::json& json) {
  if (!json.is_object()) return json.get<std::string>();
  return to_result(arrow::util::base64_decode(json.at("base64").get<std::string>()));
}

}  // namespace

Result<std::optional<ReplayManifest>> load_manifest(const std::string& folder) {
  const std::string path = folder + "/" + kManifest;
  std::ifstream in(path, std::ios::binary);
  if (!in.is_open()) return std::optional<ReplayManifest>();
  try {
    auto json = nlohmann::json::parse(in);
    ReplayManifest manifest;
    manifest.batch = json.at("batch");
    manifest.rows = json.at("rows");
    for (const auto& file : json.at("files")) {
      manifest.files.push_back({.path = TRY(path_in(file.at("path"))), .version = file.at("version")});
    }
    for (const auto& item : json.at("runs")) {
      ReplayRun run;
      for (auto kind : {ReplayRun::Kind::raw, ReplayRun::Kind::rows, ReplayRun::Kind::output, ReplayRun::Kind::file,
                        ReplayRun::Kind::again}) {
        if (item.at("kind") == name_of(kind)) run.kind = kind;
      }
      run.path = TRY(path_in(item.at("path")));
      run.columns = item.at("columns");
      manifest.runs.push_back(std::move(run));
    }
    return std::optional(std::move(manifest));
  } catch (const nlohmann::json::exception& exception) {
    return refused("'{}' is damaged, so an unfinished replay cannot go on: {}", path, exception.what());
  }
}

Result<void> save_manifest(const std::string& folder, const ReplayManifest& manifest) {
  nlohmann::json json = {{"batch", manifest.batch}, {"rows", manifest.rows}};
  json["files"] = nlohmann::json::array();
  json["runs"] = nlohmann::json::array();
  for (const auto& file : manifest.files)
    json["files"].push_back({{"path", json_of(file.path)}, {"version", file.version}});
  for (const auto& run : manifest.runs) {
    json["runs"].push_back({{"kind", name_of(run.kind)}, {"path", json_of(run.path)}, {"columns", run.columns}});
  }
  const std::string path = folder + "/" + kManifest;
  std::error_code error;
  std::filesystem::remove(path + ".new", error);
  TRY(write_file(path + ".new", json.dump(2), true));
  std::filesystem::rename(path + ".new", path, error);
  if (error) return errno_error(error.value(), fmt::format("write '{}'", path));
  return {};
}

Result<void> remove_manifest(const std::string& folder) {
  std::error_code error;
  std::filesystem::remove(folder + "/" + kManifest, error);
  if (error) return errno_error(error.value(), fmt::format("remove '{}/{}'", folder, kManifest));
  return {};
}

Result<ReplayWriter> ReplayWriter::create(Context& context, const Endpoint& source, const std::string& folder,
                                          const std::string& batch) {
  ReplayWriter writer(context, source, folder + "/" + batch);
  writer.manifest_.batch = batch;
  const auto* connector = TRY(context.registry.connector(source.connector));
  if (connector->uses_formats) {
    auto resolved = TRY(file::resolve(context.registry, source.request, OptionScope::source));
    writer.format_ = resolved.format_descriptor;
    writer.random_access_ = resolved.format->traits().random_access;
    writer.needs_head_ = resolved.format->traits().needs_head;
  }
  writer.asks_again_ = std::any_of(connector->options.begin(), connector->options.end(),
                                   [](const OptionSpec& spec) { return spec.name == kRecordsOption; });
  std::error_code error;
  std::filesystem::remove_all(writer.root_, error);  // of a preparation that was killed
  return writer;
}

Result<SchemaPtr> ReplayWriter::source_schema() {
  if (schema_ == nullptr) {
    auto source = TRY(context_.registry.create_source(source_.request));
    schema_ = TRY(source->fetch_schema(context_).while_doing("looking up the schema of the pipeline's source"));
  }
  return schema_;
}

Result<ReplayWriter::Problem> ReplayWriter::problem_of(const DeadLetter& row) {
  if (row.stage != "read" || format_ == nullptr) return Problem();
  auto filename = source_.request.options.find("filename");
  if (filename != source_.request.options.end() && filename->second.value != "false") {
    return Problem("its source has the column 'filename', which a replay cannot repeat");
  }
  if (auto at = row.given_up_at()) {
    auto resolved =
        TRY(file::resolve(context_.registry, narrowed_to(source_, row.record).request, OptionScope::source));
    if (!TRY(resolved.store->stat(context_, row.record)).has_value()) {
      return Problem(fmt::format("the file '{}' is not there any more", row.record));
    }
    if (*at > 0 && random_access_) {
      return Problem(fmt::format("'{}' was delivered up to row {}, and a {} file cannot be continued there", row.record,
                                 *at, format_->name));
    }
    if (*at > 0 && source_.request.options.contains("records_path")) {
      return Problem(
          fmt::format("'{}' was delivered up to byte {}, which is inside a wrapping document", row.record, *at));
    }
    return unknown_column_of(row.record);
  }
  if (random_access_) {  // a row as JSON, of the columns that are in its file
    if (partition_folders(file_of(row.position)).empty()) return Problem();
    return Problem(fmt::format("the columns that the folders of {} hold are not in its payload", row.position));
  }
  if (format_->name != "json" && row.record.size() >= kCutPayloadBytes) {
    return Problem(fmt::format("the record at {} is longer than 64 KB and was cut", row.position));
  }
  if (needs_head_) {
    auto header = header_of(file_of(row.position));
    if (!header.ok())
      return Problem(fmt::format("the columns of {} are not known: {}", row.position, header.error().what));
  }
  return Problem();
}

Result<ReplayWriter::Problem> ReplayWriter::problem_of_records(const std::vector<DeadLetter>& rows) {
  std::vector<std::string> positions;
  for (const auto& row : rows) {
    if (is_asked_again(row)) positions.push_back(row.position);
  }
  if (positions.empty()) return Problem();
  auto request = source_.request;
  request.options[kRecordsOption] = RawOption{fmt::format("{}", fmt::join(positions, ",")), "dead-letters"};
  auto source = TRY(context_.registry.create_source(request));
  auto found = source->start(context_, {});
  if (found.ok()) return Problem();
  if (found.error().fault != Fault::refused && found.error().fault != Fault::user) return std::move(found).error();
  return Problem(found.error().what);
}

Result<std::optional<std::string>> ReplayWriter::add(const ObjectInfo& file, const std::vector<DeadLetter>& rows) {
  if (auto problem = TRY(problem_of_records(rows))) return problem;
  for (const auto& row : rows) {
    if (auto problem = TRY(problem_of(row))) return problem;
  }
  for (const auto& row : rows) {
    const auto at = row.given_up_at();
    if (!at.has_value() || *at == 0 || format_ == nullptr) continue;
    if (auto problem = TRY(add_rest_of_file(row, *at))) return problem;
  }
  for (const auto& row : rows) TRY(add_row(row));
  manifest_.files.push_back(file);
  manifest_.rows += static_cast<int64_t>(rows.size());
  return Problem();
}

Endpoint ReplayWriter::alone(const std::string& original) const {
  Endpoint one = narrowed_to(source_, original);
  for (const char* name : {"columns", "recursive", "watch"}) one.request.options.erase(name);
  one.request.options["hive_partitioning"] = RawOption{"false", "dead-letters"};
  return one;
}

// It was given up for that column; read with the columns that are known, it would be lost after all. JSON refuses it
// there, too.
Result<ReplayWriter::Problem> ReplayWriter::unknown_column_of(const std::string& original) {
  if (source_.request.options.contains("columns") || format_->name == "json") return Problem();
  auto source = TRY(context_.registry.create_source(alone(original).request));
  auto found = source->fetch_schema(context_);
  if (!found.ok()) return Problem();  // reading it says why
  DecoderOptions options{TRY(source_schema()), {}, false};
  options.refuse_unknown = true;
  auto refused = refuse_unknown_columns(options, original, found.value()->fields());
  return refused.ok() ? Problem() : Problem(refused.error().what);
}

// The line of column names that stood above the records of this file, as the format writes it.
Result<std::string> ReplayWriter::header_of(const std::string& original) {
  auto known = headers_.find(original);
  if (known != headers_.end()) return known->second;
  const Endpoint one = alone(original);
  auto source = TRY(context_.registry.create_source(one.request));
  auto schema = TRY(source->fetch_schema(context_));
  arrow::FieldVector fields;
  for (const auto& field : schema->fields()) fields.push_back(arrow::field(field->name(), arrow::utf8()));
  auto text = arrow::schema(std::move(fields));
  auto resolved = TRY(file::resolve(context_.registry, one.request, OptionScope::source));
  auto out = TRY(to_result(arrow::io::BufferOutputStream::Create()));
  auto encoder = TRY(resolved.format->create_encoder(context_, text, out));
  TRY(encoder->write(*TRY(to_result(arrow::RecordBatch::MakeEmpty(text)))));
  TRY(encoder->finish());
  return headers_[original] = TRY(to_result(out->Finish()))->ToString();
}

// Records of one folder with the same header share a file.
std::string ReplayWriter::raw_path(const std::string& original) {
  std::string folders;
  auto hive = source_.request.options.find("hive_partitioning");
  if (hive == source_.request.options.end() || hive->second.value != "false") folders = partition_folders(original);
  for (size_t at = 0, slash; (slash = folders.find('/', at)) != std::string::npos; at = slash + 1) {
    partition_keys_.insert(folders.substr(at, folders.find('=', at) - at));
  }
  const std::string header = needs_head_ ? headers_.at(original) : std::string();
  auto [entry, added] = raw_files_.try_emplace(folders + '\n' + header);
  if (added) {
    entry->second = fmt::format("{}/raw/{}{}{}", root_, folders, raw_files_.size(), format_->extensions.front());
    buffers_[entry->second] = header;
  }
  return entry->second;
}

// A replay's files are UTF-8. A record that is not was read as if it were: the mended statement may say what it is.
Result<std::string> ReplayWriter::text_of(const DeadLetter& row) const {
  auto encoding = source_.request.options.find("encoding");
  if (encoding == source_.request.options.end() || is_utf8(row.record)) return row.record;
  const std::string name = TRY(normal_encoding(encoding->second.value));
  if (name == kUtf8) return row.record;
  auto bytes = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(row.record));
  auto decoded = TRY(open_encoded(name, {.stream = std::move(bytes)}));
  std::string text;
  while (true) {
    auto buffer = decoded->Read(kBufferBytes);
    if (!buffer.ok()) return row.record;  // reading it says why
    if ((*buffer)->size() == 0) return text;
    text += (*buffer)->ToString();
  }
}

Result<void> ReplayWriter::add_row(const DeadLetter& row) {
  if (row.stage == "write") return append(root_ + "/output/rows.jsonl", row.record + '\n');
  if (is_asked_again(row)) {
    positions_.push_back(row.position);
    return {};
  }
  if (row.stage != "read" || format_ == nullptr) return append(root_ + "/rows/rows.jsonl", row.record + '\n');
  if (auto at = row.given_up_at()) {
    if (*at == 0) whole_files_.push_back(row.record);
    return {};
  }
  if (random_access_) return append(root_ + "/rows/rows.jsonl", row.record + '\n');
  return append(raw_path(file_of(row.position)), TRY(text_of(row)) + '\n');
}

// What was not delivered of a file that was given up, in a file of its own.
Result<ReplayWriter::Problem> ReplayWriter::add_rest_of_file(const DeadLetter& row, int64_t at) {
  auto resolved = TRY(file::resolve(context_.registry, narrowed_to(source_, row.record).request, OptionScope::source));
  if (needs_head_) {
    auto header = header_of(row.record);
    if (!header.ok()) return Problem(header.error().what);
  }
  const std::string path =
      fmt::format("{}.rest-{}{}", raw_path(row.record), written_.size(), format_->extensions.front());
  auto copy = [&]() -> Result<void> {
    auto object = TRY(resolved.store->stat(context_, row.record));
    auto stream = TRY(
        file::open_bytes(TRY(resolved.store->open(context_, *object)), resolved.codec_of(row.record), at, row.record));
    if (needs_head_) TRY(append(path, headers_.at(row.record)));
    for (bool first = true;; first = false) {
      auto buffer = TRY(to_result(stream->Read(kBufferBytes)));
      if (buffer->size() == 0) return {};
      std::string_view bytes(reinterpret_cast<const char*>(buffer->data()), static_cast<size_t>(buffer->size()));
      // Inside a JSON array the rest begins with the comma behind the last record that was read.
      const size_t begin = bytes.find_first_not_of(" \t\r\n");
      if (first && format_->name == "json" && begin != std::string_view::npos && bytes[begin] == ',') {
        bytes.remove_prefix(begin + 1);
        TRY(append(path, "["));
      }
      TRY(append(path, bytes));
    }
  }();
  if (copy.ok()) return Problem();
  buffers_.erase(path);
  written_.erase(path);
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  return Problem(fmt::format("'{}' still cannot be read: {}", row.record, copy.error().what));
}

Result<void> ReplayWriter::append(const std::string& path, std::string_view bytes) {
  if (written_.insert(path).second) TRY(make_folder_of(path));
  std::string& buffer = buffers_[path];
  buffer += bytes;
  if (buffer.size() < kBufferBytes) return {};
  TRY(write_file(path, buffer, false));
  buffer.clear();
  return {};
}

// The source's columns that are in its files: those of Hive folders come from the payloads' folders again.
Result<std::string> ReplayWriter::raw_columns() {
  if (format_->name == "text") return std::string();  // has its one column whatever is in the file
  arrow::FieldVector fields;
  for (const auto& field : TRY(source_schema())->fields()) {
    if (!partition_keys_.contains(field->name())) fields.push_back(field);
  }
  return columns_text(*arrow::schema(std::move(fields)));
}

Result<ReplayManifest> ReplayWriter::finish(const std::function<Result<SchemaPtr>()>& output) {
  bool raw = false;
  bool rows = false;
  bool delivered = false;
  for (const auto& path : written_) {
    TRY(write_file(path, buffers_[path], true));
    raw = raw || path.starts_with(root_ + "/raw/");
    rows = rows || path.starts_with(root_ + "/rows/");
    delivered = delivered || path.starts_with(root_ + "/output/");
  }
  auto& runs = manifest_.runs;
  if (raw) runs.push_back({ReplayRun::Kind::raw, root_ + "/raw/", TRY(raw_columns())});
  if (rows) runs.push_back({ReplayRun::Kind::rows, root_ + "/rows/rows.jsonl", columns_text(*TRY(source_schema()))});
  if (delivered) {
    runs.push_back({ReplayRun::Kind::output, root_ + "/output/rows.jsonl", columns_text(*TRY(output()))});
  }
  if (!positions_.empty()) runs.push_back({ReplayRun::Kind::again, fmt::format("{}", fmt::join(positions_, ",")), ""});
  for (const auto& path : whole_files_) {
    partition_keys_.clear();
    auto folders = partition_folders(path);
    for (size_t at = 0, slash; (slash = folders.find('/', at)) != std::string::npos; at = slash + 1) {
      partition_keys_.insert(folders.substr(at, folders.find('=', at) - at));
    }
    runs.push_back({ReplayRun::Kind::file, path, TRY(raw_columns())});
  }
  return manifest_;
}

}  // namespace sluice
