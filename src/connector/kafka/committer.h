// The one transaction of an epoch: records, positions, and offsets of the group where the source is on this cluster.
#pragma once

#include <functional>
#include <memory>

#include "connector/kafka/delivery.h"
#include "connector/kafka/target_topics.h"

namespace sluice::kafka {

// What says in a topic that a table was emptied.
using TruncateRecords = std::function<Result<Piece>(Context&, const TableId&)>;

// All of it is the sink's, which outlives its committer. `group` may be null. Used by the commit thread only.
std::unique_ptr<Committer> create_committer(const SinkSettings& settings, TargetTopics& topics, Takeover& takeover,
                                            Delivery& delivery, GroupOffsets* group, TruncateRecords truncated);

ProducerShape shape_of(const SinkSettings& settings, const TargetTopics& topics, int64_t memory_limit);

}  // namespace sluice::kafka
