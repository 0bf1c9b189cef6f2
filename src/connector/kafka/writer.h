// A lane's writer: makes records of rows as they come and sends them on when it is their epoch's turn.
#pragma once

#include <memory>

#include "connector/kafka/delivery.h"
#include "connector/kafka/target_topics.h"

namespace sluice::kafka {

// `settings`, `topics` and `delivery` are the sink's, which outlives its writers.
std::unique_ptr<Writer> create_writer(const SinkSettings& settings, TargetTopics& topics, Delivery& delivery,
                                      const WriterId& id);

// What a prepared part says of itself: {"part":17}.
std::string payload_of(uint64_t part);
Result<uint64_t> part_of(const Prepared& prepared);

}  // namespace sluice::kafka
