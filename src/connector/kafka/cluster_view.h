// What a source asks of the cluster: which partitions there are, where they begin and end, what a few messages look
// like.
#pragma once

#include <functional>
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
  // Where a partition is gone on from: the position of this pipeline, or the group's where that is ahead: then another
  // process has delivered what lies between. Without either, as `offset` says; but once the pipeline has begun, what is
  // new is read from its first message on. An offset that cannot be gone on from is Fault::refused.
  struct Standing {
    TopicPartition partition;
    Watermarks marks;
    int64_t next = 0;
    bool begun = false;  // some of it was delivered, or found to be the beginning
    std::optional<int64_t> committed;
  };
  Result<std::vector<Standing>> standings(Context& context, std::span<const TopicPartition> partitions,
                                          const std::map<SplitId, int64_t>& durable);
  // The first message that is there from an offset on. Of aborted transactions there are none.
  struct First {
    int64_t offset = 0;
    std::optional<int64_t> time_ms;  // since 1970
  };
  Result<std::map<TopicPartition, First>> firsts(Context& context, std::span<const Standing> standings);
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
  using Take = std::function<void(const rd_kafka_message_t&)>;
  Result<void> read_some(Context& context, std::span<const PartitionOffset> from, std::span<const int64_t> until,
                         int64_t each, const Take& take);

  const SourceSettings& settings_;
  std::unique_ptr<Client> client_;
};

// An offset that lies outside of what the partition holds cannot be gone on from: Fault::refused says why.
Result<void> check_offset(const SourceSettings& settings, const TopicPartition& partition, int64_t offset,
                          const Watermarks& marks);

}  // namespace sluice::kafka
