// What a source asks of the cluster: which partitions there are, where they begin and end, what a few messages look
// like.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "connector/kafka/partition.h"
#include "connector/kafka/source_settings.h"
#include "kafka/client.h"
#include "port/context.h"

namespace sluice::kafka {

// Opens its client at the first question. Used by one thread at a time.
class ClusterView {
 public:
  explicit ClusterView(const SourceSettings& settings) : settings_(settings) {}

  // All partitions of the topics that the settings name; a topic that is missing is Fault::user with the nearest name.
  // Of a pattern's topics there may be none yet.
  Result<std::vector<TopicPartition>> partitions(Context& context);
  Result<std::vector<Watermarks>> watermarks(Context& context, std::span<const TopicPartition> partitions);
  // Where reading begins without a position.
  Result<std::vector<int64_t>> beginnings(Context& context, std::span<const TopicPartition> partitions,
                                          std::span<const Watermarks> marks, const Beginning& beginning);
  // The group's offsets; Fault::refused when another pipeline committed them.
  Result<std::vector<std::optional<int64_t>>> committed(Context& context, std::span<const TopicPartition> partitions);
  Result<std::string> cluster_id(Context& context);
  Result<void> delete_group(Context& context);
  // Without being a member, which works while the group has none.
  Result<void> commit(Context& context, std::span<const PartitionOffset> offsets);

  // The first and the last messages of each partition, `most` altogether, about.
  struct Sample {
    std::vector<std::optional<std::string>> values;
    std::vector<std::optional<std::string>> keys;
  };
  Result<Sample> sample(Context& context, int64_t most);

 private:
  Result<Client*> client(Context& context);
  Error missing(const std::string& topic, const std::vector<Topic>& there) const;
  Result<void> read_some(Context& context, std::span<const PartitionOffset> from, std::span<const int64_t> until,
                         int64_t each, Sample& out);

  const SourceSettings& settings_;
  std::unique_ptr<Client> client_;
};

// An offset that lies outside of what the partition holds cannot be gone on from: Fault::refused says why.
Result<void> check_offset(const SourceSettings& settings, const TopicPartition& partition, int64_t offset,
                          const Watermarks& marks);

}  // namespace sluice::kafka
