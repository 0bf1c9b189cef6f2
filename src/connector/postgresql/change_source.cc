#include "connector/postgresql/change_source.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "connector/postgresql/catalog.h"
#include "connector/postgresql/followed_tables.h"
#include "connector/postgresql/promotion.h"
#include "connector/postgresql/publication.h"
#include "connector/postgresql/replication_link.h"
#include "connector/postgresql/slot.h"
#include "connector/postgresql/slot_watch.h"
#include "connector/postgresql/snapshot_copy.h"
#include "connector/postgresql/stream_reader.h"
#include "port/change_details.h"
#include "port/lag.h"

namespace sluice::postgresql {
namespace {

// A predecessor that died is noticed by the server within this time, mostly at once.
constexpr Millis kPredecessor{5000};
constexpr Millis kSilence{60'000};
constexpr Millis kSilenceMin{5'000};
constexpr Millis kTablesLook{5'000};

using CatalogTable = postgresql::Table;  // Source has a Table of its own

class ChangeSource final : public Source, public ReportsLag, public KnowsOrigin {
 public:
  explicit ChangeSource(SourceSettings settings)
      : settings_(std::move(settings)), watch_(settings_), tables_(settings_), copy_(settings_, tables_) {}

  [[nodiscard]] SourceTraits traits() const override {
    SourceTraits traits;
    traits.streaming = settings_.snapshot != SnapshotMode::only;
    traits.batch = settings_.snapshot == SnapshotMode::only;
    traits.changes = true;
    traits.one_snapshot = copy_.reading_whole();
    return traits;
  }

  Result<SchemaPtr> fetch_schema(Context& context) override;
  Result<std::vector<Source::Table>> fetch_tables(Context& context) override;
  Result<SchemaPtr> adopt_schema(Context& context, const SchemaChange& change) override;
  Result<Planned> plan(Context& context, const ReadRequest& request) override;
  Result<Planned> plan_table(Context& context, const TableId& table, const ReadRequest& request) override;
  Result<void> start(Context& context, const Positions& durable) override;
  Result<SplitEvents> poll_splits(Context& context, Deadline deadline) override;
  Result<std::unique_ptr<Reader>> create_reader(Context& context, std::span<const Split> splits) override;
  Result<void> settle(Context& context, const Positions& durable) override;
  void tick(Context& context) override;
  Result<void> drop(Context& context) override;
  Result<Positions> resolve_position(Context& context, const std::string& text) override;
  Result<Lag> lag(Context& context, const Positions& durable) override;
  [[nodiscard]] ChangeOrigin origin() const override { return {"postgresql", settings_.target.database()}; }

 private:
  [[nodiscard]] bool many() const { return !settings_.table; }
  Result<Planned> plan_followed(FollowedTable& table, const ReadRequest& request);

  Result<void> read_saved(const Positions& durable);
  // Is it known what the position came from? Not of one that a user gave.
  [[nodiscard]] bool is_known() const { return resumed_ && !from_.identity.system.empty(); }
  Result<void> follow(Context& context, Connection& connection, const Positions& durable);
  Result<std::optional<SlotState>> find_free_slot(Context& context, Connection& connection);
  Result<std::optional<SlotState>> find_usable_slot(Context& context, Connection& connection);
  Result<void> open_slot(Context& context, Connection& connection, std::unique_ptr<Connection> replication,
                         bool goes_by_slot);
  Result<std::unique_ptr<Reader>> create_stream_reader(Context& context);
  std::optional<SchemaChange> look_for_tables(Context& context);
  [[nodiscard]] std::string application() const;

  const SourceSettings settings_;
  SlotWatch watch_;
  FollowedTables tables_;
  SnapshotCopy copy_;
  int64_t batch_rows_ = 64 << 10;
  int64_t batch_bytes_ = 8 << 20;

  // Since start().
  StreamPosition from_;
  bool resumed_ = false;
  Millis silence_max_ = kSilence;
  bool stream_added_ = false;
  SteadyTime looked_at_{};                  // for new tables
  bool complained_ = false;                 // that it was in vain
  std::optional<FollowedTable> new_table_;  // that is not followed yet

  std::mutex link_mutex_;  // of the pointer
  // The reader's: with it the connection ends. A server that shuts down waits for as long as we hold on to it.
  std::weak_ptr<ReplicationLink> link_;
};

Result<SchemaPtr> ChangeSource::fetch_schema(Context& context) {
  TRY(tables_.describe(context));
  if (tables_.all().size() != 1) {
    return user_error("{}: schema '{}' has {} tables; name one with table, or write into a location with {{table}}",
                      settings_.where, settings_.schema, tables_.all().size());
  }
  return tables_.all().begin()->second.full;
}

Result<std::vector<Source::Table>> ChangeSource::fetch_tables(Context& context) {
  std::vector<Source::Table> out;
  if (!many()) return out;
  TRY(tables_.describe(context));
  for (const auto& [name, table] : tables_.all()) out.push_back({table.id, table.full});
  return out;
}

Result<SchemaPtr> ChangeSource::adopt_schema(Context& context, const SchemaChange& change) {
  TRY(tables_.describe(context));
  if (new_table_ && new_table_->id == change.table) {
    tables_.add(std::move(*new_table_));
    new_table_.reset();
  }
  FollowedTable* table = tables_.find(change.table);
  if (table == nullptr) {
    return refused("table '{}' was followed before and is not among the tables now; name it again", change.table.name);
  }
  table->full = change.after;
  return table->full;
}

Result<Source::Planned> ChangeSource::plan(Context& context, const ReadRequest& request) {
  TRY(tables_.describe(context));
  return plan_followed(tables_.all().begin()->second, request);
}

Result<Source::Planned> ChangeSource::plan_table(Context&, const TableId& id, const ReadRequest& request) {
  FollowedTable* table = tables_.find(id);
  if (table == nullptr) return bug("no table '{}' was described", id.name);
  return plan_followed(*table, request);
}

Result<Source::Planned> ChangeSource::plan_followed(FollowedTable& table, const ReadRequest& request) {
  batch_rows_ = settings_.batch_rows > 0 ? settings_.batch_rows : request.batch_rows;
  batch_bytes_ = request.batch_bytes;
  return tables_.plan(table, request);
}

std::string ChangeSource::application() const {
  for (const auto& [keyword, value] : settings_.target.parameters) {
    if (keyword == "application_name") return value;
  }
  return {};
}

Result<void> ChangeSource::read_saved(const Positions& durable) {
  from_ = {};
  auto saved = durable.find(SplitId(kStreamSplit));
  resumed_ = saved != durable.end();
  if (resumed_) from_ = TRY(StreamPosition::parse(saved->second));
  return {};
}

// A slot that a dead process of ours held is given free as soon as the server notices.
Result<std::optional<SlotState>> ChangeSource::find_free_slot(Context& context, Connection& connection) {
  const auto until = context.clock.steady() + kPredecessor;
  while (true) {
    auto slot = TRY(find_slot(connection, settings_.slot));
    const bool ours = slot && slot->active_pid && slot->active_as == application();
    if (!ours || context.clock.steady() >= until) return slot;
    if (!context.clock.sleep(Millis(100), context.stop)) return cancelled();
  }
}

// Fault::user or refused where there is one that cannot be read from.
Result<std::optional<SlotState>> ChangeSource::find_usable_slot(Context& context, Connection& connection) {
  auto slot = TRY(find_free_slot(context, connection));
  if (!slot) return slot;
  const auto database = TRY(connection.query("SELECT current_database()"));
  if (slot->database != database.text(0, 0)) {
    return user_error("{}: slot '{}' belongs to database '{}'; name another with slot", connection.where(),
                      settings_.slot, slot->database);
  }
  TRY(check_slot(connection, settings_.slot, *slot, resumed_ ? std::optional(from_) : std::nullopt, application()));
  return slot;
}

// A slot that is there and nothing delivered: what it has of before is copied, or was not published then. The server
// would look for the publication as of that time and not find it.
Result<void> ChangeSource::open_slot(Context& context, Connection& connection, std::unique_ptr<Connection> replication,
                                     bool goes_by_slot) {
  const auto slot = TRY(find_usable_slot(context, connection));
  // A standby's cannot be, and its copy is refused for a better reason.
  if (slot && (resumed_ || goes_by_slot || TRY(is_standby(connection)))) {
    if (!resumed_) from_.place = {slot->confirmed_lsn, 0};
    return {};
  }
  if (slot) {
    std::vector<uint32_t> oids;
    for (const auto& [name, table] : tables_.all()) oids.push_back(table.table.oid);
    TRY(await_writers(context, connection, oids));
    const std::string doing = fmt::format("leaving out what slot '{}' has of the time before", settings_.slot);
    from_.place = {TRY(advance_slot(connection, settings_.slot).while_doing(doing)), 0};
    return {};
  }
  if (resumed_) {
    return refused(
        "{}: slot '{}' is gone, and with it the changes since {}; 'sluice reset' the pipeline to copy the tables again",
        connection.where(), settings_.slot, postgres::lsn_text(from_.place.lsn));
  }
  const auto made = TRY(create_slot(*replication, settings_.slot).while_doing("creating the replication slot"));
  context.log.info("made a replication slot", {{"slot", settings_.slot}});
  from_.place = {made.consistent_lsn, 0};
  copy_.use_snapshot(std::move(replication), made.snapshot);
  return {};
}

Result<void> ChangeSource::follow(Context& context, Connection& connection, const Positions& durable) {
  auto replication = TRY(settings_.target.connect_for_replication(context.stop));
  const auto server = TRY(identify_system(*replication));
  std::vector<CatalogTable> tables;
  for (const auto& [name, table] : tables_.all()) tables.push_back(table.table);
  const auto fresh = TRY(tables_.fresh(durable));
  TRY(connection.query("BEGIN"));  // an error closes the connection, and nothing was done
  const auto publication = TRY(ensure_publication(connection, settings_, tables, is_known(), fresh));
  const StreamIdentity now{server.system, server.timeline, publication.digest};
  bool has_grown = false;
  if (is_known()) {
    const StreamIdentity& then = from_.identity;
    TRY(check_identity(settings_, then, now, publication.digests));
    const ChangePlace furthest = TRY(furthest_place(from_, durable));
    if (then.timeline < now.timeline) TRY(check_history(context, *replication, then.timeline, now.timeline, furthest));
    has_grown = then.publication != now.publication && !from_.no_snapshot;
  }
  from_.identity = now;
  // What a slot sends of the time before is what the former publication said; all of that is copied.
  if (publication.is_altered && !resumed_ && TRY(find_usable_slot(context, connection))) {
    TRY(drop_slot(connection, settings_.slot));
  }
  TRY(connection.query("COMMIT"));
  if (!resumed_) from_.no_snapshot = settings_.snapshot == SnapshotMode::never;
  crash_point("postgresql.published");
  // The publication came first: pgoutput looks for it in the catalog as it was at each change. A new slot waits for all
  // transactions.
  if (has_grown) {
    std::vector<uint32_t> oids;
    for (const auto& name : fresh) oids.push_back(tables_.all().at(name).table.oid);
    TRY(await_writers(context, connection, oids));
  }
  const bool goes_by_slot = settings_.snapshot == SnapshotMode::never && !publication.is_made;
  TRY(open_slot(context, connection, std::move(replication), goes_by_slot));
  crash_point("postgresql.slot");
  return {};
}

Result<void> ChangeSource::start(Context& context, const Positions& durable) {
  {
    std::lock_guard lock(link_mutex_);
    link_.reset();
  }
  tables_.disconnect();
  stream_added_ = false;
  copy_.begin_anew();
  auto connection = TRY(settings_.target.connect(context.stop));
  TRY(read_saved(durable));
  const auto server = TRY(server_state(*connection));
  // As long as the server itself would wait for us.
  silence_max_ = server.sender_timeout.count() > 0 ? std::max(kSilenceMin, server.sender_timeout) : kSilence;
  if (settings_.snapshot == SnapshotMode::only) {
    // Nobody would read from a slot. Rows are stamped with where the log was before they were read.
    const StreamIdentity now{server.system, server.timeline, {}};
    if (is_known()) TRY(check_identity(settings_, from_.identity, now, {std::string()}));
    from_.identity = now;
    if (!resumed_) from_.place = {TRY(log_end(*connection)), 0};
  } else {
    TRY(follow(context, *connection, durable));
  }
  return copy_.plan(context, durable, from_, batch_rows_, batch_bytes_);
}

// Tables that can only be read whole come first and in one epoch, then the pieces of the others, then, when all that is
// durable, the stream: no sink sees a change before the row that it changes.
Result<SplitEvents> ChangeSource::poll_splits(Context& context, Deadline) {
  SplitEvents events;
  if (copy_.schema_change()) {  // before anything is read
    events.schema_change = copy_.schema_change();
    return events;
  }
  copy_.hand_out(events.added);
  if (!events.added.empty()) return events;
  if (settings_.snapshot == SnapshotMode::only) {
    events.finished = copy_.all_handed_out();
  } else if (!copy_.delivered()) {
    return events;
  } else if (!std::exchange(stream_added_, true)) {
    copy_.end();
    Split stream;
    stream.id = SplitId(kStreamSplit);
    stream.endless = true;
    events.added.push_back(std::move(stream));
  } else if (many()) {
    events.schema_change = look_for_tables(context);
  }
  return events;
}

// The stream is interrupted for a new table, which is copied as all were at the beginning.
std::optional<SchemaChange> ChangeSource::look_for_tables(Context& context) {
  const auto now = context.clock.steady();
  if (now - looked_at_ < kTablesLook) return std::nullopt;
  looked_at_ = now;
  auto found = tables_.find_new(context);
  if (!found.ok()) {
    if (!std::exchange(complained_, true)) {
      context.log.warn("cannot look for new tables", {{"error", found.error().message()}});
    }
    return std::nullopt;
  }
  complained_ = false;
  new_table_ = std::move(found).value();
  if (!new_table_) return std::nullopt;
  context.log.info("a table was made that is to be followed", {{"table", new_table_->table.name.plain()}});
  return SchemaChange{new_table_->id, nullptr, new_table_->full};
}

Result<std::unique_ptr<Reader>> ChangeSource::create_reader(Context& context, std::span<const Split> splits) {
  if (splits.front().id == kStreamSplit) return create_stream_reader(context);
  return copy_.create_reader(context, splits);
}

Result<std::unique_ptr<Reader>> ChangeSource::create_stream_reader(Context& context) {
  auto connection = TRY(settings_.target.connect_for_replication(context.stop));
  const bool binary = tables_.have_binary_form() && sends_binary(*connection);
  const std::string statement = start_statement(settings_, *connection, from_.place.lsn, binary);
  auto link = std::make_shared<ReplicationLink>(std::move(connection), from_.place.lsn, silence_max_);
  TRY(link->start(statement).while_doing("starting the change stream"));
  {
    std::lock_guard lock(link_mutex_);
    link_ = link;
  }
  StreamSetup setup;
  setup.link = std::move(link);
  setup.changes.from = from_;
  setup.changes.tables = tables_.all();
  setup.changes.columns = settings_.columns;
  setup.changes.types = settings_.types;
  setup.batch_rows = batch_rows_;
  setup.batch_bytes = batch_bytes_;
  setup.changes.find_type = [this, binary, stop = context.stop](uint32_t oid, int32_t typmod) {
    return tables_.find_type(oid, typmod, binary, stop);
  };
  setup.changes.find_missing = [this, log = context.log, stop = context.stop](uint32_t table, const auto& added) {
    return tables_.find_missing(table, added, log, stop);
  };
  return stream_reader(std::move(setup));
}

Result<void> ChangeSource::settle(Context&, const Positions& durable) {
  for (const auto& [split, position] : durable) {
    if (split != kStreamSplit) {
      TRY(copy_.settle(split, position));
      continue;
    }
    const auto settled = TRY(StreamPosition::parse(position));
    std::lock_guard lock(link_mutex_);
    if (auto link = link_.lock()) link->settle(settled.place.lsn);
  }
  return {};
}

void ChangeSource::tick(Context& context) {
  std::shared_ptr<ReplicationLink> link;
  {
    std::lock_guard lock(link_mutex_);
    link = link_.lock();
  }
  // A connection that failed is told of by the lane that reads from it.
  if (link != nullptr) (void)link->answer_when_due(context.clock.steady(), Millis(100));
  if (settings_.snapshot != SnapshotMode::only) watch_.tick(context);
}

Result<void> ChangeSource::drop(Context& context) {
  auto connection = TRY(settings_.target.connect(context.stop));
  auto slot = TRY(find_free_slot(context, *connection));
  if (slot && slot->active_pid) {
    return refused("{}: slot '{}' is in use by process {}; stop that one first", connection->where(), settings_.slot,
                   *slot->active_pid);
  }
  TRY(drop_slot(*connection, settings_.slot));
  return drop_publication(*connection, settings_);
}

Result<Positions> ChangeSource::resolve_position(Context& context, const std::string& text) {
  if (text == "earliest") return Positions{};
  StreamPosition position;
  if (text == "latest") {
    auto connection = TRY(settings_.target.connect(context.stop));
    auto rows = TRY(connection->query("SELECT pg_current_wal_lsn()"));
    position.place.lsn = TRY(postgres::parse_lsn(rows.text(0, 0)));
    position.no_snapshot = true;
  } else {
    position = TRY(StreamPosition::parse({text}));
  }
  return Positions{{SplitId(kStreamSplit), position.token()}};
}

Result<Lag> ChangeSource::lag(Context& context, const Positions& durable) {
  Lag lag;
  auto saved = durable.find(SplitId(kStreamSplit));
  if (saved == durable.end()) return lag;  // it is still being copied
  const auto position = TRY(StreamPosition::parse(saved->second));
  auto connection = TRY(settings_.target.connect(context.stop));
  const Lsn now = TRY(log_end(*connection));
  lag.bytes = static_cast<int64_t>(now - std::min(now, position.place.lsn));
  if (*lag.bytes == 0) {
    lag.time = Millis(0);
  } else if (position.time_us != 0) {
    auto rows = TRY(connection->query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"));
    lag.time = Millis(std::max<int64_t>(0, rows.integer(0, 0) - position.time_us) / 1000);
  }
  return lag;
}

}  // namespace

Result<std::unique_ptr<Source>> create_change_source(SourceSettings settings) {
  return std::make_unique<ChangeSource>(std::move(settings));
}

}  // namespace sluice::postgresql
