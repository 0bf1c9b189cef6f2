// This process in its consumer group: what it is given and what is taken back, and the offsets it commits.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "connector/kafka/partition.h"
#include "connector/kafka/source_settings.h"
#include "kafka/client.h"
#include "port/context.h"

namespace sluice::kafka {

// Owns the consumer. poll() may be called by two threads; the rest by one at a time. Leaves the group when it ends.
class GroupMember {
 public:
  struct Change {
    enum class Kind { given, taken, lost };
    Kind kind = Kind::given;
    std::vector<TopicPartition> partitions;
    uint64_t loss = 0;  // its number, where kind is lost
  };

  static Result<std::unique_ptr<GroupMember>> join(Context& context, const SourceSettings& settings,
                                                   int64_t queue_bytes);
  ~GroupMember();
  GroupMember(const GroupMember&) = delete;
  GroupMember& operator=(const GroupMember&) = delete;

  [[nodiscard]] Client& client() { return *client_; }

  // Keeps the membership alive and collects changes; waits up to `time` for something to happen. A topic or group that
  // may not be read is an error. With `only_if_free`, returns at once when somebody else polls.
  Result<void> poll(Millis time, bool only_if_free = false);
  // Hands changes to `answer`, oldest first, while nothing is polled, until it says false; that one, and one that
  // fails, comes again next time. Each is answered by assign() or, when the partitions are free, let_go(); what is lost
  // needs no answer.
  Result<void> each_change(const std::function<Result<bool>(const Change&)>& answer);

  // Answers Change::given: each partition is read from its offset on.
  Result<void> assign(std::span<const PartitionOffset> partitions);
  // Answers Change::taken.
  Result<void> let_go(std::span<const TopicPartition> partitions);
  // Goes on at other offsets; what was fetched of these partitions is forgotten.
  Result<void> seek(std::span<const PartitionOffset> partitions, const std::stop_token& stop);

  // As commit_offsets().
  Result<void> commit(std::span<const PartitionOffset> offsets, const std::stop_token& stop);
  // The generation's metadata, serialized.
  Result<std::string> metadata();
  // How often partitions were lost; grows before the group is joined again.
  [[nodiscard]] uint64_t losses() const { return losses_; }

 private:
  explicit GroupMember(const SourceSettings& settings) : settings_(settings) {}
  Result<void> subscribe();
  bool may_be_destroyed();
  void on_rebalance(rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t& partitions);
  [[nodiscard]] bool is_cooperative() const;
  Error error_of_message(const rd_kafka_message_t& message) const;

  const SourceSettings& settings_;
  std::unique_ptr<Client> client_;
  std::atomic<bool> given_{false};  // some assignment has come, be it empty
  std::mutex polling_;
  std::atomic<uint64_t> losses_{0};
  std::mutex mutex_;  // of what follows
  std::deque<Change> changes_;
  std::optional<Change> owed_;  // given or taken, and not answered yet: librdkafka neither goes on nor closes
  bool leaving_ = false;
};

// Whether librdkafka fetches on as soon as a queue that was full has room again.
bool queues_refill_at_once();

// What every consumer of ours is made with. librdkafka is loaded.
Properties consumer_properties(int64_t queue_bytes);

// Commits for the settings' group and waits until the coordinator has them. The pipeline's name goes along, so that
// another pipeline notices.
Result<void> commit_offsets(Client& client, const SourceSettings& settings, std::span<const PartitionOffset> offsets,
                            const std::stop_token& stop);
// The pipeline that committed offsets with this metadata; empty: none of ours.
std::string_view pipeline_of_commit(std::string_view metadata);

}  // namespace sluice::kafka
