#include "connector/sqlite/sqlite_source.h"

#include <arrow/api.h>

#include <algorithm>
#include <charconv>

#include "connector/sqlite/catalog.h"
#include "connector/sqlite/row_decoder.h"
#include "options/option.h"

namespace sluice::sqlite {
namespace {

// What a run reads: fixed by plan() and start().
struct Scan {
  std::string path;
  TableInfo table;
  std::string rowid;  // the name under which the rowid can be reached: a column may have taken "rowid"
  std::vector<TableColumn> columns;
  int64_t after = INT64_MIN;  // first rowid not yet delivered
  int64_t last = INT64_MIN;   // largest rowid at the start
  int64_t batch_rows = 64 * 1024;
  int64_t batch_bytes = 8 << 20;
  int64_t limit = INT64_MAX;
};

class SqliteReader final : public Reader {
 public:
  SqliteReader(Scan scan, std::unique_ptr<Database> database)
      : scan_(std::move(scan)), database_(std::move(database)), decoder_(scan_.columns, 1), next_(scan_.after) {}

  Result<Event> next(Context& context, Deadline) override {
    if (done_) return Event(End{});
    database_->stop_waiting_on(context.stop);
    Rows rows;
    rows.table.name = scan_.table.name;
    TRY(read(rows));
    rows.source_bytes = decoder_.bytes();
    rows.batch = TRY(decoder_.take());
    const int64_t upto = done_ ? scan_.last : next_ - 1;
    rows.progress.push_back({scan_.table.name, Position{std::to_string(upto)}});
    return Event(std::move(rows));
  }

 private:
  // One batch. Ends the statement, so that the database is not held between batches.
  Result<void> read(Rows& rows) {
    if (!statement_.has_value()) statement_ = TRY(database_->prepare(sql()));
    const int64_t wanted = std::min(scan_.batch_rows, left());
    statement_->bind(1, next_).bind(2, scan_.last).bind(3, wanted);
    int64_t seen = 0;
    bool more = true;
    while (decoder_.bytes() < scan_.batch_bytes && (more = TRY(statement_->step()))) {
      ++seen;
      const int64_t rowid = statement_->integer(0);
      if (auto problem = TRY(decoder_.append(*statement_))) {
        rows.rejects.push_back({decoder_.row_text(*statement_), *problem,
                                fmt::format("{}: table '{}', rowid {}", scan_.path, scan_.table.name, rowid),
                                scan_.table.name});
      }
      done_ = rowid == INT64_MAX;
      next_ = done_ ? rowid : rowid + 1;
    }
    statement_->reset();
    delivered_ += decoder_.rows();
    if ((!more && seen < wanted) || left() == 0 || next_ > scan_.last) done_ = true;
    return {};
  }

  [[nodiscard]] int64_t left() const { return scan_.limit - delivered_; }

  [[nodiscard]] std::string sql() const {
    std::string columns = scan_.rowid;
    for (const auto& column : scan_.columns) columns += ", " + quote(column.name);
    return fmt::format("SELECT {} FROM {} WHERE {} BETWEEN ?1 AND ?2 ORDER BY {} LIMIT ?3", columns,
                       quote(scan_.table.name), scan_.rowid, scan_.rowid);
  }

  const Scan scan_;
  std::unique_ptr<Database> database_;
  std::optional<Statement> statement_;
  RowDecoder decoder_;
  int64_t next_;
  int64_t delivered_ = 0;
  bool done_ = false;
};

class SqliteSource final : public Source {
 public:
  SqliteSource(Scan scan, bool stable_rowids) : scan_(std::move(scan)), stable_rowids_(stable_rowids) {}

  [[nodiscard]] SourceTraits traits() const override {
    SourceTraits traits;
    traits.replayable = stable_rowids_;
    if (!stable_rowids_) {
      traits.not_replayable_because =
          fmt::format("table '{}' has no INTEGER PRIMARY KEY: VACUUM may give its rows new rowids", scan_.table.name);
    }
    return traits;
  }

  Result<SchemaPtr> fetch_schema(Context&) override { return schema_of(scan_.table.columns); }

  Result<Planned> plan(Context&, const ReadRequest& request) override {
    Planned planned;
    scan_.batch_rows = request.batch_rows;
    scan_.batch_bytes = request.batch_bytes;
    if (request.columns.has_value()) TRY(project(*request.columns));
    planned.pushed.columns = request.columns.has_value();
    planned.pushed.filter_exact.assign(request.filter.size(), false);
    if (request.limit.has_value() && request.filter.empty()) {
      scan_.limit = *request.limit;
      planned.pushed.limit = true;
    }
    planned.schema = schema_of(scan_.columns);
    return planned;
  }

  Result<void> start(Context& context, const Positions& durable) override {
    announced_ = false;
    exhausted_ = false;
    scan_.after = scan_.last = INT64_MIN;
    if (auto found = durable.find(scan_.table.name); found != durable.end()) {
      const int64_t last = TRY(parse(found->second.token));
      exhausted_ = last == INT64_MAX;
      scan_.after = exhausted_ ? last : last + 1;
    }
    auto database = TRY(open(context));
    auto largest = TRY(database->prepare(fmt::format("SELECT max({}) FROM {}", scan_.rowid, quote(scan_.table.name))));
    if (TRY(largest.step()) && !largest.is_null(0)) {
      scan_.last = largest.integer(0);
    } else {
      exhausted_ = true;
    }
    return {};
  }

  Result<SplitEvents> poll_splits(Context&, Deadline) override {
    SplitEvents events;
    events.finished = true;
    if (!exhausted_ && !announced_ && scan_.after <= scan_.last && scan_.limit > 0) {
      events.added.push_back({scan_.table.name, 0, ""});
    }
    announced_ = true;
    return events;
  }

  Result<std::unique_ptr<Reader>> create_reader(Context& context, std::span<const Split> splits) override {
    CHECK(splits.size() == 1 && splits[0].id == scan_.table.name);
    return std::make_unique<SqliteReader>(scan_, TRY(open(context)));
  }

  Result<Positions> resolve_position(Context& context, const std::string& text) override {
    if (text == "earliest") return Positions{};
    if (text != "latest") return Positions{{scan_.table.name, Position{std::to_string(TRY(parse(text)))}}};
    auto database = TRY(open(context));
    auto last = TRY(database->integer(fmt::format("SELECT max({}) FROM {}", scan_.rowid, quote(scan_.table.name))));
    return Positions{{scan_.table.name, Position{std::to_string(last)}}};
  }

 private:
  Result<std::unique_ptr<Database>> open(Context& context) const {
    auto database = TRY(Database::open(scan_.path, OpenMode::read_only));
    database->stop_waiting_on(context.stop);
    return database;
  }

  // Columns whole: what is nested lies in TEXT here.
  Result<void> project(const std::vector<ColumnPath>& paths) {
    scan_.columns.clear();
    for (const auto& path : paths) {
      const auto* column = path.empty() ? nullptr : scan_.table.column(path[0]);
      if (column == nullptr) {
        return user_error("{}: table '{}' has no column '{}'", scan_.path, scan_.table.name, to_string(path));
      }
      scan_.columns.push_back(*column);
    }
    return {};
  }

  Result<int64_t> parse(const std::string& token) const {
    int64_t rowid = 0;
    auto parsed = std::from_chars(token.data(), token.data() + token.size(), rowid);
    if (parsed.ec != std::errc() || parsed.ptr != token.data() + token.size()) {
      return user_error("'{}' is no position in table '{}' of {}: it is the last rowid delivered", token,
                        scan_.table.name, scan_.path);
    }
    return rowid;
  }

  Scan scan_;
  const bool stable_rowids_;
  bool announced_ = false;
  bool exhausted_ = false;
};

// A lone column declared exactly INTEGER PRIMARY KEY is the rowid itself:
// https://sqlite.org/lang_createtable.html#rowid
bool rowids_are_stable(const TableInfo& table) {
  const auto keys = std::count_if(table.columns.begin(), table.columns.end(),
                                  [](const auto& column) { return column.primary_key > 0; });
  return keys == 1 && std::any_of(table.columns.begin(), table.columns.end(), [](const auto& column) {
           return column.primary_key == 1 && same_name(column.declared, "INTEGER");
         });
}

}  // namespace

Result<std::unique_ptr<Source>> sqlite_source(const std::string& path, const std::string& table) {
  auto database = TRY(Database::open(path, OpenMode::read_only));
  auto info = TRY(table_info(*database, table));
  if (!info.has_value()) {
    auto names = TRY(table_names(*database));
    std::vector<std::string_view> candidates(names.begin(), names.end());
    auto near = nearest(table, candidates);
    if (!near.empty()) return user_error("{}: there is no table '{}'; did you mean '{}'?", path, table, near);
    return user_error("{}: there is no table '{}'; there are: {}", path, table, fmt::join(names, ", "));
  }
  if (info->is_view || info->without_rowid) {
    return user_error("{}: '{}' is {}, whose rows have no rowid to resume from; copy it into a table first", path,
                      info->name, info->is_view ? "a view" : "a table WITHOUT ROWID");
  }
  Scan scan;
  scan.path = path;
  for (const char* name : {"rowid", "_rowid_", "oid"}) {
    if (info->column(name) == nullptr && scan.rowid.empty()) scan.rowid = name;
  }
  if (scan.rowid.empty()) return user_error("{}: the columns of '{}' hide its rowid", path, info->name);
  scan.columns = info->columns;
  const bool stable = rowids_are_stable(*info);
  scan.table = std::move(*info);
  return std::make_unique<SqliteSource>(std::move(scan), stable);
}

}  // namespace sluice::sqlite
