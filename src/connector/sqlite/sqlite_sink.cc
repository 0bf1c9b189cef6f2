#include "connector/sqlite/sqlite_sink.h"

#include <arrow/api.h>
#include <unistd.h>

#include <filesystem>

#include "connector/sqlite/cell.h"
#include "connector/sqlite/committer.h"
#include "connector/sqlite/ledger.h"

namespace sluice::sqlite {

SinkTraits SqliteSink::traits() const {
  SinkTraits traits;
  traits.decision = Decision::target;
  traits.transactions = true;
  traits.upsert = options_.upsert;
  traits.truncate = true;
  traits.many_tables = options_.many_tables();
  return traits;
}

Result<void> SqliteSink::validate_schema(Context&, const arrow::Schema& schema) {
  for (int i = 0; i < schema.num_fields(); ++i) {
    const auto& field = *schema.field(i);
    TRY(storage_of(field));
    for (int j = 0; j < i; ++j) {
      if (same_name(schema.field(j)->name(), field.name())) {
        return user_error("columns '{}' and '{}' have one name in SQLite, where case does not count; rename one",
                          schema.field(j)->name(), field.name());
      }
    }
  }
  for (const auto& name : options_.key) {
    if (schema.GetFieldIndex(name) < 0) {
      return user_error("key column '{}' of table '{}' is not among the columns: {}", name, options_.table,
                        fmt::join(schema.field_names(), ", "));
    }
  }
  if (TargetTable(options_, options_.table).stored_columns(schema).empty()) {
    return user_error("there are no columns to write into table '{}'", options_.table);
  }
  return {};
}

Result<void> SqliteSink::probe(Context& context) {
  if (::access(options_.path.c_str(), F_OK) != 0) {
    if (!options_.create_table) return user_error("{}: no such file", options_.path);
    auto folder = std::filesystem::absolute(options_.path).parent_path();
    std::error_code ignored;
    while (!std::filesystem::exists(folder, ignored) && folder.has_relative_path()) folder = folder.parent_path();
    if (::access(folder.c_str(), W_OK | X_OK) != 0) {
      return errno_error(errno, fmt::format("create '{}' in folder '{}'", options_.path, folder.string()));
    }
    return {};
  }
  auto database = TRY(Database::open(options_.path, OpenMode::read_write));
  database->stop_waiting_on(context.stop);
  auto transaction = TRY(Transaction::begin(*database));
  // Taking the lock does not write yet; this does, and is rolled back with the transaction.
  TRY(database->execute("CREATE TABLE sluice_probe(a)"));
  return {};
}

Result<void> SqliteSink::refuse_existing(Database& database, const TargetTable& table) const {
  if (!options_.one_off || options_.if_exists != TableExists::error) return {};
  if (!TRY(table.exists(database)) || !TRY(table.has_rows(database))) return {};
  return refused(
      "{}: table '{}' already has rows; if_exists := append adds to them, if_exists := replace takes their place",
      options_.path, options_.table);
}

Result<void> SqliteSink::open(Context& context, const arrow::Schema& schema, bool resumed) {
  TRY(validate_schema(context, schema));
  schema_ = std::make_shared<arrow::Schema>(schema);
  auto database = TRY(open_target(options_, context));
  if (options_.many_tables()) return {};  // each is created with its first rows
  TargetTable table(options_, options_.table);
  // Positions here are an earlier run's, also when it died before the state store heard of its first epoch.
  const bool delivered = resumed || (TRY(Ledger::exists(*database)) &&
                                     !TRY(Ledger(options_.pipeline, options_.table).load(*database)).empty());
  if (!delivered) TRY(refuse_existing(*database, table));
  const bool replace = options_.one_off && options_.if_exists == TableExists::replace;
  if (replace && TRY(table.exists(*database))) return {};  // stays until the first commit takes its place
  return table.ensure(*database, schema);
}

Result<void> SqliteSink::open_table(Context& context, const TableId& table, const arrow::Schema& schema, bool) {
  TRY(validate_schema(context, schema));
  auto database = TRY(open_target(options_, context));
  auto transaction = TRY(Transaction::begin(*database));
  TRY(TargetTable(options_, options_.table_for(table)).ensure(*database, schema));
  return transaction.commit();
}

Result<void> SqliteSink::evolve(Context& context, const SchemaChange& change) {
  TRY(validate_schema(context, *change.after));
  auto database = TRY(open_target(options_, context));
  auto transaction = TRY(Transaction::begin(*database));
  crash_point("sqlite.evolve.before");
  TRY(TargetTable(options_, options_.table_for(change.table)).extend(*database, *change.after));
  crash_point("sqlite.evolve.inside");
  return transaction.commit();
}

Result<std::unique_ptr<Writer>> SqliteSink::create_writer(Context&, const WriterId&) {
  return spool_writer(options_, spool_);
}

Result<std::unique_ptr<Committer>> SqliteSink::create_committer(Context&) {
  return sqlite_committer(options_, spool_, schema_);
}

Result<void> SqliteSink::drop(Context& context) {
  if (::access(options_.path.c_str(), F_OK) != 0) return {};
  auto database = TRY(open_target(options_, context));
  auto transaction = TRY(Transaction::begin(*database));
  if (!TRY(Ledger::exists(*database))) return {};
  TRY(Ledger(options_.pipeline, options_.table).forget(*database));
  return transaction.commit();
}

// What is not there has nothing to forget. It cannot remember anything either: without positions in it the next run
// would begin at the beginning.
Result<void> SqliteSink::reset(Context& context, const Positions& positions) {
  if (::access(options_.path.c_str(), F_OK) != 0) {
    if (positions.empty()) return {};
    return user_error(
        "{}: no such file, and the positions of '{}' belong into it; run the pipeline once, then reset it",
        options_.path, options_.pipeline);
  }
  auto database = TRY(open_target(options_, context));
  auto transaction = TRY(Transaction::begin(*database));
  TRY(Ledger::create_tables(*database));
  TRY(Ledger(options_.pipeline, options_.table).replace(*database, positions));
  return transaction.commit();
}

}  // namespace sluice::sqlite
