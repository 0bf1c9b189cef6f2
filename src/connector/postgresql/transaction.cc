#include "connector/postgresql/transaction.h"

namespace sluice::postgresql {
namespace {

// The server tells of a bad row only when a COPY ends: not too late.
constexpr size_t kCopyBytes = 64 << 20;
constexpr std::string_view kLockNotAvailable = "55P03";

}  // namespace

Result<std::unique_ptr<EpochTransaction>> EpochTransaction::begin(Session session) {
  (void)TRY(session.connection->query(std::string(kBeginTransaction)));
  return std::unique_ptr<EpochTransaction>(new EpochTransaction(std::move(session)));
}

// Unique and exclusion constraints wait for other transactions; foreign keys do not see their rows; triggers, rules and
// somebody's functions (in defaults, checks, domains, policies) may do anything; and the lock on a partitioned table is
// not the one on its partitions. None of them can be added while we have the lock, but CREATE INDEX CONCURRENTLY, and
// that waits for who has it before rows go into the index. Functions that PostgreSQL comes with are not in pg_depend.
Result<bool> EpochTransaction::lock(const TableName& table) {
  (void)TRY(connection().query(fmt::format("LOCK TABLE ONLY {} IN ROW EXCLUSIVE MODE", table.quoted())));
  auto rows = TRY(connection().query(
      "SELECT FROM pg_catalog.pg_class c WHERE c.oid = $1::regclass AND c.relkind = 'r' AND NOT c.relhastriggers "
      "AND NOT c.relhasrules AND NOT c.relrowsecurity "
      "AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND (i.indisunique OR "
      "i.indisexclusion)) "
      "AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
      "WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype = 'd') "
      "AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND "
      "(d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid IN (SELECT f.oid FROM pg_catalog.pg_attrdef f WHERE "
      "f.adrelid = c.oid) OR d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid IN (SELECT k.oid FROM "
      "pg_catalog.pg_constraint k WHERE k.conrelid = c.oid)))",
      {table.quoted()}));
  return rows.rows() == 1;
}

Result<bool> EpochTransaction::lock_at_once(const TableName& table) {
  auto locked = connection().query(fmt::format("LOCK TABLE ONLY {} IN ROW EXCLUSIVE MODE NOWAIT", table.quoted()));
  if (locked.ok()) return true;
  if (connection().sqlstate() == kLockNotAvailable) return false;
  return std::move(locked).error();
}

Result<void> EpochTransaction::ensure_stage(const TargetTable& table) {
  if (!table.staged() || session_.stages.contains(table.serial)) return {};
  (void)TRY(connection().query(table.create_stage()));
  session_.stages.insert(table.serial);
  return {};
}

Result<void> EpochTransaction::begin_copy(const TargetPtr& table) {
  if (copying_ == table) return {};
  TRY(end_copy());
  TRY(ensure_stage(*table));
  TRY(connection().begin_copy_in(table->copy()));
  copying_ = table;
  copied_bytes_ = 0;
  return connection().copy_write(postgres::copy_header());
}

Result<void> EpochTransaction::end_copy() {
  if (copying_ == nullptr) return {};
  const std::string name = copying_->name.plain();
  copying_ = nullptr;
  TRY(connection().copy_write(postgres::copy_trailer()));
  return TRY(connection().finish_copy_in().while_doing(fmt::format("writing table '{}'", name))), Result<void>();
}

Result<void> EpochTransaction::add(const Piece& piece) {
  TRY(begin_copy(piece.table));
  if (piece.table->staged()) {
    Staged& staged = staged_[piece.table->serial];
    staged.table = piece.table;
    staged.deletes = staged.deletes || piece.deletes;
    staged.unchanged.insert(piece.unchanged.begin(), piece.unchanged.end());
  }
  TRY(connection().copy_write(piece.bytes.view()));
  copied_bytes_ += piece.bytes.size();
  return copied_bytes_ >= kCopyBytes ? end_copy() : Result<void>();
}

Result<std::vector<RefusedRow>> EpochTransaction::add_judged(const Piece& piece) {
  std::vector<RefusedRow> refused;
  if (piece.rows == 0) return refused;
  TRY(end_copy());
  TRY(ensure_stage(*piece.table));
  TRY(judge(piece, 0, static_cast<size_t>(piece.rows), refused));
  return refused;
}

Result<void> EpochTransaction::put_rows(const Piece& piece, size_t first, size_t end) {
  TRY(connection().begin_copy_in(piece.table->copy()));
  TRY(connection().copy_write(postgres::copy_header()));
  TRY(connection().copy_write(piece.bytes_of(first, end)));
  TRY(connection().copy_write(postgres::copy_trailer()));
  (void)TRY(connection().finish_copy_in());
  if (!piece.table->staged()) return {};
  TRY(merge({piece.table, piece.deletes, piece.unchanged}));
  (void)TRY(connection().query("TRUNCATE pg_temp." + piece.table->stage_name()));
  return {};
}

Result<void> EpochTransaction::judge(const Piece& piece, size_t first, size_t end, std::vector<RefusedRow>& refused) {
  (void)TRY(connection().query("SAVEPOINT sluice_rows"));
  auto put = put_rows(piece, first, end);
  if (put.ok()) {
    (void)TRY(connection().query("RELEASE sluice_rows"));
    return {};
  }
  if (!is_about_rows(put.error())) return put;
  (void)TRY(connection().query("ROLLBACK TO sluice_rows; RELEASE sluice_rows"));
  if (end - first == 1) {
    refused.push_back({first, put.error().what});
    return {};
  }
  const size_t middle = first + (end - first) / 2;
  TRY(judge(piece, first, middle, refused));
  return judge(piece, middle, end, refused);
}

// Data exceptions, constraints, a view's CHECK OPTION, what triggers raise; and what merge() found itself.
bool EpochTransaction::is_about_rows(const Error& error) const {
  const std::string& state = session_.connection->sqlstate();
  if (state.empty()) return error.fault == Fault::user;
  const std::string_view family = std::string_view(state).substr(0, 2);
  return family == "22" || family == "23" || family == "44" || state == "P0001";
}

Result<void> EpochTransaction::merge(const Staged& staged) {
  for (const auto& statement : staged.table->merge(staged.deletes, staged.unchanged)) {
    auto rows = TRY(connection().query(statement));
    if (rows.rows() == 0) continue;
    return user_error("{}: table '{}': {}", connection().where(), staged.table->name.plain(), rows.text(0, 0));
  }
  return {};
}

Result<void> EpochTransaction::finish_rows() {
  TRY(end_copy());
  for (const auto& [serial, staged] : staged_) {
    TRY(merge(staged).while_doing(fmt::format("writing table '{}'", staged.table->name.plain())));
  }
  staged_.clear();
  return {};
}

Result<void> EpochTransaction::commit() { return connection().commit(); }

}  // namespace sluice::postgresql
