#include "cli/replay.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/job.h"
#include "cli/location_input.h"
#include "sql/planner.h"

namespace sluice {
namespace {

// Begins the recorded definition of our own runs, so that they are never taken for a pipeline of the user's.
constexpr std::string_view kMark = "REPLAY OF ";

// Only one process prepares or runs a pipeline's replay. The kernel gives the lock up when the process ends.
class FolderLock {
 public:
  static Result<FolderLock> take(const std::string& folder, const std::string& name) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return errno_error(error.value(), fmt::format("create the folder '{}'", folder));
    const std::string path = folder + "/lock";
    FolderLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (lock.fd_ < 0) return errno_error(errno, fmt::format("open '{}'", path));
    if (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0)
      return refused("another process replays the dead letters of '{}'", name);
    return lock;
  }
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// Empty where the state store is shared by machines.
std::string state_folder(const Session& session) {
  constexpr std::string_view sqlite = "sqlite:";
  const std::string location = session.state_location();
  if (!location.starts_with(sqlite)) return {};
  return std::filesystem::absolute(location.substr(sqlite.size())).parent_path().string();
}

std::string folder_of(const Session& session, const std::string& name) {
  std::filesystem::path state(state_folder(session));
  if (state.empty()) state = std::filesystem::absolute(".sluice");
  std::string safe;  // the name is SQL's and may hold anything
  for (unsigned char c : name) {
    const bool plain = std::isalnum(c) != 0 || c == '_' || c == '-';
    safe += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  return (state / "replay" / safe).string();
}

std::string host_name() {
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  return host;
}

uint64_t fnv1a(std::string_view text, uint64_t hash) {
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

// The same dead letters are the same batch: a preparation that was killed is repeated under the same names.
std::string batch_of(const std::vector<ObjectInfo>& files) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const auto& file : files) hash = fnv1a(file.version, fnv1a(file.path, hash));
  return fmt::format("{:016x}", hash);
}

class Replay {
 public:
  Replay(Session& session, const PipelineRecord& record, std::string sql_file, std::string folder)
      : session_(session), record_(record), sql_file_(std::move(sql_file)), folder_(std::move(folder)) {}

  Result<ReplaySummary> run() {
    Context context = session_.context(run_name(0));
    TRY(refuse_taken_name());
    location_ = TRY(dead_letter_location(session_.registry(), record_));
    auto manifest = TRY(load_manifest(folder_));
    summary_.resumed = manifest.has_value();
    if (!manifest.has_value()) manifest = TRY(prepare(context));
    if (manifest->runs.empty()) return summary_;
    for (size_t i = 0; i < manifest->runs.size(); ++i) {
      TRY(deliver(manifest->runs[i], i));
      if (session_.draining()) return cancelled();
    }
    crash_point("replay.delivered");
    for (const auto& file : manifest->files) TRY(remove_dead_letters(context, location_, file));
    crash_point("replay.removed");
    TRY(remove_manifest(folder_));
    crash_point("replay.over");
    TRY(forget_runs());
    clean(*manifest);
    summary_.dead_letters = manifest->rows;
    return summary_;
  }

 private:
  [[nodiscard]] std::string run_name(size_t index) const {
    return index == 0 ? record_.name + "_replay" : fmt::format("{}_replay_{}", record_.name, index + 1);
  }
  // Payloads lie in a folder of this machine: on a shared store it is said which, so that no other goes on without
  // them.
  [[nodiscard]] std::string definition() const {
    const std::string place = state_folder(session_).empty() ? fmt::format(" IN {}:{}", host_name(), folder_) : "";
    return fmt::format("{}{}{}", kMark, record_.name, place);
  }

  Result<void> refuse_taken_name() {
    auto taken = TRY(TRY(session_.coordinator())->load(run_name(0)));
    if (!taken.has_value() || taken->definition == definition()) return {};
    if (taken->definition.starts_with(kMark)) {
      return user_error(
          "an unfinished replay of '{}' has its payloads elsewhere ({}): finish it there, or drop '{}' where what it "
          "delivered may be delivered again",
          record_.name, taken->definition.substr(kMark.size()), run_name(0));
    }
    return user_error("a pipeline of yours is called '{}', which is the name a replay of '{}' needs", run_name(0),
                      record_.name);
  }

  // The pipeline's own statement, planned anew: a plan runs once.
  Result<PipelinePlan> plan() {
    Context context = session_.context(record_.name);
    std::string text;
    std::string file = sql_file_;
    if (!file.empty()) {
      std::ifstream in(file, std::ios::binary);
      std::ostringstream content;
      content << in.rdbuf();
      if (!in.is_open() || in.bad()) return user_error("cannot read '{}': no such file, or not permitted", file);
      text = content.str();
    } else {
      text = TRY(stored_statement());
      file = "the recorded definition";
    }
    for (auto& plan : TRY(plan_sql(context, text, file, {}))) {
      if (plan.name == record_.name) return std::move(plan);
    }
    return user_error("there is no '{}' in {}", record_.name, file);
  }

  // The recorded definition reads "CREATE STREAM name SELECT …", with secrets taken out.
  Result<std::string> stored_statement() const {
    for (std::string_view head : {"CREATE STREAM ", "CREATE TABLE "}) {
      const std::string begin = std::string(head) + record_.name + " ";
      if (!record_.definition.starts_with(begin)) continue;
      std::string quoted;
      for (char c : record_.name) quoted += c == '"' ? "\"\"" : std::string(1, c);
      std::string text = fmt::format("CREATE TABLE \"{}\" AS {}", quoted, record_.definition.substr(begin.size()));
      if (text.find("'***'") == std::string::npos && text.find(":***@") == std::string::npos) return text;
      return user_error(
          "the recorded definition of '{}' has its secrets taken out; give the file: sluice dead-letters "
          "replay {} FILE.sql",
          record_.name, record_.name);
    }
    return user_error(
        "'{}' cannot be replayed from its recorded definition; give the file: sluice dead-letters replay {} "
        "FILE.sql",
        record_.name, record_.name);
  }

  Result<ReplayManifest> prepare(Context& context) {
    TRY(forget_runs());  // of an earlier replay that was killed when all was done
    auto files = TRY(dead_letter_files(context, location_));
    auto planned = TRY(plan());
    if (planned.query != nullptr && !files.empty()) {
      return user_error(
          "'{}' computes over all of its input, so single rows of it cannot be replayed; mend the input and "
          "run it again after 'sluice reset {}'",
          record_.name, record_.name);
    }
    auto& source = planned.source.request;
    source.location.params.clear();  // they are among the options
    source.options.erase("watch");
    source.streaming = false;
    auto writer = TRY(ReplayWriter::create(context, planned.source, folder_, batch_of(files)));
    for (const auto& file : files) {
      auto read = read_dead_letters(context, location_, file);
      if (!read.ok()) {
        if (!is_the_files_fault(read.error())) return std::move(read).error();
        summary_.left.push_back({file.path, read.error().message()});
        continue;
      }
      const auto& rows = *read;
      auto ours = [&](const DeadLetter& row) { return is_of(row, record_.name); };
      if (std::none_of(rows.begin(), rows.end(), ours)) continue;  // the folder may be shared
      if (!std::all_of(rows.begin(), rows.end(), ours)) {
        summary_.left.push_back({file.path, "it holds dead letters of other pipelines, too"});
        continue;
      }
      if (auto problem = TRY(writer.add(file, rows))) summary_.left.push_back({file.path, std::move(*problem)});
    }
    auto manifest = TRY(writer.finish([&]() -> Result<SchemaPtr> {
      auto pipeline = TRY(Pipeline::open(context, TRY(plan()), nullptr));
      return pipeline->output_schema();
    }));
    crash_point("replay.prepared");
    if (!manifest.runs.empty()) TRY(save_manifest(folder_, manifest));
    crash_point("replay.begun");
    return manifest;
  }

  Result<void> deliver(const ReplayRun& run, size_t index) {
    PipelinePlan planned = TRY(plan());
    const std::string name = run_name(index);
    planned.kind = PipelineKind::table;
    planned.name = name;
    planned.named = true;       // keeps its positions until the dead letters are removed
    planned.or_replace = true;  // the SQL may have been mended since a replay that was killed
    planned.definition = definition();
    if (run.kind == ReplayRun::Kind::output) {
      planned.rows.reset();
      planned.request = {};
    }
    point_at(run, name, planned.source);
    auto& sink = planned.sink->request;
    if (const auto* descriptor = TRY(session_.registry().connector(planned.sink->connector));
        std::any_of(descriptor->options.begin(), descriptor->options.end(),
                    [](const OptionSpec& spec) { return spec.name == "collection"; })) {
      sink.options.try_emplace("collection", RawOption{record_.name, "dead-letters"});
    }
    for (auto* options : {&sink.options, &sink.location.params}) options->erase("if_exists");  // delivered data stays
    sink.pipeline = name;
    sink.streaming = false;
    sink.one_off = false;
    if (!planned.dead_letters.has_value() && !planned.with.contains("dead_letters")) {
      planned.with["dead_letters"] = RawOption{record_.dead_letters, "dead-letters"};
    }
    if (planned.dead_letters.has_value()) planned.dead_letters->request.pipeline = name;
    TRY(refuse_single_file(*planned.sink));
    auto summary = TRY(run_job(session_, std::move(planned), "table"));
    summary_.rows += summary.rows;
    summary_.dead_rows += summary.dead_rows;
    return {};
  }

  Result<void> refuse_single_file(const Endpoint& endpoint) {
    auto sink = TRY(session_.registry().create_sink(endpoint.request));
    const auto traits = sink->traits();
    if (!traits.single_writer || traits.decision != Decision::journal) return {};
    return user_error(
        "'{}' delivers into one file, {}, which is complete and takes no more rows; mend the input and run it "
        "again after 'sluice reset {}'",
        record_.name, endpoint.text, record_.name);
  }

  // The pipeline's source, reading the payloads instead.
  void point_at(const ReplayRun& run, const std::string& name, Endpoint& source) const {
    auto& request = source.request;
    request.pipeline = name;
    request.streaming = false;
    request.one_off = false;
    for (const char* option : {"watch", "rate_limit"}) request.options.erase(option);
    request.location.params.clear();  // they are among the options
    auto set = [&](const char* option, const std::string& value) {
      request.options[option] = RawOption{value, "dead-letters"};
    };
    if (run.kind == ReplayRun::Kind::again) {
      set(kRecordsOption, run.path);
      return;
    }
    if (run.kind == ReplayRun::Kind::file) {
      source = narrowed_to(std::move(source), run.path);
      if (!run.columns.empty()) set("columns", run.columns);
      return;
    }
    // Payloads are plain UTF-8 records without anything before or around them.
    for (const char* option : {"records_path", "skip_rows", "encoding", "compression", "recursive", "split_bytes"}) {
      request.options.erase(option);
    }
    if (run.kind != ReplayRun::Kind::raw) {
      request.options.clear();
      set("format", "json");
      set("hive_partitioning", "false");
      set("compression", "none");
    }
    source.connector = "file";
    request.location = Location{};
    request.location.scheme = "file";
    request.location.path = run.path;
    source.text = request.location.redacted();
    if (!run.columns.empty()) set("columns", run.columns);
  }

  // What our runs left in the state store and at the sink.
  Result<void> forget_runs() {
    Coordinator* coordinator = TRY(session_.coordinator());
    for (const auto& known : TRY(coordinator->list())) {
      if (known.definition != definition()) continue;
      Context context = session_.context(known.name);
      auto endpoint = TRY(endpoint_of_location(known.sink, known.name));
      auto sink = session_.registry().create_sink(endpoint.request);
      auto dropped = sink.ok() ? sink.value()->drop(context) : Result<void>(std::move(sink).error());
      if (!dropped.ok()) context.log.warn("could not clean up after a replay", {{"error", dropped.error().message()}});
      TRY(coordinator->drop(known.name));
    }
    return {};
  }

  // Payload files stay as long as a new dead letter may name one of them, which is until the next replay.
  void clean(const ReplayManifest& manifest) const {
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder_, error), end; !error && entry != end;
         entry.increment(error)) {
      if (!entry->is_directory()) continue;
      const bool current = entry->path().filename() == manifest.batch;
      if (current ? summary_.dead_rows > 0 : !summary_.left.empty()) continue;
      std::error_code ignored;
      std::filesystem::remove_all(entry->path(), ignored);
    }
  }

  Session& session_;
  const PipelineRecord& record_;
  const std::string sql_file_;
  const std::string folder_;
  Endpoint location_;
  ReplaySummary summary_;
};

}  // namespace

Result<ReplaySummary> replay_dead_letters(Session& session, const PipelineRecord& record, const std::string& sql_file) {
  const std::string folder = folder_of(session, record.name);
  auto lock = TRY(FolderLock::take(folder, record.name));
  // Other machines see a lease; it is of no pipeline.
  Coordinator* coordinator = TRY(session.coordinator());
  auto lease = TRY(coordinator->acquire(record.name + " (replay)", fmt::format("{}:{}", host_name(), ::getpid())));
  auto summary = Replay(session, record, sql_file, folder).run();
  auto released = coordinator->release(lease);
  if (summary.ok()) TRY(std::move(released));
  return summary;
}

}  // namespace sluice
