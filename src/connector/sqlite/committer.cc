#include "connector/sqlite/committer.h"

#include <arrow/api.h>
#include <unistd.h>

#include <set>

#include "connector/sqlite/ledger.h"

namespace sluice::sqlite {
namespace {

class SqliteCommitter final : public Committer {
 public:
  SqliteCommitter(const SqliteSinkOptions& options, Spool& spool, SchemaPtr schema)
      : options_(options), spool_(spool), schema_(std::move(schema)), ledger_(options.pipeline, options.table) {}

  Result<std::optional<Positions>> fence_and_load(Context& context, Generation generation) override {
    auto* database = TRY(connect(context));
    auto transaction = TRY(Transaction::begin(*database));
    TRY(Ledger::create_tables(*database));
    const Generation fence = TRY(ledger_.take_fence(*database, generation));
    auto positions = TRY(ledger_.load(*database));
    TRY(transaction.commit());
    fence_ = fence;
    // With positions here, an earlier run of this statement has replaced the table already.
    replaces_ = options_.one_off && options_.if_exists == TableExists::replace && positions.empty();
    return std::optional(std::move(positions));
  }

  Result<void> commit(Context& context, std::span<const Prepared> prepared, const Positions& from,
                      const Positions& upto) override {
    crash_point("sqlite.commit.before");
    auto parts = TRY(parts_of(prepared));
    auto* database = TRY(connect(context));
    auto transaction = TRY(Transaction::begin(*database));
    TRY(check_fence(*database));
    if (TRY(ledger_.advance(*database, from, upto))) {
      if (!all_here(parts)) return bug("the rows of an epoch were discarded before its commit");
      if (replaces_) TRY(replace_table(*database));
      TRY(write_rows(*database, parts));
      crash_point("sqlite.commit.inside");
      TRY(transaction.commit());
    }
    replaces_ = false;
    crash_point("sqlite.commit.after");
    return discard(context, prepared);
  }

  Result<void> truncate(Context& context, const TableId& table, const Positions& from, const Positions& upto) override {
    auto* database = TRY(connect(context));
    auto transaction = TRY(Transaction::begin(*database));
    TRY(check_fence(*database));
    if (!TRY(ledger_.advance(*database, from, upto))) return {};  // it has been followed before
    const std::string name = options_.table_for(table);
    if (TRY(TargetTable(options_, name).exists(*database))) {
      TRY(database->execute(fmt::format("DELETE FROM {}", quote(name))));
    }
    crash_point("sqlite.truncate.inside");
    return transaction.commit();
  }

  Result<Outcome> resume(Context&, std::span<const Prepared> prepared) override {
    if (prepared.empty()) return Outcome::nothing_to_do;
    return refused(
        "{}: {} rows were held in memory by a process that died before it committed them; an sqlite table cannot be "
        "the "
        "target of another sink's epoch: write dead letters to files",
        options_.path, prepared[0].rows);
  }

  Result<void> discard(Context&, std::span<const Prepared> prepared) override {
    for (const auto& item : prepared) spool_.erase(TRY(handle_of(item)));
    return {};
  }

 private:
  using Parts = std::vector<std::shared_ptr<const Spool::Part>>;

  Result<Database*> connect(Context& context) {
    if (database_ == nullptr) database_ = TRY(open_target(options_, context));
    database_->stop_waiting_on(context.stop);
    return database_.get();
  }

  Result<Parts> parts_of(std::span<const Prepared> prepared) const {
    Parts parts;
    for (const auto& item : prepared) parts.push_back(spool_.find(TRY(handle_of(item))));
    return parts;
  }
  static bool all_here(const Parts& parts) {
    return std::none_of(parts.begin(), parts.end(), [](const auto& part) { return part == nullptr; });
  }

  Result<void> check_fence(Database& database) const {
    const Generation now = TRY(ledger_.fence(database));
    if (now == fence_) return {};
    if (now == 0) return refused("{}: pipeline '{}' was dropped from the target", options_.path, options_.pipeline);
    return refused("{}: another process has taken over pipeline '{}' (generation {}; ours is {})", options_.path,
                   options_.pipeline, now, fence_);
  }

  Result<void> write_rows(Database& database, const Parts& parts) const {
    std::set<std::string> ensured;
    for (const auto& part : parts) {
      for (const auto& rows : *part) {
        const std::string name = options_.table_for(rows.table);
        TargetTable table(options_, name);
        if (options_.many_tables() && ensured.insert(name).second) {
          TRY(table.extend(database, *rows.batch->schema()));
        }
        TRY(table.write(database, *rows.batch));
      }
    }
    return {};
  }

  // In the transaction of the first epoch: the old rows disappear as the new ones appear.
  Result<void> replace_table(Database& database) const {
    CHECK(schema_ != nullptr);
    TargetTable table(options_, options_.table);
    TRY(table.clear(database));
    return table.ensure(database, *schema_);
  }

  const SqliteSinkOptions& options_;
  Spool& spool_;
  const SchemaPtr schema_;
  Ledger ledger_;
  std::unique_ptr<Database> database_;
  Generation fence_ = 0;
  bool replaces_ = false;
};

// Two connections that switch a new file at once: SQLite answers BUSY to one of them without asking the busy handler.
Result<void> switch_to_wal(Database& database, const Context& context) {
  for (int attempt = 0;; ++attempt) {
    auto switched = database.execute("PRAGMA journal_mode=WAL");
    if (switched.ok() || switched.error().fault != Fault::transient || attempt == 200) return switched;
    if (!context.clock.sleep(Millis(10), context.stop)) return cancelled();
  }
}

}  // namespace

std::unique_ptr<Committer> sqlite_committer(const SqliteSinkOptions& options, Spool& spool, SchemaPtr schema) {
  return std::make_unique<SqliteCommitter>(options, spool, std::move(schema));
}

Result<std::unique_ptr<Database>> open_target(const SqliteSinkOptions& options, const Context& context) {
  const bool is_new = ::access(options.path.c_str(), F_OK) != 0;
  if (is_new && options.create_table) TRY(create_folder_of(options.path));
  auto mode = options.create_table ? OpenMode::create : OpenMode::read_write;
  auto database = TRY(Database::open(options.path, mode));
  database->stop_waiting_on(context.stop);
  if (is_new) TRY(switch_to_wal(*database, context));
  // 8 MB: a page written twice in an epoch then rarely goes to the disk twice.
  TRY(database->execute("PRAGMA cache_size=-8192"));
  return database;
}

}  // namespace sluice::sqlite
