// What one replay consists of, on disk: the payloads of dead letters as files a source can read, and a manifest. The
// manifest is there when everything is prepared and until everything is delivered, so a replay that was killed is
// continued with the very same files under the very same names.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/dead_letter_files.h"

namespace sluice {

// The option of sources that read single records again, by their positions.
inline constexpr const char* kRecordsOption = "messages";

// One run of the pipeline over a part of the payloads.
struct ReplayRun {
  enum class Kind {
    raw,     // records in the source's format
    rows,    // the source's rows as JSON
    output,  // rows as they would have been delivered, as JSON: past the SQL
    file,    // a whole file, where it lies
    again,   // records that the source has still, by their positions
  };
  Kind kind = Kind::raw;
  std::string path;     // or positions
  std::string columns;  // what the option `columns` is to say; empty: nothing
};

struct ReplayManifest {
  std::string batch;              // names the folder of the payloads
  std::vector<ObjectInfo> files;  // the dead-letter files that are replayed, path and version
  int64_t rows = 0;
  std::vector<ReplayRun> runs;
};

// A file of dead letters that stays where it is, and why.
struct LeftBehind {
  std::string path;
  std::string reason;
};

Result<std::optional<ReplayManifest>> load_manifest(const std::string& folder);
Result<void> save_manifest(const std::string& folder, const ReplayManifest& manifest);
Result<void> remove_manifest(const std::string& folder);

// Turns dead letters into the files of a replay, below `folder`/`batch`.
class ReplayWriter {
 public:
  // `source` is the pipeline's.
  static Result<ReplayWriter> create(Context& context, const Endpoint& source, const std::string& folder,
                                     const std::string& batch);

  // All rows of one dead-letter file; or none of them, and the reason.
  Result<std::optional<std::string>> add(const ObjectInfo& file, const std::vector<DeadLetter>& rows);
  // Makes everything durable. `output` says the schema that the pipeline delivers; it is asked only when that matters.
  Result<ReplayManifest> finish(const std::function<Result<SchemaPtr>()>& output);

 private:
  using Problem = std::optional<std::string>;  // why a dead letter cannot be replayed

  ReplayWriter(Context& context, const Endpoint& source, std::string root)
      : context_(context), source_(source), root_(std::move(root)) {}
  Result<Problem> problem_of(const DeadLetter& row);
  Result<Problem> add_rest_of_file(const DeadLetter& row, int64_t at);
  Result<void> add_row(const DeadLetter& row);
  [[nodiscard]] Result<std::string> text_of(const DeadLetter& row) const;
  Result<std::string> header_of(const std::string& original);
  // The source of one file as it is, without what its path adds.
  [[nodiscard]] Endpoint alone(const std::string& original) const;
  // The source has to have these records still.
  Result<Problem> problem_of_records(const std::vector<DeadLetter>& rows);
  [[nodiscard]] bool is_asked_again(const DeadLetter& row) const { return asks_again_ && row.stage == "read"; }
  // A file that has a column of which the statement knows nothing.
  Result<Problem> unknown_column_of(const std::string& original);
  Result<SchemaPtr> source_schema();
  Result<std::string> raw_columns();
  std::string raw_path(const std::string& original);
  Result<void> append(const std::string& path, std::string_view bytes);

  Context& context_;
  Endpoint source_;
  std::string root_;
  const FormatDescriptor* format_ = nullptr;  // of the source; null: it has none
  bool asks_again_ = false;                   // the source takes positions of records, as dead letters have them
  bool random_access_ = false;
  bool needs_head_ = false;
  SchemaPtr schema_;
  std::map<std::string, std::string> headers_;    // by original file
  std::map<std::string, std::string> raw_files_;  // by folder and header
  std::map<std::string, std::string> buffers_;    // by path
  std::set<std::string> written_;                 // paths
  std::set<std::string> partition_keys_;
  std::vector<std::string> whole_files_;
  std::vector<std::string> positions_;
  ReplayManifest manifest_;
};

}  // namespace sluice
