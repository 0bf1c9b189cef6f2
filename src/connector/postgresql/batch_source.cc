#include "connector/postgresql/batch_source.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <arrow/type.h>

#include "connector/postgresql/catalog.h"
#include "connector/postgresql/copy_reader.h"
#include "connector/postgresql/held_snapshot.h"
#include "connector/postgresql/predicate.h"

namespace sluice::postgresql {
namespace {

// Before it the server reads the whole table for a range of ctids.
constexpr int kTidRangeScans = 140'000;

// One table, or the query, with what is asked of it.
struct Input {
  TableId id;
  std::optional<Table> table;             // none: the query
  std::vector<postgres::Column> all;      // before projection
  std::vector<postgres::Column> columns;  // what is read
  std::vector<std::string> conditions;    // pushed
  std::optional<int64_t> limit;
};

class BatchSource final : public Source {
 public:
  explicit BatchSource(SourceSettings settings) : settings_(std::move(settings)) {}

  [[nodiscard]] SourceTraits traits() const override {
    SourceTraits traits;
    traits.one_snapshot = true;
    return traits;
  }

  Result<SchemaPtr> fetch_schema(Context& context) override {
    TRY(describe(context));
    if (inputs_.size() != 1) {
      return user_error("{}: schema '{}' has {} tables; name one with table, or write into a location with {{table}}",
                        settings_.where, settings_.schema, inputs_.size());
    }
    return postgres::schema_of(inputs_[0].all, settings_.types);
  }

  Result<std::vector<Source::Table>> fetch_tables(Context& context) override {
    if (!many()) return std::vector<Source::Table>{};
    TRY(describe(context));
    std::vector<Source::Table> out;
    for (const auto& input : inputs_) out.push_back({input.id, postgres::schema_of(input.all, settings_.types)});
    return out;
  }

  Result<Planned> plan(Context& context, const ReadRequest& request) override {
    TRY(describe(context));
    return plan_input(inputs_[0], request);
  }

  Result<Planned> plan_table(Context&, const TableId& table, const ReadRequest& request) override {
    for (auto& input : inputs_) {
      if (input.id == table) return plan_input(input, request);
    }
    return bug("no table '{}' was described", table.name);
  }

  Result<void> start(Context& context, const Positions& durable) override {
    pieces_.clear();
    announced_ = false;
    held_.reset();
    delivered_ = !durable.empty();
    if (delivered_) {
      context.log.warn(
          "a table that is not followed has no position to go on from: it was read whole by an earlier run",
          {{"copy_again", "CREATE OR REPLACE, or sluice reset"}, {"follow", "cdc := true"}});
      return {};
    }
    for (const auto& input : inputs_) cut(input);
    HeldSnapshot::Inputs all;
    for (const auto& [split, piece] : pieces_) all.insert(piece.from);
    held_ = TRY(HeldSnapshot::take(context, settings_.target, HeldSnapshot::Which::visible_rows, all));
    return {};
  }

  Result<SplitEvents> poll_splits(Context&, Deadline) override {
    SplitEvents events;
    events.finished = true;
    if (delivered_ || std::exchange(announced_, true)) return events;
    for (auto& [split, piece] : pieces_) {
      piece.order = events.added.size();
      events.added.push_back({split, piece.bytes, {}});
    }
    return events;
  }

  // Several small pieces come to one reader: they share its connection.
  Result<std::unique_ptr<Reader>> create_reader(Context& context, std::span<const Split> splits) override {
    std::vector<CopyPiece> pieces;
    HeldSnapshot::Inputs read;
    for (const auto& split : splits) {
      const Piece& piece = pieces_.at(split.id);
      pieces.push_back(piece.copy);
      read.insert(piece.from);
    }
    auto session = TRY(held_->session(context, read, pieces_.at(splits.front().id).order));
    return copy_reader(std::move(session), std::move(pieces), settings_.types, limits_);
  }

 private:
  struct Piece {
    CopyPiece copy;
    std::string from;
    int64_t bytes = 0;
    size_t order = 0;  // among all pieces
  };

  [[nodiscard]] bool many() const { return !settings_.table && settings_.query.empty(); }

  Result<void> describe(Context& context) {
    if (!inputs_.empty()) return {};
    auto connection = TRY(settings_.target.connect(context.stop));
    splits_by_ctid_ = connection->server_version() >= kTidRangeScans;
    auto encoding = TRY(connection->query("SHOW server_encoding"));
    utf8_ = encoding.text(0, 0) == "UTF8";
    postgres::TypeCatalog types;
    if (!settings_.query.empty()) {
      Input input;
      input.all = TRY(describe_query(*connection, types, settings_.query));
      inputs_.push_back(std::move(input));
    } else {
      for (const auto& name : TRY(matching_tables(*connection, settings_))) {
        Input input;
        input.table = TRY(find_table(*connection, types, name));
        input.id = {name.schema, name.name};
        input.all = input.table->columns;
        TRY(keep_asked(&input));
        inputs_.push_back(std::move(input));
      }
    }
    for (auto& input : inputs_) input.columns = input.all;
    return {};
  }

  // The option `columns`.
  Result<void> keep_asked(Input* input) const {
    if (settings_.columns.empty()) return {};
    std::vector<postgres::Column> kept;
    for (const auto& name : settings_.columns) kept.push_back(*TRY(column_of(*input, name)));
    input->all = std::move(kept);
    return {};
  }

  [[nodiscard]] Result<const postgres::Column*> column_of(const Input& input, const std::string& name) const {
    for (const auto& column : input.all) {
      if (column.name == name) return &column;
    }
    std::vector<std::string_view> names;
    for (const auto& column : input.all) names.push_back(column.name);
    const auto near = nearest(name, names);
    return user_error("{}: there is no column '{}' in {}{}", settings_.where, name,
                      input.table ? input.table->name.plain() : "the query",
                      near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near));
  }

  Result<Planned> plan_input(Input& input, const ReadRequest& request) {
    limits_.batch_rows = settings_.batch_rows > 0 ? settings_.batch_rows : request.batch_rows;
    limits_.batch_bytes = request.batch_bytes;
    Planned planned;
    if (request.columns) {
      std::vector<postgres::Column> kept;
      for (const auto& path : *request.columns) {
        const auto* column = TRY(column_of(input, path.at(0)));
        const bool known = std::any_of(kept.begin(), kept.end(), [&](const auto& k) { return k.name == column->name; });
        if (!known) kept.push_back(*column);
      }
      // COUNT(*) needs rows without columns, which a batch cannot be: the narrowest way is one column.
      if (kept.empty() && !input.all.empty()) kept.push_back(input.all[0]);
      input.columns = std::move(kept);
      planned.pushed.columns = true;
    }
    input.conditions.clear();
    bool all_exact = true;
    for (const auto& predicate : request.filter) {
      const auto* column = TRY(column_of(input, predicate.column.at(0)));
      auto sql = sql_of(predicate, *column, settings_.types, utf8_);
      planned.pushed.filter_exact.push_back(sql.has_value());
      all_exact = all_exact && sql.has_value();
      if (sql) input.conditions.push_back(std::move(*sql));
    }
    if (all_exact) input.limit = request.limit;
    planned.pushed.limit = all_exact && request.limit.has_value();
    planned.schema = postgres::schema_of(input.columns, settings_.types);
    planned.pushed.notes.push_back("SQL: " + select(input, from_of(input), {}));
    return planned;
  }

  [[nodiscard]] std::string from_of(const Input& input) const {
    return input.table ? input.table->name.quoted() : fmt::format("({}) AS query", settings_.query);
  }

  [[nodiscard]] std::string select(const Input& input, const std::string& from, const std::string& range) const {
    std::string sql =
        fmt::format("SELECT {} FROM {}", postgres::CopyDecoder::select_list(input.columns, settings_.types), from);
    std::vector<std::string> conditions;
    if (!range.empty()) conditions.push_back(range);
    if (!settings_.condition.empty()) conditions.push_back(fmt::format("({})", settings_.condition));
    conditions.insert(conditions.end(), input.conditions.begin(), input.conditions.end());
    if (!conditions.empty()) sql += fmt::format(" WHERE {}", fmt::join(conditions, " AND "));
    if (input.limit) sql += fmt::format(" LIMIT {}", *input.limit);
    return sql;
  }

  void add(const Input& input, const std::string& split, const std::string& from, const std::string& range,
           int64_t bytes) {
    pieces_.emplace(split, Piece{{split, input.id, select(input, from, range), input.columns}, from, bytes});
  }

  void cut(const Input& input) {
    if (!input.table) return add(input, "query", from_of(input), {}, 0);
    const auto& table = *input.table;
    if (!table.is_partitioned) return cut(input, table.name, table.pages, table.rows);
    for (const auto& part : table.partitions) cut(input, part.name, part.pages, part.rows);
  }

  // A table by ctid: the last piece is open-ended, since pages may have been added since the catalog was read, and the
  // children of a table that others inherit from are read with it.
  void cut(const Input& input, const TableName& name, int64_t pages, double rows) {
    constexpr int64_t kPageBytes = 8192;
    const double per_page = pages > 0 && rows > 0 ? rows / static_cast<double>(pages) : kRowsPerPage;
    const auto step = std::max<int64_t>(1, std::llround(static_cast<double>(settings_.split_rows) / per_page));
    const bool whole = !splits_by_ctid_ || !(input.table->is_heap || input.table->is_partitioned) || pages <= step;
    if (whole) return add(input, name.plain(), name.quoted(), {}, pages * kPageBytes);
    for (int64_t from = 0; from < pages; from += step) {
      std::string range = fmt::format("ctid >= '({},0)'::tid", from);
      if (from + step < pages) range += fmt::format(" AND ctid < '({},0)'::tid", from + step);
      add(input, fmt::format("{} {:010}", name.plain(), from), name.quoted(), range, step * kPageBytes);
    }
  }

  const SourceSettings settings_;
  std::vector<Input> inputs_;
  bool splits_by_ctid_ = false;
  bool utf8_ = false;
  CopyLimits limits_;
  bool delivered_ = false;
  bool announced_ = false;
  HeldSnapshot::Ptr held_;
  std::map<std::string, Piece> pieces_;
};

}  // namespace

Result<std::unique_ptr<Source>> create_batch_source(SourceSettings settings) {
  return std::make_unique<BatchSource>(std::move(settings));
}

}  // namespace sluice::postgresql
