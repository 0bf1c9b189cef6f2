#include "connector/postgresql/change_assembly.h"

#include <algorithm>

#include <arrow/type.h>

#include "connector/postgresql/schema_follow.h"
#include "postgres/moment.h"

namespace sluice::postgresql {

namespace pgoutput = postgres::pgoutput;
using pgoutput::Old;
using pgoutput::Tuple;

namespace {

// While no rows come, the end of the log is passed on this often, so that the server may forget what is before it.
constexpr Millis kIdleProgress{3000};

}  // namespace

ChangeAssembly::ChangeAssembly(Options options)
    : options_(std::move(options)),
      position_(options_.from),
      place_(options_.from.place),
      time_us_(options_.from.time_us) {}

void ChangeAssembly::begin(Lsn commit_lsn, int64_t commit_time, uint32_t xid) {
  transaction_ = Transaction{{{commit_lsn, 0}, commit_time + postgres::kMicrosTo2000}, xid};
}

void ChangeAssembly::commit(Lsn end_lsn) {
  if (transaction_) time_us_ = std::max(time_us_, transaction_->stamp.commit_time);
  transaction_.reset();
  place_ = std::max(place_, ChangePlace{end_lsn, 0});
}

void ChangeAssembly::reached(Lsn lsn, int64_t sent_us) {
  if (ChangePlace{lsn, 0} < place_) return;
  place_ = {lsn, 0};
  time_us_ = std::max(time_us_, sent_us);
}

std::optional<Event> ChangeAssembly::take_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

// The server repeats itself whenever anything about a table may have changed.
Result<void> ChangeAssembly::describe(const pgoutput::Relation& relation) {
  auto& described = described_[relation.oid];
  const auto& known = described.relation;
  if (known.columns == relation.columns && known.name == relation.name && known.schema == relation.schema &&
      known.identity == relation.identity) {
    return {};
  }
  // Rows that were built with the former description leave in a batch of their own.
  if (described.builder && described.builder->rows() > 0) TRY(flush());
  described = Described{};
  described.relation = relation;
  for (auto& [name, table] : options_.tables) {
    const bool same_name = name == relation.schema + "." + relation.name;
    const bool same_table = table.table.oid == relation.oid;
    if (same_name && same_table) described.table = &table;
    if (same_name != same_table) described.confused = &table;
  }
  return {};
}

// What the snapshot saw has been copied, whatever it was called then.
Result<void> ChangeAssembly::check_name(const Described& described) const {
  const FollowedTable* table = described.confused;
  if (table == nullptr || is_delivered(*table) || table->coverage.all_see(transaction_->committed())) return {};
  const std::string now = described.relation.schema + "." + described.relation.name;
  const std::string name = table->table.name.plain();
  if (now == name) {
    return refused(
        "{} was dropped and made anew at the source, and the rows of the former one are not known to be gone; 'sluice "
        "reset' the pipeline to copy it again",
        name);
  }
  return refused(
      "{} was renamed to {} at the source, and its changes come under that name; follow it under the name that it is "
      "to "
      "keep, and 'sluice reset' the pipeline to copy it again",
      name, now);
}

// Null: rows of this table are not followed, or they have to wait for the schema.
Result<ChangeAssembly::Described*> ChangeAssembly::ready(uint32_t relation) {
  if (!transaction_) return refused("the server sent a row outside of a transaction");
  auto found = described_.find(relation);
  if (found == described_.end()) return refused("the server sent a row of table {} without a description", relation);
  Described& described = found->second;
  TRY(check_name(described));
  if (described.table == nullptr) return nullptr;
  if (!described.builder) {
    auto prepared = prepare(described);
    if (!prepared.ok()) {
      return std::move(prepared).error().while_doing(
          fmt::format("following table {}.{}", described.relation.schema, described.relation.name));
    }
    if (stalled_) return nullptr;
  }
  return &described;
}

Result<void> ChangeAssembly::prepare(Described& described) {
  const auto& relation = described.relation;
  FollowedTable& table = *described.table;
  const std::string name = relation.schema + "." + relation.name;
  std::vector<postgres::Type> types;
  for (const auto& column : relation.columns) types.push_back(TRY(options_.find_type(column.type, column.typmod)));
  auto step =
      TRY(follow_relation(relation, types, table.full, position_.dropped[name], options_.columns, options_.types));
  if (step.dropped.empty()) {
    position_.dropped.erase(name);
  } else {
    position_.dropped[name] = std::move(step.dropped);
  }
  if (step.full != table.full) {
    TRY(flush());
    auto after = TRY(with_missing_values(table.full, step.full, [&](const std::vector<std::string>& added) {
      return options_.find_missing(relation.oid, added);
    }));
    events_.emplace_back(SchemaChange{table.id, table.full, std::move(after)});
    stalled_ = true;
    return {};
  }
  for (const auto& column : table.key ? table.key->columns() : std::vector<postgres::Column>()) {
    const auto at = std::find_if(relation.columns.begin(), relation.columns.end(),
                                 [&](const auto& other) { return other.name == column.name; });
    if (at == relation.columns.end()) return refused("the stream lacks the key column '{}'", column.name);
    described.key.push_back(static_cast<int>(at - relation.columns.begin()));
  }
  // With the whole old row every column is marked as identity: the primary key is what identifies then.
  const auto primary = table.table.key();
  for (const auto& column : relation.columns) {
    const bool is_primary = std::find(primary.begin(), primary.end(), column.name) != primary.end();
    described.identifies.push_back(relation.identity == 'f' ? is_primary : column.in_key);
  }
  described.builder = TRY(ChangeBuilder::create(relation, types, table.delivered, options_.types));
  return {};
}

// Changes up to here were delivered before this reader was made.
bool ChangeAssembly::is_delivered(const FollowedTable& table) const {
  const ChangePlace& at = transaction_->stamp.place;
  if (at <= options_.from.place) return true;
  if (options_.from.ahead.empty()) return false;
  auto ahead = options_.from.ahead.find(table.table.name.plain());
  return ahead != options_.from.ahead.end() && at <= ahead->second;
}

Result<bool> ChangeAssembly::is_in_snapshot(const Described& described, Tuple row) const {
  const FollowedTable& table = *described.table;
  if (!table.coverage.sees(transaction_->committed())) return false;
  const auto& emptied = position_.emptied;
  if (std::find(emptied.begin(), emptied.end(), table.table.name.plain()) != emptied.end()) return false;
  Key key(described.key.size());
  for (int column = 0; column < row.columns(); ++column) {
    const auto value = row.next();
    const auto at = std::find(described.key.begin(), described.key.end(), column);
    if (at == described.key.end()) continue;
    const auto index = static_cast<size_t>(at - described.key.begin());
    key[index] = TRY(table.key->value(index, value));
  }
  return table.coverage.holds(key, transaction_->committed());
}

bool ChangeAssembly::key_differs(const Described& described, Tuple before, Tuple after) {
  const size_t columns = std::min(
      {static_cast<size_t>(before.columns()), static_cast<size_t>(after.columns()), described.identifies.size()});
  for (size_t i = 0; i < columns; ++i) {
    const auto a = before.next();
    const auto b = after.next();
    if (!described.identifies[i] || b.form == 'u') continue;
    if (a.bytes != b.bytes || (a.form == 'n') != (b.form == 'n')) return true;
  }
  return false;
}

Result<void> ChangeAssembly::add(Described& described, Op op, Tuple row, std::optional<Tuple> old) {
  if (is_delivered(*described.table)) return {};
  if (TRY(is_in_snapshot(described, row))) return {};
  Result<void> added;
  if (described.table->before_images && op == Op::update && !old && described.relation.identity == 'f') {
    return refused(
        "an UPDATE of {}.{} at {} came without the old row that REPLICA IDENTITY FULL promises: a partition has "
        "another "
        "identity; ALTER TABLE … REPLICA IDENTITY FULL for each of them, and 'sluice reset' the pipeline to copy the "
        "table again",
        described.relation.schema, described.relation.name, pos_text(transaction_->stamp.place));
  }
  if (described.table->before_images && old && op != Op::insert) {
    added = described.builder->add(Op::before, transaction_->stamp, *old, {});
    if (added.ok()) ++rows_;
  }
  if (added.ok()) added = described.builder->add(op, transaction_->stamp, row, std::move(old));
  if (!added.ok()) {
    return std::move(added).error().while_doing(fmt::format("reading a change of {}.{} at {}",
                                                            described.relation.schema, described.relation.name,
                                                            pos_text(transaction_->stamp.place)));
  }
  ++rows_;
  return {};
}

Result<void> ChangeAssembly::insert(const pgoutput::Insert& change) {
  auto* described = TRY(ready(change.relation));
  if (stalled_) return {};
  ++transaction_->stamp.place.ordinal;
  if (described != nullptr) TRY(add(*described, Op::insert, change.row, {}));
  place_ = std::max(place_, transaction_->stamp.place);
  return {};
}

Result<void> ChangeAssembly::update(const pgoutput::Update& change) {
  auto* described = TRY(ready(change.relation));
  if (stalled_) return {};
  ++transaction_->stamp.place.ordinal;
  if (described != nullptr) {
    if (change.carries != Old::none && key_differs(*described, change.old, change.row)) {
      TRY(change_key(*described, change));
    } else {
      std::optional<Tuple> old;
      if (change.carries == Old::full) old = change.old;
      TRY(add(*described, Op::update, change.row, old));
    }
  }
  place_ = std::max(place_, transaction_->stamp.place);
  return {};
}

// A delete and an insert, each with a place and judged by a key of its own.
Result<void> ChangeAssembly::change_key(Described& described, const pgoutput::Update& change) {
  std::optional<Tuple> old;
  if (change.carries == Old::full) old = change.old;
  TRY(add(described, Op::remove, change.old, old));
  ++transaction_->stamp.place.ordinal;
  return add(described, Op::insert, change.row, old);
}

Result<void> ChangeAssembly::remove(const pgoutput::Delete& change) {
  auto* described = TRY(ready(change.relation));
  if (stalled_) return {};
  ++transaction_->stamp.place.ordinal;
  if (described != nullptr) {
    std::optional<Tuple> old;
    if (change.carries == Old::full) old = change.old;
    TRY(add(*described, Op::remove, change.old, old));
  }
  place_ = std::max(place_, transaction_->stamp.place);
  return {};
}

Result<void> ChangeAssembly::truncate(const pgoutput::Truncate& change) {
  if (!transaction_) return refused("the server sent a TRUNCATE outside of a transaction");
  for (const uint32_t relation : change.relations) {
    ++transaction_->stamp.place.ordinal;
    auto found = described_.find(relation);
    if (found != described_.end()) TRY(check_name(found->second));
    FollowedTable* table = found == described_.end() ? nullptr : found->second.table;
    if (table != nullptr && !is_delivered(*table) && !table->coverage.all_see(transaction_->committed())) {
      TRY(flush());
      const std::string name = table->table.name.plain();
      if (table->coverage.sees(transaction_->committed())) position_.emptied.push_back(name);
      place_ = std::max(place_, transaction_->stamp.place);
      position_.place = place_;
      events_.emplace_back(sluice::Truncate{table->id, progress()});
    }
    place_ = std::max(place_, transaction_->stamp.place);
  }
  return {};
}

// Hands out all tables' rows. They leave one after another and an epoch may end between them, so each says how far its
// table is, and only the last one how far all are.
Result<void> ChangeAssembly::flush() {
  std::vector<Described*> filled;
  for (auto& [oid, described] : described_) {
    if (described.builder && described.builder->rows() > 0) filled.push_back(&described);
  }
  for (auto* described : filled) {
    Rows out;
    out.table = described->table->id;
    out.batch = TRY(described->builder->take());
    if (described == filled.back()) {
      out.source_bytes = bytes_;
      position_.place = place_;
      position_.time_us = time_us_;
      std::erase_if(position_.ahead, [&](const auto& entry) { return entry.second <= place_; });
    } else {
      position_.ahead[described->table->table.name.plain()] = place_;
    }
    out.progress.push_back(progress());
    events_.emplace_back(std::move(out));
  }
  rows_ = 0;
  bytes_ = 0;
  progress_at_ = SteadyTime::clock::now();
  return {};
}

void ChangeAssembly::send_progress(SteadyTime now) {
  if (place_ <= position_.place || now - progress_at_ < kIdleProgress) return;
  progress_at_ = now;
  position_.place = place_;
  position_.time_us = time_us_;
  std::erase_if(position_.ahead, [&](const auto& entry) { return entry.second <= place_; });
  Rows out;
  out.progress.push_back(progress());
  events_.emplace_back(std::move(out));
}

}  // namespace sluice::postgresql
