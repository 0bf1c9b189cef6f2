// What both sources of topics share: the schema, and moving positions and groups from outside of a run.
#pragma once

#include <atomic>
#include <memory>

#include "connector/kafka/cluster_view.h"
#include "connector/kafka/row_format.h"
#include "port/source.h"

namespace sluice::kafka {

class TopicSource : public Source {
 public:
  explicit TopicSource(SourceSettings settings)
      : settings_(std::move(settings)), view_(settings_), format_(settings_) {}

  Result<SchemaPtr> fetch_schema(Context& context) override;
  Result<SchemaPtr> adopt_schema(Context& context, const SchemaChange& change) override;
  Result<Planned> plan(Context& context, const ReadRequest& request) override;
  // Deletes the group.
  Result<void> drop(Context& context) override;
  // earliest, latest, a time, or 'topic/partition@offset, …' for some partitions: of the others nothing is said then.
  // The group's offsets, where it has some, move along: reading would go on from them otherwise.
  Result<Positions> resolve_position(Context& context, const std::string& text) override;

 protected:
  // Messages fetched and not yet read, at most, of a partition; `share` of them are read side by side.
  [[nodiscard]] static int64_t queue_bytes(const Context& context, size_t share);
  // Sets one_partition_, where envelopes may say TRUNCATE.
  Result<void> count_partitions(Context& context);
  static Result<std::map<SplitId, int64_t>> offsets_in(const Positions& positions);

  const SourceSettings settings_;
  ClusterView view_;
  RowFormat format_;
  ReadRequest request_;
  std::atomic<bool> one_partition_{false};  // has everything: each change lies before or behind every other one

 private:
  Result<std::vector<PartitionOffset>> resolve(Context& context, const std::string& text);
};

}  // namespace sluice::kafka
