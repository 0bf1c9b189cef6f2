#include "state/sqlite/tables.h"

#include <charconv>
#include <optional>

#include "batch/schema_text.h"

namespace sluice {

using sqlite::Statement;

namespace {
// Positions of as many splits stay one value for a while: written once, they cost nothing when the epoch is through.
constexpr size_t kManyPositions = 256;
constexpr int64_t kStepsMax = 16;

int64_t number(uint64_t value) { return static_cast<int64_t>(value); }

// Positions as one value: "<bytes>:<split><bytes>:<token>" for each. Split names are file names and need not be UTF-8.
std::string joined(const Positions& positions) {
  std::string out;
  auto put = [&](const std::string& piece) {
    fmt::format_int bytes(piece.size());
    out.append(bytes.data(), bytes.size()).append(1, ':').append(piece);
  };
  for (const auto& [split, position] : positions) {
    put(split);
    put(position.token);
  }
  return out;
}

std::optional<std::string> take_piece(std::string_view& text) {
  size_t bytes = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  const auto digits = static_cast<size_t>(end - text.data());
  if (failed != std::errc() || digits == text.size() || *end != ':' || bytes > text.size() - digits - 1) return {};
  std::string piece(text.substr(digits + 1, bytes));
  text.remove_prefix(digits + 1 + bytes);
  return piece;
}

Result<Positions> separated(std::string_view text) {
  Positions positions;
  while (!text.empty()) {
    auto split = take_piece(text);
    auto token = split.has_value() ? take_piece(text) : std::nullopt;
    if (!token.has_value()) return refused("the state store is damaged: the positions of an intent end early");
    positions.emplace_hint(positions.end(), std::move(*split), Position{std::move(*token)});
  }
  return positions;
}

}  // namespace

Result<StateTables> StateTables::prepare(sqlite::Database& database) {
  StateTables tables(database);
  tables.holder_ = TRY(database.prepare("SELECT id, generation, owner, defined FROM pipeline WHERE name = ?"));
  tables.set_position_ =
      TRY(database.prepare("INSERT INTO position VALUES (?, ?, ?) "
                           "ON CONFLICT DO UPDATE SET token = excluded.token WHERE token <> excluded.token"));
  tables.add_part_ = TRY(database.prepare("INSERT INTO intent_part VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  tables.step_ = TRY(database.prepare("SELECT upto FROM position_step WHERE pipeline = ? AND epoch = ?"));
  tables.put_step_ = TRY(database.prepare("INSERT OR REPLACE INTO position_step VALUES (?, ?, ?)"));
  tables.steps_ = TRY(
      database.prepare("SELECT epoch, upto FROM position_step s WHERE pipeline = ?1 AND (epoch = ?2 OR NOT EXISTS "
                       "(SELECT 1 FROM intent i WHERE i.pipeline = s.pipeline AND i.epoch = s.epoch)) ORDER BY epoch"));
  tables.count_ = TRY(database.prepare(
      "UPDATE pipeline SET last_epoch = max(last_epoch, ?2), rows_delivered = rows_delivered + ?3, "
      "bytes_delivered = bytes_delivered + ?4, rows_dead = rows_dead + ?5, updated_us = ?6 WHERE id = ?1"));
  return tables;
}

Result<std::optional<StateTables::Holder>> StateTables::holder(const std::string& name) {
  if (!TRY(holder_.bind(1, name).step())) return std::optional<Holder>();
  Holder found{holder_.integer(0), static_cast<Generation>(holder_.integer(1)), std::nullopt, holder_.integer(3) != 0};
  if (!holder_.is_null(2)) found.owner = std::string(holder_.text(2));
  holder_.reset();
  return std::optional(std::move(found));
}

Result<StateTables::Holder> StateTables::holder_or_new(const std::string& name) {
  Statement insert = TRY(database_->prepare("INSERT INTO pipeline(name) VALUES (?) ON CONFLICT DO NOTHING"));
  TRY(insert.bind(1, name).run());
  auto found = TRY(holder(name));
  CHECK(found.has_value());
  return *found;
}

Result<void> StateTables::take(int64_t id, Generation generation, const std::string& owner) {
  Statement update = TRY(database_->prepare("UPDATE pipeline SET generation = ?2, owner = ?3 WHERE id = ?1"));
  return update.bind(1, id).bind(2, number(generation)).bind(3, owner).run();
}

Result<void> StateTables::give_back(int64_t id) {
  Statement update = TRY(database_->prepare("UPDATE pipeline SET owner = NULL WHERE id = ?"));
  return update.bind(1, id).run();
}

Result<std::vector<std::string>> StateTables::names() {
  Statement select = TRY(database_->prepare("SELECT name FROM pipeline WHERE defined ORDER BY name"));
  std::vector<std::string> found;
  while (TRY(select.step())) found.emplace_back(select.text(0));
  return found;
}

Result<std::optional<PipelineRecord>> StateTables::record(const std::string& name) {
  Statement select = TRY(database_->prepare(
      "SELECT id, generation, owner, kind, definition, source, sink, last_epoch, rows_delivered, bytes_delivered, "
      "rows_dead, finished, last_error, updated_us, dead_letters FROM pipeline WHERE name = ? AND defined"));
  if (!TRY(select.bind(1, name).step())) return std::optional<PipelineRecord>();
  PipelineRecord found;
  found.name = name;
  const int64_t id = select.integer(0);
  if (!select.is_null(2)) {
    found.lease = Lease{name, static_cast<Generation>(select.integer(1)), std::string(select.text(2))};
  }
  found.kind = select.text(3);
  found.definition = select.text(4);
  found.source = select.text(5);
  found.sink = select.text(6);
  found.last_epoch = static_cast<Epoch>(select.integer(7));
  found.rows_delivered = select.integer(8);
  found.bytes_delivered = select.integer(9);
  found.rows_dead = select.integer(10);
  found.finished = select.integer(11) != 0;
  found.last_error = select.text(12);
  found.updated = WallTime(std::chrono::microseconds(select.integer(13)));
  found.dead_letters = select.text(14);
  found.positions = TRY(positions(id));
  found.intents = TRY(intents(id));
  found.schemas = TRY(schemas(id));
  return std::optional(std::move(found));
}

Result<void> StateTables::define(int64_t id, const PipelineRecord& record, int64_t now_us) {
  Statement update = TRY(database_->prepare(
      "UPDATE pipeline SET defined = 1, kind = ?2, definition = ?3, source = ?4, sink = ?5, updated_us = ?6, "
      "dead_letters = ?7 WHERE id = ?1"));
  update.bind(1, id).bind(2, record.kind).bind(3, record.definition).bind(4, record.source).bind(5, record.sink);
  return update.bind(6, now_us).bind(7, record.dead_letters).run();
}

Result<void> StateTables::erase(int64_t id) {
  for (const char* table : {"position", "position_step", "intent", "intent_part", "followed_schema"}) {
    Statement remove = TRY(database_->prepare(fmt::format("DELETE FROM {} WHERE pipeline = ?", table)));
    TRY(remove.bind(1, id).run());
  }
  Statement update = TRY(database_->prepare(
      "UPDATE pipeline SET defined = 0, kind = '', definition = '', source = '', sink = '', dead_letters = '', "
      "last_epoch = 0, "
      "rows_delivered = 0, bytes_delivered = 0, rows_dead = 0, finished = 0, last_error = '' WHERE id = ?"));
  return update.bind(1, id).run();
}

Result<bool> StateTables::has_intent(int64_t id, Epoch epoch) {
  Statement select = TRY(database_->prepare("SELECT 1 FROM intent WHERE pipeline = ? AND epoch = ?"));
  return select.bind(1, id).bind(2, number(epoch)).step();
}

Result<bool> StateTables::has_intents(int64_t id) {
  Statement select = TRY(database_->prepare("SELECT 1 FROM intent WHERE pipeline = ?"));
  return select.bind(1, id).step();
}

Result<void> StateTables::add_intent(int64_t id, const Intent& intent, int64_t now_us) {
  Statement insert = TRY(database_->prepare("INSERT INTO intent VALUES (?, ?, ?, ?)"));
  insert.bind(1, id).bind(2, number(intent.epoch)).bind(3, number(intent.generation));
  TRY(insert.bind(4, static_cast<int64_t>(intent.conditional)).run());
  TRY(put_step(id, intent.epoch, joined(intent.upto)));
  TRY(add_parts(id, intent.epoch, false, intent.main));
  TRY(add_parts(id, intent.epoch, true, intent.dead_letters));
  return count(id, intent.epoch, 0, 0, 0, now_us);
}

Result<void> StateTables::add_parts(int64_t id, Epoch epoch, bool dead_letters, const std::vector<Prepared>& parts) {
  add_part_.bind(1, id).bind(2, number(epoch)).bind(3, static_cast<int64_t>(dead_letters));
  int64_t ordinal = 0;
  for (const auto& part : parts) {
    add_part_.bind(4, ordinal++).bind(5, part.payload).bind(6, part.rows).bind(7, part.bytes).bind(8, part.objects);
    TRY(add_part_.run());
  }
  return {};
}

Result<void> StateTables::remove_intent(int64_t id, Epoch epoch) {
  for (const char* table : {"intent_part", "intent"}) {
    Statement remove = TRY(database_->prepare(fmt::format("DELETE FROM {} WHERE pipeline = ? AND epoch = ?", table)));
    TRY(remove.bind(1, id).bind(2, number(epoch)).run());
  }
  return {};
}

Result<void> StateTables::forget_intent(int64_t id, Epoch epoch) {
  TRY(remove_intent(id, epoch));
  Statement remove = TRY(database_->prepare("DELETE FROM position_step WHERE pipeline = ? AND epoch = ?"));
  return remove.bind(1, id).bind(2, number(epoch)).run();
}

Result<void> StateTables::save_schema(int64_t id, const FollowedSchema& schema) {
  Statement insert = TRY(database_->prepare("INSERT OR REPLACE INTO followed_schema VALUES (?, ?, ?, ?, ?, ?)"));
  const std::string source = TRY(schema_to_text(*schema.source));
  const std::string output = TRY(schema_to_text(*schema.output));
  insert.bind(1, id).bind(2, schema.table.schema).bind(3, schema.table.name).bind(4, schema.version);
  return insert.bind(5, source).bind(6, output).run();
}

Result<void> StateTables::forget_schemas(int64_t id) {
  Statement remove = TRY(database_->prepare("DELETE FROM followed_schema WHERE pipeline = ?"));
  return remove.bind(1, id).run();
}

Result<std::vector<FollowedSchema>> StateTables::schemas(int64_t id) {
  Statement select =
      TRY(database_->prepare("SELECT table_schema, table_name, version, source, output FROM followed_schema "
                             "WHERE pipeline = ? ORDER BY table_schema, table_name"));
  select.bind(1, id);
  std::vector<FollowedSchema> found;
  while (TRY(select.step())) {
    FollowedSchema schema;
    schema.table = {std::string(select.text(0)), std::string(select.text(1))};
    schema.version = select.integer(2);
    schema.source = TRY(schema_from_text(std::string(select.text(3))));
    schema.output = TRY(schema_from_text(std::string(select.text(4))));
    found.push_back(std::move(schema));
  }
  return found;
}

Result<std::string> StateTables::step(int64_t id, Epoch epoch) {
  std::string found;
  if (TRY(step_.bind(1, id).bind(2, number(epoch)).step())) found = std::string(step_.blob(0));
  step_.reset();
  return found;
}

Result<void> StateTables::put_step(int64_t id, Epoch epoch, const std::string& upto) {
  return put_step_.bind(1, id).bind(2, number(epoch)).bind_blob(3, upto).run();
}

Result<std::vector<std::pair<Epoch, Positions>>> StateTables::steps(int64_t id, Epoch epoch) {
  std::vector<std::pair<Epoch, Positions>> found;
  steps_.bind(1, id).bind(2, number(epoch));
  while (TRY(steps_.step())) {
    auto upto = separated(steps_.blob(1));
    if (!upto.ok()) steps_.reset();
    found.emplace_back(static_cast<Epoch>(steps_.integer(0)), TRY(std::move(upto)));
  }
  return found;
}

Result<void> StateTables::advance(int64_t id, Epoch epoch, const Positions& upto) {
  const std::string decided = TRY(step(id, epoch));
  std::string reached = joined(upto);
  if (!decided.empty() && decided != reached) {
    Positions both = upto;
    both.merge(TRY(separated(decided)));
    reached = joined(both);
  }
  if (decided != reached) TRY(put_step(id, epoch, reached));
  Statement count = TRY(database_->prepare("SELECT count(*) FROM position_step WHERE pipeline = ?"));
  (void)TRY(count.bind(1, id).step());
  if (upto.size() >= kManyPositions && count.integer(0) < kStepsMax) return {};
  return fold_steps(id, epoch);
}

Result<void> StateTables::fold_steps(int64_t id, Epoch epoch) {
  Statement remove = TRY(database_->prepare("DELETE FROM position_step WHERE pipeline = ? AND epoch = ?"));
  for (const auto& [through, upto] : TRY(steps(id, epoch))) {
    TRY(put_positions(id, upto));
    TRY(remove.bind(1, id).bind(2, number(through)).run());
  }
  return {};
}

Result<void> StateTables::put_positions(int64_t id, const Positions& upto) {
  set_position_.bind(1, id);
  for (const auto& [split, position] : upto) TRY(set_position_.bind(2, split).bind(3, position.token).run());
  return {};
}

Result<void> StateTables::replace_positions(int64_t id, const Positions& positions, int64_t now_us) {
  for (const char* table : {"position", "position_step"}) {
    Statement remove = TRY(database_->prepare(fmt::format("DELETE FROM {} WHERE pipeline = ?", table)));
    TRY(remove.bind(1, id).run());
  }
  TRY(put_positions(id, positions));
  Statement update =
      TRY(database_->prepare("UPDATE pipeline SET finished = 0, last_error = '', updated_us = ?2 WHERE id = ?1"));
  return update.bind(1, id).bind(2, now_us).run();
}

Result<void> StateTables::count(int64_t id, Epoch epoch, int64_t rows, int64_t bytes, int64_t dead_rows,
                                int64_t now_us) {
  count_.bind(1, id).bind(2, number(epoch)).bind(3, rows).bind(4, bytes).bind(5, dead_rows).bind(6, now_us);
  return count_.run();
}

Result<void> StateTables::set_finished(int64_t id, bool finished, int64_t now_us) {
  Statement update = TRY(database_->prepare("UPDATE pipeline SET finished = ?2, updated_us = ?3 WHERE id = ?1"));
  return update.bind(1, id).bind(2, static_cast<int64_t>(finished)).bind(3, now_us).run();
}

Result<void> StateTables::set_error(int64_t id, const std::string& message, int64_t now_us) {
  Statement update = TRY(database_->prepare("UPDATE pipeline SET last_error = ?2, updated_us = ?3 WHERE id = ?1"));
  return update.bind(1, id).bind(2, message).bind(3, now_us).run();
}

Result<Positions> StateTables::positions(int64_t id) {
  Statement select = TRY(database_->prepare("SELECT split, token FROM position WHERE pipeline = ? ORDER BY split"));
  select.bind(1, id);
  Positions found;
  while (TRY(select.step())) {
    found.emplace_hint(found.end(), std::string(select.text(0)), Position{std::string(select.text(1))});
  }
  for (auto& [epoch, upto] : TRY(steps(id))) {
    upto.merge(found);
    found = std::move(upto);
  }
  return found;
}

Result<std::vector<Intent>> StateTables::intents(int64_t id) {
  Statement select =
      TRY(database_->prepare("SELECT epoch, generation, conditional FROM intent WHERE pipeline = ? ORDER BY epoch"));
  select.bind(1, id);
  std::vector<Intent> found;
  while (TRY(select.step())) {
    Intent intent;
    intent.epoch = static_cast<Epoch>(select.integer(0));
    intent.generation = static_cast<Generation>(select.integer(1));
    intent.conditional = select.integer(2) != 0;
    TRY(read_parts(id, intent));
    intent.upto = TRY(separated(TRY(step(id, intent.epoch))));
    found.push_back(std::move(intent));
  }
  return found;
}

Result<void> StateTables::read_parts(int64_t id, Intent& intent) {
  Statement select = TRY(database_->prepare(
      "SELECT dead_letters, payload, rows, bytes, objects FROM intent_part WHERE pipeline = ? AND epoch = ? "
      "ORDER BY dead_letters, ordinal"));
  select.bind(1, id).bind(2, number(intent.epoch));
  while (TRY(select.step())) {
    Prepared part{std::string(select.text(1)), select.integer(2), select.integer(3), select.integer(4)};
    (select.integer(0) != 0 ? intent.dead_letters : intent.main).push_back(std::move(part));
  }
  return {};
}

}  // namespace sluice
