#include "flow/scripted.h"

namespace sluice::simulation {
namespace {

SchemaPtr schema_of(int columns) {
  auto n = arrow::field("n", arrow::int64());
  return columns == 1 ? arrow::schema({n}) : arrow::schema({n, arrow::field("m", arrow::int64())});
}

class ScriptedReader final : public Reader {
 public:
  ScriptedReader(ScriptWorld& world, const std::map<std::string, int>& columns, std::vector<Split> splits,
                 std::map<SplitId, int> from)
      : world_(world), columns_(columns), splits_(std::move(splits)), at_(std::move(from)) {}

  Result<Event> next(Context& context, Deadline deadline) override {
    if (splits_.empty()) return Event(End{});
    const SplitId split = splits_.front().id;
    const auto& script = world_.script.at(split);
    int& at = at_[split];
    if (at == static_cast<int>(script.size())) return at_end(context, deadline);
    context.clock.sleep(Millis(1), context.stop);  // slow enough for several epochs
    const ScriptStep& step = script[static_cast<size_t>(at)];
    const TableId table{"", step.table};
    if (step.kind == ScriptStep::Kind::widen) {
      if (columns_.at(step.table) == 1) return Event(SchemaChange{table, schema_of(1), schema_of(2)});
      ++at;
      return Event(Idle{});
    }
    ++at;
    const Progress progress{split, Position{std::to_string(at)}};
    if (step.kind == ScriptStep::Kind::truncate) return Event(Truncate{table, progress});
    Rows rows;
    rows.table = table;
    rows.batch = TRY(batch_of(step, widened_before(script, step)));
    rows.progress.push_back(progress);
    std::lock_guard lock(world_.mutex);
    world_.read[split] = at;
    world_.reading_threads.insert(std::this_thread::get_id());
    ++world_.world.batches;
    return Event(std::move(rows));
  }

 private:
  Result<Event> at_end(Context& context, Deadline deadline) {
    if (world_.endless) {
      context.clock.sleep(std::min(Millis(5), std::chrono::ceil<Millis>(deadline - context.clock.steady())),
                          context.stop);
      return Event(Idle{});
    }
    splits_.erase(splits_.begin());
    return splits_.empty() ? Event(End{}) : Event(Idle{});
  }

  static bool widened_before(const std::vector<ScriptStep>& script, const ScriptStep& step) {
    return std::any_of(script.data(), &step, [&](const ScriptStep& other) {
      return other.kind == ScriptStep::Kind::widen && other.table == step.table;
    });
  }

  // In the planned schema, as every reader delivers: older rows have no m.
  Result<BatchPtr> batch_of(const ScriptStep& step, bool widened) const {
    arrow::Int64Builder n;
    arrow::Int64Builder m;
    for (int64_t row = step.first; row < step.first + step.count; ++row) {
      if (!n.Append(row).ok() || !(widened ? m.Append(10 * row) : m.AppendNull()).ok()) return bug("out of memory");
    }
    arrow::ArrayVector arrays{n.Finish().ValueOrDie(), m.Finish().ValueOrDie()};
    const int columns = columns_.at(step.table);
    if (columns == 1 && widened) return bug("a row came before its schema");
    arrays.resize(static_cast<size_t>(columns));
    return arrow::RecordBatch::Make(schema_of(columns), step.count, std::move(arrays));
  }

  ScriptWorld& world_;
  const std::map<std::string, int>& columns_;
  std::vector<Split> splits_;
  std::map<SplitId, int> at_;
};

class ScriptedSource final : public Source {
 public:
  explicit ScriptedSource(ScriptWorld& world) : world_(world) {
    for (const auto& [split, script] : world.script) {
      for (const auto& step : script) columns_[step.table] = 1;
    }
  }

  [[nodiscard]] SourceTraits traits() const override {
    SourceTraits traits;
    traits.streaming = true;
    return traits;
  }
  Result<SchemaPtr> fetch_schema(Context&) override { return schema_of(1); }
  Result<std::vector<Table>> fetch_tables(Context&) override {
    std::vector<Table> tables;
    if (!world_.many_tables) return tables;
    for (const auto& [table, columns] : columns_) tables.push_back({TableId{"", table}, schema_of(columns)});
    return tables;
  }
  Result<SchemaPtr> adopt_schema(Context&, const SchemaChange& change) override {
    if (!world_.many_tables) {
      for (auto& [table, columns] : columns_) columns = change.after->num_fields();
    } else {
      columns_[change.table.name] = change.after->num_fields();
    }
    return change.after;
  }
  Result<Planned> plan(Context&, const ReadRequest&) override {
    return Planned{schema_of(columns_.begin()->second), Pushed{}};
  }
  Result<Planned> plan_table(Context&, const TableId& table, const ReadRequest&) override {
    return Planned{schema_of(columns_.at(table.name)), Pushed{}};
  }
  Result<void> start(Context&, const Positions& durable) override {
    std::lock_guard lock(world_.mutex);
    ++world_.starts;
    world_.durable.clear();
    for (const auto& [split, position] : durable) world_.durable[split] = to_int(position.token);
    world_.read = world_.durable;
    handed_out_.clear();
    return {};
  }
  Result<SplitEvents> poll_splits(Context& context, Deadline) override {
    SplitEvents events;
    std::lock_guard lock(world_.mutex);
    take_some(events);
    events.finished = !world_.endless;
    for (const auto& [split, script] : world_.script) {
      if (auto back = gone_until_.find(split); back != gone_until_.end()) {
        events.finished = false;
        if (back->second > context.clock.steady()) continue;
        gone_until_.erase(back);
      }
      if (world_.durable[split] == static_cast<int>(script.size()) || !handed_out_.insert(split).second) continue;
      Split added;
      added.id = split;
      added.bytes = 9 << 20;  // a bundle of its own
      added.endless = world_.endless;
      events.added.push_back(std::move(added));
    }
    events.finished = events.finished && next_taken_ == world_.taken.size();
    return events;
  }
  Result<std::unique_ptr<Reader>> create_reader(Context&, std::span<const Split> splits) override {
    std::lock_guard lock(world_.mutex);
    std::map<SplitId, int> from;
    for (const auto& split : splits) from[split.id] = world_.durable[split.id];
    return std::unique_ptr<Reader>(std::make_unique<ScriptedReader>(
        world_, columns_, std::vector<Split>(splits.begin(), splits.end()), std::move(from)));
  }
  Result<void> settle(Context&, const Positions& durable) override {
    std::lock_guard lock(world_.mutex);
    world_.settled.push_back(durable);
    for (const auto& [split, position] : durable) world_.durable[split] = to_int(position.token);
    return {};
  }
  Result<void> released(Context&, const SplitId& split) override {
    std::lock_guard lock(world_.mutex);
    world_.released.push_back(split);
    if (world_.durable[split] != world_.read[split]) world_.complaints.push_back("released before it was durable");
    return {};
  }
  void tick(Context&) override {
    ++world_.ticks;
    if (world_.committing) ++world_.ticks_in_commits;
  }

 private:
  void take_some(SplitEvents& events) {
    if (next_taken_ == world_.taken.size()) return;
    const auto& taken = world_.taken[next_taken_];
    if (world_.world.batches < taken.after_batches) return;
    ++next_taken_;
    (taken.lost ? events.lost : events.revoked).push_back(taken.split);
    gone_until_[taken.split] = system_clock().steady() + Millis(20);
  }

  ScriptWorld& world_;
  std::map<std::string, int> columns_;
  std::set<SplitId> handed_out_;
  std::map<SplitId, SteadyTime> gone_until_;
  size_t next_taken_ = 0;
};

class TableWriter final : public Writer {
 public:
  TableWriter(ScriptWorld& world, WriterId id) : world_(world), id_(std::move(id)) {}

  Result<WriteAck> write(Context&, const Rows& rows) override {
    const auto& batch = *rows.batch;
    std::lock_guard lock(world_.mutex);
    if (world_.many_tables && rows.table != id_.table) world_.complaints.push_back("rows of another writer's table");
    if (batch.num_columns() > world_.columns[rows.table.name]) {
      world_.complaints.push_back("rows of a schema that the target does not have");
    }
    const auto& n = static_cast<const arrow::Int64Array&>(*batch.column(0));
    for (int64_t i = 0; i < batch.num_rows(); ++i) {
      ScriptWorld::Row row{rows.table.name, n.Value(i), std::nullopt};
      if (batch.num_columns() == 2 && batch.column(1)->IsValid(i)) {
        row.m = static_cast<const arrow::Int64Array&>(*batch.column(1)).Value(i);
      }
      held_.push_back(std::move(row));
    }
    return WriteAck{{}, held_.size() >= 30};
  }
  Result<std::vector<Prepared>> prepare(Context&, Epoch) override {
    std::vector<Prepared> prepared;
    if (held_.empty()) return prepared;
    const auto rows = static_cast<int64_t>(held_.size());
    std::string name;
    TRY(world_.world.durable([&]() -> Result<void> {
      name = fmt::format("g{}-{}", id_.generation, world_.world.next_object++);
      world_.spooled[name] = std::exchange(held_, {});
      return {};
    }));
    prepared.push_back({name, rows, rows * 8, 1});
    return prepared;
  }

 private:
  ScriptWorld& world_;
  WriterId id_;
  std::vector<ScriptWorld::Row> held_;
};

class TableCommitter final : public Committer {
 public:
  TableCommitter(ScriptWorld& world, Decision decision) : world_(world), decision_(decision) {}

  Result<std::optional<Positions>> fence_and_load(Context&, Generation) override {
    std::optional<Positions> held;
    ++world_.looks;
    if (world_.world.draining && world_.failing_looks > 0) {
      --world_.failing_looks;
      return transient("nobody answers");
    }
    TRY(world_.world.durable([&]() -> Result<void> {
      if (decision_ == Decision::target) held = world_.world.target_positions;
      return {};
    }));
    return held;
  }
  Result<void> commit(Context& context, std::span<const Prepared> prepared, const Positions& from,
                      const Positions& upto) override {
    world_.committing = true;
    if (world_.world.commit_takes.count() > 0) context.clock.sleep(world_.world.commit_takes, context.stop);
    world_.committing = false;
    const bool fails = world_.failing_commits != 0;
    if (world_.failing_commits > 0) --world_.failing_commits;
    if (fails && world_.drains_at_failure) world_.world.draining = true;
    if (fails && !world_.fails_after_all) return transient("the connection was lost");
    TRY(world_.world.durable([&]() -> Result<void> {
      TRY(swap(from, upto));
      for (const auto& part : prepared) show(part.payload);
      return {};
    }));
    if (fails) return make_error(Fault::outcome_unknown, "the connection was lost while committing");
    return {};
  }
  Result<void> truncate(Context&, const TableId& table, const Positions& from, const Positions& upto) override {
    return world_.world.durable([&]() -> Result<void> {
      TRY(swap(from, upto));
      std::lock_guard lock(world_.mutex);
      world_.target[table.name].clear();
      return {};
    });
  }
  Result<Outcome> resume(Context&, std::span<const Prepared> prepared) override {
    TRY(world_.world.durable([&]() -> Result<void> {
      for (const auto& part : prepared) show(part.payload);
      return {};
    }));
    return Outcome::completed;
  }
  Result<void> discard(Context&, std::span<const Prepared> prepared) override {
    return world_.world.durable([&]() -> Result<void> {
      for (const auto& part : prepared) world_.spooled.erase(part.payload);
      return {};
    });
  }

 private:
  Result<void> swap(const Positions& from, const Positions& upto) {
    if (decision_ != Decision::target) return {};
    for (const auto& [split, position] : from) {
      if (world_.world.target_positions[split] != position) return refused("positions moved");
    }
    for (const auto& [split, position] : upto) world_.world.target_positions[split] = position;
    return {};
  }
  void show(const std::string& object) {
    auto found = world_.spooled.find(object);
    if (found == world_.spooled.end()) return;  // already visible: publishing is idempotent
    int64_t rows = 0;
    for (const auto& row : found->second) {
      auto& cell = world_.target[row.table][row.n];
      ++cell.seen;
      cell.m = row.m;
    }
    world_.spooled.erase(found);
    for (const auto& [table, cells] : world_.target) rows += static_cast<int64_t>(cells.size());
    if (world_.endless && rows >= world_.expected_rows) world_.world.draining = true;
  }

  ScriptWorld& world_;
  Decision decision_;
};

class TableSink final : public Sink {
 public:
  TableSink(ScriptWorld& world, Decision decision) : world_(world), decision_(decision) {}

  [[nodiscard]] SinkTraits traits() const override {
    SinkTraits traits;
    traits.decision = decision_;
    traits.truncate = world_.can_truncate;
    traits.many_tables = world_.many_tables && !world_.one_table_sink;
    return traits;
  }
  Result<void> validate_schema(Context&, const arrow::Schema&) override { return {}; }
  Result<void> probe(Context&) override { return {}; }
  Result<void> open(Context&, const arrow::Schema& schema, bool) override {
    std::lock_guard lock(world_.mutex);
    for (const auto& [split, script] : world_.script) {
      for (const auto& step : script) create(step.table, schema.num_fields());
    }
    return {};
  }
  Result<void> open_table(Context&, const TableId& table, const arrow::Schema& schema, bool) override {
    std::lock_guard lock(world_.mutex);
    create(table.name, schema.num_fields());
    return {};
  }
  Result<void> evolve(Context&, const SchemaChange& change) override {
    return world_.world.durable([&]() -> Result<void> {
      std::lock_guard lock(world_.mutex);
      for (auto& [table, columns] : world_.columns) {
        const bool meant = change.table.name.empty() || table == change.table.name || !world_.many_tables;
        if (meant) columns = std::max(columns, change.after->num_fields());
      }
      return {};
    });
  }
  Result<std::unique_ptr<Writer>> create_writer(Context&, const WriterId& id) override {
    return std::unique_ptr<Writer>(std::make_unique<TableWriter>(world_, id));
  }
  Result<std::unique_ptr<Committer>> create_committer(Context&) override {
    return std::unique_ptr<Committer>(std::make_unique<TableCommitter>(world_, decision_));
  }

 private:
  void create(const std::string& table, int columns) {
    auto [there, created] = world_.columns.emplace(table, columns);
    if (there->second < columns) world_.complaints.push_back("opened a table that lacks columns");
  }

  ScriptWorld& world_;
  Decision decision_;
};

}  // namespace

std::unique_ptr<Source> make_scripted_source(ScriptWorld& world) { return std::make_unique<ScriptedSource>(world); }
std::unique_ptr<Sink> make_table_sink(ScriptWorld& world, Decision decision) {
  return std::make_unique<TableSink>(world, decision);
}

}  // namespace sluice::simulation
