// The optional parts of the contracts, for components that do not need them.
#include "port/coordinator.h"
#include "port/format.h"
#include "port/sink.h"
#include "port/source.h"
#include "port/transform.h"

namespace sluice {

std::optional<int64_t> Input::lines_before() const {
  if (begin == 0) return 0;
  if (count_lines_before == nullptr) return std::nullopt;
  auto counted = count_lines_before();
  return counted.ok() ? std::optional(counted.value()) : std::nullopt;
}

Result<bool> Format::splittable(Context&, Input) { return traits().line_based; }

Result<std::vector<Source::Table>> Source::fetch_tables(Context&) { return std::vector<Table>{}; }
Result<SchemaPtr> Source::adopt_schema(Context&, const SchemaChange& change) {
  return refused("the schema of '{}' changed while it was being read, and this source cannot go on with another one",
                 change.table.name);
}
Result<Source::Planned> Source::plan_table(Context&, const TableId& table, const ReadRequest&) {
  return bug("this source has one table and was asked for '{}'", table.name);
}
Result<void> Source::settle(Context&, const Positions&) { return {}; }
Result<void> Source::released(Context&, const SplitId&) { return {}; }
void Source::tick(Context&) {}
Result<void> Source::drop(Context&) { return {}; }
Result<Positions> Source::resolve_position(Context&, const std::string& text) {
  if (text == "earliest") return Positions{};
  return user_error("this source can only be reset to 'earliest', not to '{}'", text);
}

Result<WriteAck> Writer::tick(Context&) { return WriteAck{}; }

Result<void> Committer::leave(Context&) { return {}; }

Result<std::optional<Positions>> Committer::join_and_load(Context&, Generation, std::span<const Generation>) {
  return bug("this sink is written by one process of a pipeline, and was asked to be shared");
}
Result<void> Committer::truncate(Context&, const TableId& table, const Positions&, const Positions&) {
  return refused("table '{}' was truncated at the source, and this sink cannot follow a TRUNCATE", table.name);
}

Result<void> Sink::open_table(Context&, const TableId& table, const arrow::Schema&, bool) {
  return bug("this sink takes the rows of one table and was asked to open '{}'", table.name);
}
Result<void> Sink::evolve(Context&, const SchemaChange& change) {
  return refused("this sink cannot follow a schema change of table '{}'", change.table.name);
}
Result<void> Sink::drop(Context&) { return {}; }
Result<void> Sink::reset(Context&, const Positions&) { return {}; }

Result<Lease> Coordinator::join(const std::string& pipeline, const std::string& owner) {
  return acquire(pipeline, owner);
}
Result<std::vector<Intent>> Coordinator::take_over(const Lease& lease) {
  auto record = TRY(load(lease.pipeline));
  return record.has_value() ? std::move(record->intents) : std::vector<Intent>{};
}
Result<void> Coordinator::save_schema(const Lease&, const FollowedSchema&) { return {}; }

Result<int64_t> Format::next_record_start(Context&, arrow::io::RandomAccessFile&, int64_t, int64_t) const {
  return bug("this format has no quoted newlines: cut it anywhere, with at_record_start = false");
}

Result<ReadRequest> RowTransform::request(Context&, const SchemaPtr&, const ReadRequest& planned) { return planned; }
void RowTransform::set_pushed(const Pushed&) {}
Result<void> RowTransform::refresh(Context&) { return {}; }
std::unique_ptr<RowTransform> RowTransform::another() const { return nullptr; }
Result<ReadRequest> BoundedQuery::request(Context&, size_t, const SchemaPtr&, const ReadRequest& planned) {
  return planned;
}

}  // namespace sluice
