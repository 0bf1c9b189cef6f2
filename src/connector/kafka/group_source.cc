#include "connector/kafka/group_source.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "connector/kafka/group_member.h"
#include "connector/kafka/partition_reader.h"
#include "connector/kafka/topic_source.h"
#include "port/first_rows.h"
#include "port/lag.h"
#include "port/new_columns.h"

namespace sluice::kafka {
namespace {

constexpr Millis kLagInterval{5'000};
// A wait inside of librdkafka does not see that the run is stopped.
constexpr Millis kPollMost{500};

class GroupSource final : public TopicSource,
                          public ReportsLag,
                          public AwaitsFirstRows,
                          public DoesWithoutColumns,
                          private GroupOffsets {
 public:
  using TopicSource::TopicSource;

  [[nodiscard]] SourceTraits traits() const override {
    SourceTraits traits;
    traits.streaming = true;
    traits.batch = false;
    traits.shares_work = true;
    traits.changes = settings_.debezium || settings_.keyed;
    // Once one partition has a position, those without are read from their first message on.
    traits.splits_stand_alone = settings_.beginning.kind == Beginning::Kind::earliest;
    return traits;
  }

  Result<void> start(Context& context, const Positions& durable) override;
  Result<SplitEvents> poll_splits(Context& context, Deadline deadline) override;
  Result<std::unique_ptr<Reader>> create_reader(Context& context, std::span<const Split> splits) override;
  Result<void> settle(Context& context, const Positions& durable) override;
  Result<void> released(Context& context, const SplitId& split) override;
  void tick(Context& context) override;
  Result<Lag> lag(Context& context, const Positions& durable) override;
  Result<bool> has_first_rows(Context& context) override;
  void do_without_columns() override { format_.stop_adding_columns(); }
  [[nodiscard]] GroupOffsets* group_offsets() override { return this; }

  // GroupOffsets.
  Result<std::string> cluster_id(Context& context) override { return view_.cluster_id(context); }
  [[nodiscard]] std::string group_id() const override { return settings_.group; }
  Result<std::string> metadata() override {
    if (member_ == nullptr) return transient("{}: the group is not joined yet", settings_.cluster.where);
    auto now = TRY(member_->metadata());
    if (has_new_losses()) {
      return transient("{}: group '{}' has taken partitions away meanwhile", settings_.cluster.where, settings_.group);
    }
    return now;
  }
  [[nodiscard]] Result<std::vector<Offset>> offsets_of(const Positions& positions) const override;
  [[nodiscard]] Result<Positions> positions_of(const std::vector<Offset>& offsets) const override;

 private:
  using PartitionPtr = std::shared_ptr<Partition>;

  // A member that lost partitions and joined again is of the new generation, which brokers let through: rows of what
  // it lost are somebody else's by now, and so are its offsets.
  [[nodiscard]] bool has_new_losses() const { return member_->losses() != losses_met_; }

  Result<void> join(Context& context);
  Result<void> go_on(Context& context);
  Result<void> take(Context& context, std::span<const TopicPartition> partitions, SplitEvents& events);
  Result<std::vector<int64_t>> choose_offsets(Context& context, std::span<const TopicPartition> partitions);
  Result<void> let_go(Context& context);
  void forget(std::span<const TopicPartition> partitions);
  void hand_out(const PartitionPtr& partition, SplitEvents& events);
  void show_lag(Context& context);

  std::unique_ptr<GroupMember> member_;  // outlived by nothing that has its partitions but readers of the same stretch
  std::map<SplitId, PartitionPtr> ours_;
  std::optional<std::set<TopicPartition>> there_first_;  // when this process joined for the first time
  std::map<SplitId, int64_t> durable_;                   // as of start() and every settle() since
  std::map<SplitId, int64_t> committed_;  // by us, or as the group had it when we were given the partition

  uint64_t last_loss_ = 0;               // that poll_splits() has told of
  std::atomic<uint64_t> losses_met_{0};  // and after which reading began anew, where anything was being read

  std::vector<TopicPartition> taken_;  // to be let go of when all of them are released
  std::set<SplitId> unreleased_;

  std::mutex mutex_;                            // of what lanes and the timer see
  std::map<SplitId, PartitionPtr> handed_out_;  // since start()
  std::optional<Error> failed_;                 // what a tick met
  SteadyTime lag_shown_{};
};

Result<void> GroupSource::join(Context& context) {
  last_loss_ = 0;
  losses_met_ = 0;
  ours_.clear();
  taken_.clear();
  unreleased_.clear();
  member_.reset();
  const auto partitions = TRY(view_.partitions(context));  // a topic that is missing is noticed now
  if (!there_first_) there_first_.emplace(partitions.begin(), partitions.end());
  member_ = TRY(GroupMember::join(context, settings_, queue_bytes(context, partitions.size())));
  return {};
}

Result<void> GroupSource::start(Context& context, const Positions& durable) {
  durable_ = TRY(offsets_in(durable));
  TRY(count_partitions(context));
  losses_met_ = last_loss_;
  {
    std::lock_guard lock(mutex_);
    handed_out_.clear();
    failed_.reset();
  }
  if (member_ == nullptr || member_->client().broken()) return join(context);
  if (!taken_.empty()) TRY(let_go(context));  // nobody reads them any more
  auto gone_on = go_on(context);
  if (gone_on.ok() || gone_on.error().fault == Fault::cancelled) return gone_on;
  context.log.warn("the group is joined anew", {{"error", gone_on.error().what}});
  return join(context);
}

// Partitions we have kept go on behind what is durable; mostly that is where they stand.
Result<void> GroupSource::go_on(Context& context) {
  std::vector<PartitionOffset> moved;
  for (const auto& [split, partition] : ours_) {
    const auto found = durable_.find(split);
    // Where it was given to us others had delivered what lies before, and with a store of its own none of it is durable
    // here yet.
    const int64_t next = found != durable_.end() ? std::max(found->second, partition->began) : partition->began;
    partition->beginning_to_tell = found == durable_.end() || found->second != next;
    if (partition->next == next) continue;
    moved.push_back({partition->name, next});
  }
  TRY(member_->seek(moved, context.stop));
  for (const auto& [partition, offset] : moved) ours_.at(split_of(partition))->next = offset;
  return {};
}

void GroupSource::hand_out(const PartitionPtr& partition, SplitEvents& events) {
  Split split;
  split.id = partition->split;
  split.endless = true;
  events.added.push_back(std::move(split));
  if (partition->beginning_to_tell) events.beginnings[partition->split] = position_of(partition->next);
  std::lock_guard lock(mutex_);
  handed_out_[partition->split] = partition;
}

Result<SplitEvents> GroupSource::poll_splits(Context& context, Deadline deadline) {
  SplitEvents events;
  for (const auto& [split, partition] : ours_) {
    if (!handed_out_.contains(split)) hand_out(partition, events);
  }
  const auto left = std::chrono::duration_cast<Millis>(deadline - context.clock.steady());
  TRY(member_->poll(events.added.empty() ? std::clamp(left, Millis(0), kPollMost) : Millis(0)));
  {
    std::lock_guard lock(mutex_);
    if (failed_) return *std::exchange(failed_, std::nullopt);
  }
  TRY(member_->each_change([&](const GroupMember::Change& change) -> Result<bool> {
    // Whoever reads what was lost is still there, at the queue of the partition. Should that be given back to us now,
    // he would take its first messages from whoever is to read them.
    if (!events.lost.empty() && change.kind != GroupMember::Change::Kind::lost) return false;
    std::vector<SplitId> splits;
    for (const auto& partition : change.partitions) splits.push_back(split_of(partition));
    switch (change.kind) {
      case GroupMember::Change::Kind::given:
        TRY(take(context, change.partitions, events));
        return true;
      case GroupMember::Change::Kind::taken: {
        context.log.info("the group takes partitions back",
                         {{"partitions", fmt::format("{}", fmt::join(splits, ", "))}});
        taken_ = change.partitions;
        for (const auto& split : splits) {
          const bool known = handed_out_.contains(split);
          if (!known) continue;
          unreleased_.insert(split);
          events.revoked.push_back(split);
        }
        std::erase_if(events.added, [&](const Split& split) { return unreleased_.contains(split.id); });
        std::erase_if(events.beginnings, [&](const auto& begun) { return unreleased_.contains(begun.first); });
        if (unreleased_.empty()) TRY(let_go(context));
        return true;
      }
      case GroupMember::Change::Kind::lost:
        for (const auto& split : splits) {
          if (handed_out_.contains(split)) events.lost.push_back(split);
        }
        last_loss_ = change.loss;
        if (events.lost.empty()) losses_met_ = last_loss_;
        std::erase_if(events.added, [&](const Split& split) {
          return std::find(splits.begin(), splits.end(), split.id) != splits.end();
        });
        for (const auto& split : splits) events.beginnings.erase(split);
        forget(change.partitions);
        taken_.clear();
        unreleased_.clear();
        return true;
    }
    return true;
  }));
  return events;
}

Result<std::vector<int64_t>> GroupSource::choose_offsets(Context& context, std::span<const TopicPartition> partitions) {
  std::vector<int64_t> offsets;
  for (const auto& one : TRY(view_.standings(context, partitions, durable_))) {
    const SplitId split = split_of(one.partition);
    if (one.committed) committed_[split] = *one.committed;
    if (const auto ours = durable_.find(split); ours != durable_.end() && one.next > ours->second) {
      context.log.info("another member of the group has delivered more of a partition",
                       {{"partition", split}, {"position", ours->second}, {"offset", one.next}});
    }
    // What comes to be while we look on is read from its first message on, whatever `offset` says.
    offsets.push_back(one.begun || there_first_->contains(one.partition) ? one.next : one.marks.low);
  }
  return offsets;
}

Result<void> GroupSource::take(Context& context, std::span<const TopicPartition> partitions, SplitEvents& events) {
  TRY(count_partitions(context));
  const auto offsets = TRY(choose_offsets(context, partitions));
  std::vector<PartitionPtr> taken;
  std::vector<PartitionOffset> from;
  for (size_t i = 0; i < partitions.size(); ++i) {
    auto partition = std::make_shared<Partition>(member_->client(), partitions[i]);
    partition->next = offsets[i];
    partition->began = offsets[i];
    partition->beginning_to_tell = !durable_.contains(partition->split) || durable_.at(partition->split) != offsets[i];
    from.push_back({partitions[i], offsets[i]});
    taken.push_back(std::move(partition));
  }
  TRY(member_->assign(from));
  crash_point("kafka.given");
  for (const auto& partition : taken) {
    ours_[partition->split] = partition;
    hand_out(partition, events);
  }
  if (partitions.empty()) return {};
  std::vector<SplitId> splits;
  for (const auto& partition : taken) splits.push_back(partition->split);
  context.log.info("the group gives partitions", {{"partitions", fmt::format("{}", fmt::join(splits, ", "))}});
  return {};
}

void GroupSource::forget(std::span<const TopicPartition> partitions) {
  for (const auto& partition : partitions) {
    ours_.erase(split_of(partition));
    committed_.erase(split_of(partition));
  }
}

Result<void> GroupSource::let_go(Context& context) {
  unreleased_.clear();
  const auto taken = std::exchange(taken_, {});
  // Whoever comes next begins at what the group has.
  std::vector<PartitionOffset> behind;
  for (const auto& partition : taken) {
    const SplitId split = split_of(partition);
    const auto durable = durable_.find(split);
    if (!ours_.contains(split) || durable == durable_.end()) continue;
    const auto committed = committed_.find(split);
    if (committed == committed_.end() || committed->second < durable->second) {
      behind.push_back({partition, durable->second});
    }
  }
  if (has_new_losses()) behind.clear();
  if (auto done = member_->commit(behind, context.stop); !done.ok()) {
    context.log.warn("the group's offsets could not be committed before its partitions were given back",
                     {{"error", done.error().what}});
  }
  forget(taken);
  return member_->let_go(taken);
}

Result<std::unique_ptr<Reader>> GroupSource::create_reader(Context& context, std::span<const Split> splits) {
  ReaderSetup setup;
  setup.client = &member_->client();
  setup.batch_rows = request_.batch_rows;
  setup.batch_bytes = request_.batch_bytes;
  {
    std::lock_guard lock(mutex_);
    for (const auto& split : splits) setup.parts.push_back({handed_out_.at(split.id), std::nullopt});
  }
  setup.decoder = TRY(format_.create_decoder(context, one_partition_));
  setup.schema = format_.schema();
  return partition_reader(std::move(setup));
}

// The group's offsets are a copy: for whoever is given the partition next, and for those who watch the group's lag.
Result<void> GroupSource::settle(Context& context, const Positions& durable) {
  std::vector<PartitionOffset> offsets;
  for (const auto& [split, offset] : TRY(offsets_in(durable))) {
    durable_[split] = offset;
    const auto partition = ours_.find(split);
    if (partition == ours_.end()) continue;
    const auto committed = committed_.find(split);
    // Never back: what the group has is ahead where others have delivered more.
    if (committed == committed_.end() || committed->second < offset) {
      offsets.push_back({partition->second->name, offset});
    }
  }
  if (offsets.empty() || has_new_losses()) return {};
  crash_point("kafka.settling");
  auto done = member_->commit(offsets, context.stop);
  if (!done.ok()) {
    if (done.error().fault != Fault::transient) return done;
    context.log.warn("the group's offsets could not be committed; they are with the next epoch",
                     {{"error", done.error().what}});
    return {};
  }
  for (const auto& [partition, offset] : offsets) committed_[split_of(partition)] = offset;
  return {};
}

Result<void> GroupSource::released(Context& context, const SplitId& split) {
  if (unreleased_.erase(split) == 0 || !unreleased_.empty()) return {};
  return let_go(context);
}

void GroupSource::tick(Context& context) {
  if (member_ == nullptr) return;
  auto polled = member_->poll(Millis(0), true);
  {
    std::lock_guard lock(mutex_);
    if (!polled.ok() && !failed_) failed_ = std::move(polled).error();
  }
  const auto now = context.clock.steady();
  if (now - lag_shown_ < kLagInterval) return;
  lag_shown_ = now;
  show_lag(context);
}

void GroupSource::show_lag(Context& context) {
  std::lock_guard lock(mutex_);
  for (const auto& [split, partition] : handed_out_) {
    Watermarks marks;  // as the brokers said with the messages fetched last
    if (api().get_watermark_offsets(member_->client().get(), partition->name.topic.c_str(), partition->name.partition,
                                    &marks.low, &marks.high) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        marks.high < 0) {
      continue;
    }
    context.metrics
        .gauge("sluice_kafka_lag_messages", "Messages of a partition that were not read yet.",
               {{"pipeline", context.pipeline},
                {"topic", partition->name.topic},
                {"partition", std::to_string(partition->name.partition)}})
        .set(std::max<int64_t>(0, marks.high - partition->next));
  }
}

// Counted in offsets, as everybody counts Kafka's lag: the marks of transactions are among them. But where nothing is
// left that could be read, nothing waits.
Result<Lag> GroupSource::lag(Context& context, const Positions& durable) {
  const auto partitions = TRY(view_.partitions(context));
  const auto standings = TRY(view_.standings(context, partitions, TRY(offsets_in(durable))));
  const auto firsts = TRY(view_.firsts(context, standings));
  Lag lag;
  lag.messages = 0;
  lag.time = Millis(0);
  for (const auto& one : standings) {
    const auto first = firsts.find(one.partition);
    const int64_t behind = first == firsts.end() ? 0 : one.marks.high - first->second.offset;
    lag.splits[split_of(one.partition)] = behind;
    *lag.messages += behind;
    if (first == firsts.end() || !first->second.time_ms) continue;
    const Millis age =
        std::chrono::duration_cast<Millis>(context.clock.wall().time_since_epoch()) - Millis(*first->second.time_ms);
    lag.time = std::max(*lag.time, age);
  }
  return lag;
}

Result<bool> GroupSource::has_first_rows(Context& context) {
  const auto lacks_messages = [](const Result<SchemaPtr>& described) {
    return !described.ok() && described.error().what == no_message_to_infer_from().what;
  };
  (void)TRY(view_.partitions(context));  // a topic that is missing is noticed now
  if (!lacks_messages(format_.describe(context, {}, {}))) return true;
  return !lacks_messages(fetch_schema(context));
}

Result<std::vector<GroupOffsets::Offset>> GroupSource::offsets_of(const Positions& positions) const {
  std::vector<Offset> out;
  for (const auto& [split, position] : positions) {
    auto partition = TRY(partition_of(split));
    out.push_back({std::move(partition.topic), partition.partition, TRY(offset_of(split, position))});
  }
  return out;
}

Result<Positions> GroupSource::positions_of(const std::vector<Offset>& offsets) const {
  Positions out;
  for (const auto& offset : offsets) out[split_of({offset.topic, offset.partition})] = position_of(offset.next);
  return out;
}

}  // namespace

std::unique_ptr<Source> create_group_source(SourceSettings settings) {
  return std::make_unique<GroupSource>(std::move(settings));
}

}  // namespace sluice::kafka
