// Reads files, once or watching. What is a file's identity and when is it read again: ledger.h.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "connector/file/endpoint.h"
#include "connector/file/file_reader.h"
#include "connector/file/hive.h"
#include "connector/file/ledger.h"
#include "port/probes_reading.h"
#include "port/source.h"

namespace sluice::file {

class FileSource final : public Source, public ProbesReading {
 public:
  static Result<std::unique_ptr<Source>> create(const Registry& registry, const ConnectorRequest& request);

  [[nodiscard]] SourceTraits traits() const override;
  Result<SchemaPtr> fetch_schema(Context& context) override;
  Result<SchemaPtr> adopt_schema(Context& context, const SchemaChange& change) override;
  Result<Planned> plan(Context& context, const ReadRequest& request) override;
  Result<void> start(Context& context, const Positions& durable) override;
  Result<SplitEvents> poll_splits(Context& context, Deadline deadline) override;
  Result<std::unique_ptr<Reader>> create_reader(Context& context, std::span<const Split> splits) override;
  // earliest, or latest: the files there are now count as read.
  Result<Positions> resolve_position(Context& context, const std::string& text) override;
  Result<void> probe_reading(Context& context) override;

 private:
  explicit FileSource(Endpoint endpoint);

  // All files the location means now, partitions that the filter excludes left out once plan() has seen it.
  Result<std::vector<ObjectInfo>> list(Context& context);
  Result<std::vector<ObjectInfo>> list_all(Context& context, bool recursive);
  [[nodiscard]] bool is_pattern() const { return endpoint_.path.find_first_of("*?[{") != std::string::npos; }
  // Is everything below the location meant?
  [[nodiscard]] bool is_deep() const {
    return endpoint_.options.boolean("recursive") || (endpoint_.folder && !is_pattern());
  }
  [[nodiscard]] bool folder_may_match(const std::string& folder) const;
  [[nodiscard]] bool may_match(const std::string& path) const;

  // Lines, be it in an encoding in which no file can be cut.
  [[nodiscard]] bool has_lines() const;
  [[nodiscard]] int64_t line_feed() const;  // its bytes; 0: there are no lines
  [[nodiscard]] Ledger::Policy ledger_policy() const;

  [[nodiscard]] bool is_extra(const std::string& name) const;
  [[nodiscard]] std::shared_ptr<arrow::Field> extra_field(size_t index) const;
  ReadRequest inner_request(const ReadRequest& request);
  [[nodiscard]] DecoderOptions decoder_options(const ReadRequest& request, ReadRequest inner) const;
  [[nodiscard]] bool decided_by_path(const Predicate& predicate) const;
  std::string prune_listed();
  [[nodiscard]] std::string filter_text() const;

  Result<SchemaPtr> infer(Context& context, const std::vector<ObjectInfo>& objects);
  Result<SchemaPtr> infer_one(Context& context, const ObjectInfo& object);
  Result<void> find_partitions(const std::vector<ObjectInfo>& objects, const std::vector<std::string>& folders = {});
  Result<std::optional<std::vector<ObjectInfo>>> survey(Context& context);
  Result<void> complete_schema();
  [[nodiscard]] bool columns_are_given() const;
  // Whether a file that appeared while watching, or was filled again (`fresh`), has columns that nobody knows yet; with
  // `on_schema_change := add`, which.
  Result<std::optional<SchemaChange>> check_new_file(Context& context, const ObjectInfo& object, bool fresh);

  // Turns what the ledger found into splits: extras resolved, large files of lines cut.
  Result<bool> is_splittable(Context& context, const ObjectInfo& object);
  Result<void> add_work(Context& context, Work work, SplitEvents& events);
  Result<void> cut_some(Context& context, SplitEvents& events);
  Result<void> cut_rows(Context& context, const Work& work, Extras extras, SplitEvents& events);
  void add_split(Work work, Extras extras, SplitEvents& events, int64_t parts = 1);
  Result<Extras> extras_of(const std::string& path);
  Result<bool> compare_listing(Context& context, std::span<const ObjectInfo> objects, SplitEvents& events);

  // A large file being cut where only a scan finds the records' starts.
  struct Cutting {
    Work work;
    Extras extras;
    std::shared_ptr<arrow::io::RandomAccessFile> file;
    int64_t at = 0;
  };

  Endpoint endpoint_;
  bool watch_ = false;
  bool filename_ = false;
  std::optional<std::vector<ObjectInfo>> listed_;  // by fetch_schema, for plan and the first polls
  size_t compared_ = 0;                            // of listed_
  PartitionColumns partitions_;
  bool surveyed_ = false;               // partitions_ and file_schema_ come from some of the folders only
  SchemaPtr file_schema_;               // what decoders are told
  bool repeats_partitions_ = false;     // the files have columns that their paths have, too
  SchemaPtr full_schema_;               // and with partitions and file name
  std::vector<size_t> wanted_extras_;   // into partitions' fields; one past them: the file name
  std::vector<Predicate> path_filter_;  // predicates on partitions and file name
  std::unique_ptr<ReadPlan> read_plan_;
  std::optional<Ledger> ledger_;  // of the current start()
  std::deque<Cutting> cutting_;
  std::mutex mutex_;                             // guards items_
  std::unordered_map<SplitId, ReadItem> items_;  // added, not yet with a reader
  std::string extras_folder_;
  Extras extras_cache_;
  std::unordered_map<std::string, ObjectInfo> schema_checked_;  // what on_schema_change has looked at, by version
  bool polled_ = false;
  bool listed_once_ = false;
  SteadyTime listed_at_{};
};

}  // namespace sluice::file
