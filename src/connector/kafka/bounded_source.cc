#include "connector/kafka/bounded_source.h"

#include <algorithm>
#include <thread>

#include "connector/kafka/group_member.h"
#include "connector/kafka/partition_reader.h"
#include "connector/kafka/topic_source.h"

namespace sluice::kafka {
namespace {

// What a message takes, about: for progress and for sharing out.
constexpr int64_t kMessageBytes = 200;

class BoundedSource final : public TopicSource {
 public:
  using TopicSource::TopicSource;

  [[nodiscard]] SourceTraits traits() const override {
    SourceTraits traits;
    traits.changes = settings_.debezium || settings_.keyed;
    traits.splits_stand_alone = settings_.beginning.kind == Beginning::Kind::earliest;
    return traits;
  }

  Result<void> start(Context& context, const Positions& durable) override {
    pieces_.clear();
    to_tell_.clear();
    listed_ = false;
    TRY(count_partitions(context));
    const auto delivered = TRY(offsets_in(durable));
    const auto partitions = TRY(view_.partitions(context));
    if (!settings_.messages.empty()) return choose_messages(context, delivered, partitions);
    const auto marks = TRY(view_.watermarks(context, partitions));
    // What a later run finds new is read from its first message on, as a stream does.
    const Beginning beginning = delivered.empty() ? settings_.beginning : Beginning{};
    const auto beginnings = TRY(view_.beginnings(context, partitions, marks, beginning));
    for (size_t i = 0; i < partitions.size(); ++i) {
      const SplitId split = split_of(partitions[i]);
      const auto found = delivered.find(split);
      const bool begins = found == delivered.end();
      // Also with nothing behind it: the next run goes on there. What an attempt before this one has found stands.
      int64_t from = begins ? beginnings[i] : found->second;
      if (begins && beginning.kind != Beginning::Kind::earliest) {
        from = beginnings_.try_emplace(split, from).first->second;
        to_tell_[split] = position_of(from);
      }
      TRY(check_offset(settings_, partitions[i], from, marks[i]));
      if (from < marks[i].high) pieces_[split] = {partitions[i], from, marks[i].high, {}};
    }
    return {};
  }

  Result<SplitEvents> poll_splits(Context&, Deadline) override {
    SplitEvents events;
    events.finished = true;
    if (std::exchange(listed_, true)) return events;
    events.beginnings = to_tell_;
    for (const auto& [split, piece] : pieces_) {
      events.added.push_back({split, (piece.end - piece.from) * kMessageBytes, {}});
    }
    return events;
  }

  // Each reader has a client of its own, which ends with it.
  Result<std::unique_ptr<Reader>> create_reader(Context& context, std::span<const Split> splits) override {
    ReaderSetup setup;
    setup.batch_rows = request_.batch_rows;
    setup.batch_bytes = request_.batch_bytes;
    const auto lanes = std::max<size_t>(1, std::thread::hardware_concurrency());
    TRY(load());
    Properties own = consumer_properties(queue_bytes(context, lanes * splits.size()));
    own.push_back({"group.id", Secret(settings_.group)});  // librdkafka asks for one; nobody joins it
    setup.owned = TRY(Client::open(RD_KAFKA_CONSUMER, settings_.cluster, own, context.log));
    api().poll_set_consumer(setup.owned->get());
    setup.owned->polled_as_consumer();
    std::vector<PartitionOffset> from;
    for (const auto& split : splits) {
      const Piece& piece = pieces_.at(split.id);
      for (const int64_t offset : piece.alone) {
        auto partition = std::make_shared<Partition>(*setup.owned, piece.partition);
        partition->next = offset;
        setup.parts.push_back({std::move(partition), offset + 1, true});
      }
      if (!piece.alone.empty()) continue;
      auto partition = std::make_shared<Partition>(*setup.owned, piece.partition);
      partition->next = piece.from;
      setup.parts.push_back({std::move(partition), piece.end, false});
      from.push_back({piece.partition, piece.from});
    }
    const auto code = api().assign(setup.owned->get(), partition_list(from).get());
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return setup.owned->failure(code, settings_.subject());
    setup.decoder = TRY(format_.create_decoder(context, one_partition_));
    setup.schema = format_.schema();
    return partition_reader(std::move(setup));
  }

 private:
  struct Piece {
    TopicPartition partition;
    int64_t from = 0;
    int64_t end = 0;
    std::vector<int64_t> alone;  // these messages only; none: all
  };

  Result<void> choose_messages(Context& context, const std::map<SplitId, int64_t>& delivered,
                               std::span<const TopicPartition> partitions) {
    const auto marks = TRY(view_.watermarks(context, partitions));
    for (const auto& [partition, offset] : settings_.messages) {
      const auto known = std::find(partitions.begin(), partitions.end(), partition);
      if (known == partitions.end()) {
        return user_error("{}: there is no partition '{}'", settings_.cluster.where, split_of(partition));
      }
      const auto done = delivered.find(split_of(partition));
      if (done != delivered.end() && offset < done->second) continue;
      const auto& mark = marks[static_cast<size_t>(known - partitions.begin())];
      if (offset < mark.low || offset >= mark.high) {
        return refused("{}: there is no message {}@{} any more; topic and partition hold those from {} to {}",
                       settings_.cluster.where, split_of(partition), offset, mark.low, mark.high - 1);
      }
      Piece& piece = pieces_[split_of(partition)];
      if (piece.alone.empty()) piece = {partition, offset, offset, {}};
      piece.alone.push_back(offset);
      piece.end = offset + 1;
    }
    return {};
  }

  std::map<SplitId, Piece> pieces_;
  std::map<SplitId, int64_t> beginnings_;  // that this process has found, of partitions without a position
  Positions to_tell_;                      // those that are not durable
  bool listed_ = false;
};

}  // namespace

std::unique_ptr<Source> create_bounded_source(SourceSettings settings) {
  return std::make_unique<BoundedSource>(std::move(settings));
}

}  // namespace sluice::kafka
