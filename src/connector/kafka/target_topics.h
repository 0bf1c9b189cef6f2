// The topics a sink writes to: made where they are missing, described once.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "connector/kafka/record.h"
#include "connector/kafka/sink_settings.h"
#include "kafka/client.h"
#include "port/context.h"

namespace sluice::kafka {

// Owned by the sink; thread-safe.
class TargetTopics {
 public:
  explicit TargetTopics(const SinkSettings& settings) : settings_(settings) {}

  // Asks the cluster at the first call for this table.
  Result<TopicPtr> open(Context& context, const TableId& table);
  // Of one that is open: partitions may have been added since.
  Result<TopicPtr> look_again(Context& context, const TableId& table);
  // The one that is there; null where there is none.
  Result<TopicPtr> find(Context& context, const std::string& name);
  Result<bool> has_messages(Context& context, const TargetTopic& topic);
  // The smallest and the largest limit of those that are open: of batches, and of the client as a whole.
  struct Limits {
    int64_t smallest = 1'000'000;
    int64_t largest = 1'000'000;
  };
  [[nodiscard]] Limits limits() const;
  // For questions about the cluster. Lives as long as this; never creates a topic by asking for it.
  Result<Client*> client(Context& context);

 private:
  Result<Client*> client_locked(Context& context);
  Result<TopicPtr> find_locked(Context& context, const std::string& name);
  Result<TopicPtr> create(Context& context, const std::string& name);

  const SinkSettings& settings_;
  mutable std::mutex mutex_;  // of everything below
  std::unique_ptr<Client> client_;
  std::map<TableId, TopicPtr> topics_;
};

}  // namespace sluice::kafka
