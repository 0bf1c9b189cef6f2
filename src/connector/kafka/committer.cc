#include "connector/kafka/committer.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "connector/kafka/writer.h"

namespace sluice::kafka {
namespace {

constexpr int64_t kQueueMin = 2 << 20;
constexpr int64_t kQueueMax = 16 << 20;

class TransactionCommitter final : public Committer {
 public:
  TransactionCommitter(const SinkSettings& settings, TargetTopics& topics, Takeover& takeover, Delivery& delivery,
                       GroupOffsets* group, TruncateRecords truncated)
      : settings_(settings),
        topics_(topics),
        takeover_(takeover),
        delivery_(delivery),
        group_(group),
        truncated_(std::move(truncated)) {}

  Result<std::optional<Positions>> fence_and_load(Context& context, Generation) override {
    auto own = TRY(prepare_cluster(context));
    id_ = settings_.transactional_id;
    // Members of a group that keep their own state, each with an id of its own, are fenced by the group's generation.
    is_dead_ = [shared = group_ != nullptr](const std::string&) { return !shared; };
    return load(context, std::move(own));
  }

  Result<std::optional<Positions>> join_and_load(Context& context, Generation generation,
                                                 std::span<const Generation> spared) override {
    auto own = TRY(prepare_cluster(context));
    if (group_ == nullptr) {
      return user_error(
          "{}: a topic cannot tell the positions of several processes apart unless their source is a group on the same "
          "cluster; run this pipeline as one process",
          settings_.cluster.where);
    }
    const std::string prefix = settings_.transactional_id + "-";
    id_ = prefix + std::to_string(generation);
    is_dead_ = [prefix, alive = std::set<Generation>(spared.begin(), spared.end())](const std::string& id) {
      Generation number = 0;
      if (!id.starts_with(prefix)) return false;
      const auto [end, error] = std::from_chars(id.data() + prefix.size(), id.data() + id.size(), number);
      return error == std::errc() && end == id.data() + id.size() && !alive.contains(number);
    };
    takeover_.set_member(true);
    return load(context, std::move(own));
  }

  Result<void> leave(Context& context) override {
    const auto own = delivery_.take_back();
    return own == nullptr ? Result<void>() : takeover_.leave(context, *own);
  }

  Result<void> commit(Context& context, std::span<const Prepared> prepared, const Positions& from,
                      const Positions& upto) override {
    const auto parts = TRY(parts_of(prepared));
    crash_point("kafka.commit.before");
    auto committed = commit_parts(context, parts, from, upto);
    // Whatever came of it, these records are not sent again: after a failure their rows are read again.
    delivery_.finish(parts);
    TRY(std::move(committed));
    crash_point("kafka.commit.after");
    return {};
  }

  Result<void> truncate(Context& context, const TableId& table, const Positions& from, const Positions& upto) override {
    if (!TRY(decide(from, upto))) return {};
    const Piece piece = TRY(truncated_(context, table));
    Producer* producer = TRY(delivery_.begin_alone(context));
    return send_and_commit(context, *producer, {&piece}, upto);
  }

  void cut(Epoch epoch) override { delivery_.cut(epoch); }
  void skip(Epoch epoch) override { delivery_.skip(epoch); }

  Result<Outcome> resume(Context&, std::span<const Prepared> prepared) override {
    if (prepared.empty()) return Outcome::nothing_to_do;
    return refused(
        "{}: {} rows were in a transaction of a process that died before it was committed; a topic cannot be the "
        "target of another sink's epoch: write dead letters to files",
        settings_.cluster.where, prepared[0].rows);
  }

  Result<void> discard(Context&, std::span<const Prepared> prepared) override {
    if (!prepared.empty()) delivery_.finish(TRY(parts_of(prepared)));
    return {};
  }

 private:
  static Result<std::vector<uint64_t>> parts_of(std::span<const Prepared> prepared) {
    std::vector<uint64_t> parts;
    for (const auto& item : prepared) parts.push_back(TRY(part_of(item)));
    return parts;
  }

  // The producer we have, if it can go on; what an earlier attempt of ours has open is aborted.
  Result<std::unique_ptr<Producer>> prepare_cluster(Context& context) {
    auto own = delivery_.take_back();
    if (own != nullptr && !own->at_rest()) own.reset();
    Client* cluster = TRY(topics_.client(context));
    TRY(takeover_.topic().create(context, *cluster, settings_.replication));
    if (group_ == nullptr) return own;
    if (TRY(group_->cluster_id(context)) != TRY(cluster->cluster_id(context.stop))) group_ = nullptr;
    return own;
  }

  Result<std::optional<Positions>> load(Context& context, std::unique_ptr<Producer> own) {
    auto taken = TRY(take_over(context, std::move(own)));
    held_ = std::move(taken.held);
    delivery_.start_anew(std::move(taken.producer));
    return std::optional(held_);
  }

  Result<Takeover::Taken> take_over(Context& context, std::unique_ptr<Producer> own = nullptr) {
    ProducerShape shape = shape_of(settings_, topics_, context.memory.limit());
    shape.transactional_id = id_;
    return takeover_.take(context, shape, is_dead_, std::move(own));
  }

  // Fenced as we are, nobody else moves positions; members of one group each move those of their own partitions, which
  // the group's generation sees to. False: the epoch is here already.
  Result<bool> decide(const Positions& from, const Positions& upto) const {
    if (upto.empty()) return true;
    const auto at = [](const Positions& positions, const SplitId& split) -> const Position* {
      auto found = positions.find(split);
      return found == positions.end() ? nullptr : &found->second;
    };
    const auto same = [](const Position* a, const Position* b) {
      return a == nullptr || b == nullptr ? a == b : *a == *b;
    };
    const bool here = std::all_of(upto.begin(), upto.end(), [&](const auto& entry) {
      const Position* held = at(held_, entry.first);
      return held != nullptr && *held == entry.second && !same(at(from, entry.first), &entry.second);
    });
    if (here) return false;
    if (group_ != nullptr) return true;
    for (const auto& [split, position] : upto) {
      const Position* held = at(held_, split);
      if (same(held, at(from, split))) continue;
      return refused("{}: the positions of pipeline '{}' moved in the target (split '{}' is at '{}', expected '{}')",
                     settings_.cluster.where, settings_.pipeline, split, held == nullptr ? "nothing" : held->token,
                     at(from, split) == nullptr ? "nothing" : at(from, split)->token);
    }
    return true;
  }

  Result<void> commit_parts(Context& context, const std::vector<uint64_t>& parts, const Positions& from,
                            const Positions& upto) {
    if (!TRY(decide(from, upto))) return {};
    auto work = TRY(delivery_.take(context, parts));
    if (!work.complete) {
      return transient("{}: the rows of an epoch are gone with the transaction that held them",
                       settings_.cluster.where);
    }
    return send_and_commit(context, *work.producer, work.rest, upto);
  }

  Result<void> send_and_commit(Context& context, Producer& producer, const std::vector<const Piece*>& pieces,
                               const Positions& upto) {
    auto done = [&]() -> Result<void> {
      for (const auto* piece : pieces) TRY(producer.send(context, *piece));
      crash_point("kafka.commit.rows");
      TRY(send_positions(context, producer, upto));
      crash_point("kafka.commit.positions");
      return producer.commit(context);
    }();
    if (!done.ok()) return failed(context, producer, upto, std::move(done).error());
    for (const auto& [split, position] : upto) held_[split] = position;
    return {};
  }

  Result<void> send_positions(Context& context, Producer& producer, const Positions& upto) {
    if (upto.empty()) return {};
    Piece piece = takeover_.topic().piece();
    for (const auto& [split, position] : upto) takeover_.topic().add(split, position, piece);
    TRY(producer.send(context, piece));
    if (group_ == nullptr) return {};
    return producer.send_offsets(context, *group_, upto);
  }

  Result<void> failed(Context& context, const Producer& producer, const Positions& upto, Error error) {
    if (producer.fenced()) {
      Error why = takeover_.explain(context, producer);
      // Given up by the coordinator, perhaps after it had decided to commit: look, as for any other lost answer.
      if (why.fault != Fault::transient || upto.empty()) return why;
      error = std::move(why);
    } else if (error.fault != Fault::outcome_unknown || upto.empty() || context.stop.stop_requested()) {
      return error;
    }
    auto taken = take_over(context);
    if (!taken.ok()) return error;
    held_ = std::move(taken->held);
    delivery_.replace(std::move(taken->producer));
    const bool happened = std::all_of(upto.begin(), upto.end(), [&](const auto& entry) {
      auto found = held_.find(entry.first);
      return found != held_.end() && found->second == entry.second;
    });
    if (happened) {
      context.log.info("no answer came to the commit of a transaction, and it did happen");
      return {};
    }
    return transient("{} (the transaction did not happen)", error.what);
  }

  const SinkSettings& settings_;
  TargetTopics& topics_;
  Takeover& takeover_;
  Delivery& delivery_;
  GroupOffsets* group_;
  const TruncateRecords truncated_;
  std::string id_;
  Takeover::IsDead is_dead_;
  Positions held_;
};

}  // namespace

std::unique_ptr<Committer> create_committer(const SinkSettings& settings, TargetTopics& topics, Takeover& takeover,
                                            Delivery& delivery, GroupOffsets* group, TruncateRecords truncated) {
  return std::make_unique<TransactionCommitter>(settings, topics, takeover, delivery, group, std::move(truncated));
}

ProducerShape shape_of(const SinkSettings& settings, const TargetTopics& topics, int64_t memory_limit) {
  const auto limits = topics.limits();
  ProducerShape shape;
  shape.transactional_id = settings.transactional_id;
  shape.transaction_timeout = settings.transaction_timeout;
  shape.queue_bytes = std::clamp(memory_limit / 16, kQueueMin, kQueueMax);
  // librdkafka's own bounds are 1,000 and 1,000,000,000.
  shape.message_bytes_max = std::clamp<int64_t>(limits.largest, 1'000, 1'000'000'000);
  // A message that the queue cannot hold alone would wait for room for ever.
  shape.queue_bytes = std::max<int64_t>(shape.queue_bytes, shape.message_bytes_max + (64 << 10));
  shape.batch_bytes_max = std::clamp<int64_t>(limits.smallest, 1, 1'000'000'000);
  shape.properties = settings.producer;
  return shape;
}

}  // namespace sluice::kafka
