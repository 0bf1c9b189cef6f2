#include "flow/simulation.h"

#include "port/replaces.h"

namespace sluice::simulation {
namespace {

class NumberReader final : public Reader {
 public:
  NumberReader(World& world, std::vector<Split> splits, std::map<SplitId, int>& from)
      : world_(world), splits_(std::move(splits)), from_(from) {}

  Result<Event> next(Context& context, Deadline) override {
    if (at_ == splits_.size()) return Event(End{});
    context.clock.sleep(Millis(1), context.stop);  // slow enough for several epochs
    const SplitId& split = splits_[at_].id;
    int begin = from_[split];
    int end = std::min(begin + world_.batch, world_.rows_per_split);
    // It comes while the rows before it are committed, however fast those were read.
    const int64_t first = int64_t{to_int(split)} * world_.rows_per_split;
    const bool has_bad_row = world_.bad_row >= first + begin && world_.bad_row < first + end;
    if (has_bad_row && !world_.has_committed) return Event(Idle{});
    Rows rows;
    arrow::Int64Builder builder;
    for (int row = begin; row < end; ++row) {
      int64_t number = int64_t{to_int(split)} * world_.rows_per_split + row;
      if (number == world_.bad_row || (world_.bad_every > 0 && number % world_.bad_every == 0)) {
        rows.rejects.push_back({std::to_string(number), "bad", split, split});
      } else if (!builder.Append(number).ok()) {
        return bug("out of memory");
      }
    }
    auto array = builder.Finish();
    if (!array.ok()) return bug("out of memory");
    rows.batch =
        arrow::RecordBatch::Make(arrow::schema({arrow::field("n", arrow::int64())}), (*array)->length(), {*array});
    rows.progress.push_back({split, Position{std::to_string(end)}});
    from_[split] = end;
    if (++world_.batches == world_.drain_after) world_.draining = true;
    if (end == world_.rows_per_split) ++at_;
    return Event(std::move(rows));
  }

 private:
  World& world_;
  std::vector<Split> splits_;
  std::map<SplitId, int>& from_;
  size_t at_ = 0;
};

class NumberSource final : public Source {
 public:
  explicit NumberSource(World& world) : world_(world) {
    for (int i = 0; i < world.splits; ++i) from_[std::to_string(i)] = 0;  // complete: lanes only touch their own
  }

  [[nodiscard]] SourceTraits traits() const override {
    SourceTraits traits;
    traits.one_snapshot = world_.turns_out_one_snapshot && world_.batches > 0;
    return traits;
  }
  Result<SchemaPtr> fetch_schema(Context&) override { return arrow::schema({arrow::field("n", arrow::int64())}); }
  Result<Planned> plan(Context& context, const ReadRequest&) override {
    return Planned{TRY(fetch_schema(context)), Pushed{}};
  }
  Result<void> start(Context&, const Positions& durable) override {
    for (const auto& [split, position] : durable) from_[split] = to_int(position.token);
    return {};
  }
  Result<SplitEvents> poll_splits(Context&, Deadline) override {
    SplitEvents events;
    for (const auto& [split, row] : from_) {
      if (row < world_.rows_per_split) events.added.push_back(Split{split, 100 * (world_.rows_per_split - row), ""});
    }
    events.finished = true;
    return events;
  }
  Result<std::unique_ptr<Reader>> create_reader(Context&, std::span<const Split> splits) override {
    return std::unique_ptr<Reader>(
        std::make_unique<NumberReader>(world_, std::vector<Split>(splits.begin(), splits.end()), from_));
  }

 private:
  World& world_;
  std::map<SplitId, int> from_;
};

class SpoolWriter final : public Writer {
 public:
  SpoolWriter(World& world, WriterId id, bool dead) : world_(world), id_(std::move(id)), dead_(dead) {}

  Result<WriteAck> write(Context&, const Rows& rows) override {
    if (dead_) {
      const auto& payload = static_cast<const arrow::StringArray&>(*rows.batch->column(5));
      for (int64_t i = 0; i < payload.length(); ++i) held_.push_back(to_int(payload.GetString(i)));
    } else {
      const auto& numbers = static_cast<const arrow::Int64Array&>(*rows.batch->column(0));
      for (int64_t i = 0; i < numbers.length(); ++i) held_.push_back(numbers.Value(i));
    }
    if (world_.committing) world_.written_while_committing += rows.batch->num_rows();
    WriteAck ack;
    ack.wants_cut = held_.size() >= 40;
    if (held_.size() > world_.held_max) world_.held_max = held_.size();
    return ack;
  }
  Result<std::vector<Prepared>> prepare(Context&, Epoch) override {
    if (dead_ && world_.dead_letters_fail) return refused("no room for dead letters");
    std::vector<Prepared> prepared;
    if (held_.empty()) return prepared;
    std::string name;
    auto rows = static_cast<int64_t>(held_.size());
    TRY(world_.durable([&]() -> Result<void> {
      name = fmt::format("g{}-{}", id_.generation, world_.next_object++);
      world_.spool[name] = std::exchange(held_, {});
      return {};
    }));
    prepared.push_back({name, rows, rows * 8, 1});
    return prepared;
  }

 private:
  World& world_;
  WriterId id_;
  bool dead_;
  std::vector<int64_t> held_;
};

class SpoolCommitter final : public Committer {
 public:
  SpoolCommitter(World& world, Decision decision, bool dead) : world_(world), decision_(decision), dead_(dead) {}

  Result<std::optional<Positions>> fence_and_load(Context&, Generation generation) override {
    if (decision_ == Decision::journal) return std::optional<Positions>();
    generation_ = generation;
    std::optional<Positions> held;
    TRY(world_.durable([&]() -> Result<void> {
      world_.target_generation = std::max(world_.target_generation, generation);
      held = world_.target_positions;
      return {};
    }));
    return held;
  }

  Result<void> commit(Context& context, std::span<const Prepared> prepared, const Positions& from,
                      const Positions& upto) override {
    if (world_.commit_takes.count() > 0) {
      world_.committing = true;
      world_.has_committed = true;
      const bool slept = context.clock.sleep(world_.commit_takes, context.stop);
      world_.committing = false;
      if (!slept) return cancelled();
    }
    if (decision_ == Decision::journal) return publish_each(prepared);
    return world_.durable([&]() -> Result<void> {
      if (world_.target_generation != generation_) return refused("fenced off");
      for (const auto& [split, position] : from) {
        if (world_.target_positions[split] != position) return refused("positions moved");
      }
      for (const auto& part : prepared) show(part.payload);
      for (const auto& [split, position] : upto) world_.target_positions[split] = position;
      return {};
    });
  }

  Result<Outcome> resume(Context&, std::span<const Prepared> prepared) override {
    TRY(publish_each(prepared));
    return Outcome::completed;
  }

  Result<void> discard(Context&, std::span<const Prepared> prepared) override {
    return world_.durable([&]() -> Result<void> {
      for (const auto& part : prepared) world_.spool.erase(part.payload);
      return {};
    });
  }

 private:
  Result<void> publish_each(std::span<const Prepared> prepared) {
    for (const auto& part : prepared) {
      TRY(world_.durable([&]() -> Result<void> {
        show(part.payload);
        return {};
      }));
    }
    return {};
  }
  void show(const std::string& object) {
    auto found = world_.spool.find(object);
    if (found == world_.spool.end()) return;  // already visible: publishing is idempotent
    for (int64_t row : found->second) ++(dead_ ? world_.visible_dead : world_.visible)[row];
    world_.spool.erase(found);
  }

  World& world_;
  Decision decision_;
  bool dead_;
  Generation generation_ = 0;
};

class SpoolSink final : public Sink, public Replaces {
 public:
  SpoolSink(World& world, Decision decision, bool dead) : world_(world), decision_(decision), dead_(dead) {}

  [[nodiscard]] SinkTraits traits() const override {
    SinkTraits traits;
    traits.decision = decision_;
    traits.single_writer = world_.single_writer && !dead_;
    return traits;
  }
  [[nodiscard]] bool replaces() const override { return world_.replaces && !dead_; }
  Result<void> validate_schema(Context&, const arrow::Schema&) override { return {}; }
  Result<void> probe(Context&) override { return {}; }
  Result<void> open(Context&, const arrow::Schema&, bool) override { return {}; }
  Result<std::unique_ptr<Writer>> create_writer(Context&, const WriterId& id) override {
    return std::unique_ptr<Writer>(std::make_unique<SpoolWriter>(world_, id, dead_));
  }
  Result<std::unique_ptr<Committer>> create_committer(Context&) override {
    return std::unique_ptr<Committer>(std::make_unique<SpoolCommitter>(world_, decision_, dead_));
  }

 private:
  World& world_;
  Decision decision_;
  bool dead_;
};

class MemoryCoordinator final : public Coordinator {
 public:
  explicit MemoryCoordinator(World& world) : world_(world) {}

  Result<std::vector<PipelineRecord>> list() override {
    std::vector<PipelineRecord> records;
    for (const auto& [name, record] : world_.records) records.push_back(record);
    return records;
  }
  Result<std::optional<PipelineRecord>> load(const std::string& name) override {
    std::lock_guard lock(world_.mutex);
    auto found = world_.records.find(name);
    if (found == world_.records.end()) return std::optional<PipelineRecord>();
    return std::optional<PipelineRecord>(found->second);
  }
  Result<void> define(const Lease& lease, const PipelineRecord& record) override {
    return write(lease, [&](PipelineRecord& kept) {
      kept.definition = record.definition;
      kept.source = record.source;
      kept.positions = record.positions;
    });
  }
  Result<Lease> acquire(const std::string& pipeline, const std::string& owner) override {
    Lease lease{pipeline, 0, owner};
    TRY(world_.durable([&]() -> Result<void> {
      lease.generation = ++world_.generations;
      world_.records[pipeline].name = pipeline;
      world_.records[pipeline].lease = lease;
      return {};
    }));
    return lease;
  }
  Result<void> renew(const Lease&) override {
    return world_.lease_is_gone ? Result<void>(refused("another process has taken over")) : Result<void>();
  }
  Result<void> release(const Lease&) override { return {}; }
  Result<void> save_intent(const Lease& lease, const Intent& intent) override {
    return write(lease, [&](PipelineRecord& record) {
      record.intents.push_back(intent);
      record.last_epoch = intent.epoch;
    });
  }
  Result<void> finish(const Lease& lease, Epoch epoch, const Positions& upto, int64_t rows, int64_t, int64_t) override {
    return write(lease, [&](PipelineRecord& record) {
      std::erase_if(record.intents, [&](const Intent& intent) { return intent.epoch == epoch; });
      for (const auto& [split, position] : upto) record.positions[split] = position;
      record.rows_delivered += rows;
      record.last_epoch = std::max(record.last_epoch, epoch);
    });
  }
  Result<void> forget_intent(const Lease& lease, Epoch epoch) override {
    return write(lease, [&](PipelineRecord& record) {
      std::erase_if(record.intents, [&](const Intent& intent) { return intent.epoch == epoch; });
    });
  }
  Result<void> set_finished(const Lease& lease, bool finished) override {
    return write(lease, [&](PipelineRecord& record) { record.finished = finished; });
  }
  Result<void> set_error(const Lease& lease, const std::string& message) override {
    std::lock_guard lock(world_.mutex);
    world_.records[lease.pipeline].last_error = message;
    return {};
  }
  Result<void> save_schema(const Lease& lease, const FollowedSchema& schema) override {
    return write(lease, [&](PipelineRecord& record) {
      std::erase_if(record.schemas, [&](const FollowedSchema& other) { return other.table == schema.table; });
      record.schemas.push_back(schema);
    });
  }
  Result<void> reset(const std::string&, const Positions&) override { return {}; }
  Result<void> drop(const std::string& name) override {
    world_.records.erase(name);
    return {};
  }

 private:
  template <typename Change>
  Result<void> write(const Lease& lease, Change change) {
    return world_.durable([&]() -> Result<void> {
      auto& record = world_.records[lease.pipeline];
      if (record.lease->generation != lease.generation) return refused("another process has taken over");
      change(record);
      return {};
    });
  }
  World& world_;
};

}  // namespace

std::unique_ptr<Source> make_source(World& world) { return std::make_unique<NumberSource>(world); }
std::unique_ptr<Sink> make_sink(World& world, Decision decision, bool dead_letters) {
  return std::make_unique<SpoolSink>(world, decision, dead_letters);
}
std::unique_ptr<Coordinator> make_coordinator(World& world) { return std::make_unique<MemoryCoordinator>(world); }

}  // namespace sluice::simulation
