#include "connector/postgresql/target_table.h"

#include <algorithm>
#include <atomic>

#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/key_value_metadata.h>

#include "batch/change.h"

namespace sluice::postgresql {
namespace {

using postgres::Fit;
using postgres::fit_of;
using postgres::quote;
using postgres::quote_text;

std::string joined(const std::vector<std::string>& names) { return fmt::format("{}", fmt::join(names, ", ")); }

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A change column is stored where each change becomes a row of its own; an upsert acts on it.
bool is_stored(const arrow::Field& field, bool upsert) { return !upsert || !is_change_column(field.name()); }

class Opening {
 public:
  Opening(Connection& connection, const SinkSettings& settings, TableName name, SchemaPtr schema, OpenMode mode)
      : connection_(connection), settings_(settings), name_(std::move(name)), schema_(std::move(schema)), mode_(mode) {}

  Result<TargetPtr> run() {
    TRY(check_schema(*schema_, settings_));
    if (!TRY(table_exists(connection_, name_))) {
      if (!settings_.create_table) {
        return user_error("{}: there is no table '{}'; create it, or leave out create_table := false",
                          connection_.where(), name_.plain());
      }
      TRY(create());
    }
    table_ = TRY(find_table(connection_, types_, name_));
    TRY(check_kind());
    TRY(settle_mode());
    TRY(fit_columns());
    TRY(check_rest());
    if (upsert_) TRY(check_unique());
    return describe();
  }

 private:
  // Without a table there is no other key than the one that was given.
  [[nodiscard]] bool creates_upsert() const {
    const bool changes = schema_->GetFieldIndex(std::string(kOpColumn)) >= 0;
    return settings_.upsert || (!settings_.mode_given && changes && !settings_.key.empty());
  }

  Result<void> create() {
    const bool upsert = creates_upsert();
    if (upsert && settings_.key.empty()) {
      return user_error("{}: mode := upsert needs a key for the new table '{}': key := 'id'", settings_.where,
                        name_.plain());
    }
    std::string columns;
    for (const auto& field : schema_->fields()) {
      if (!is_stored(*field, upsert)) continue;
      columns +=
          fmt::format("{}{} {}", columns.empty() ? "" : ", ", quote(field->name()), postgres::type_for(*field->type()));
    }
    if (!settings_.key.empty()) columns += fmt::format(", PRIMARY KEY ({})", quoted_list(settings_.key));
    // IF NOT EXISTS of two sessions at once (processes that share a pipeline) fails in one of them.
    (void)TRY(connection_.query("SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('sluice'))"));
    TRY(ensure_schema(connection_, name_.schema));
    (void)TRY(connection_.query(fmt::format("CREATE TABLE IF NOT EXISTS {} ({})", name_.quoted(), columns)));
    return {};
  }

  Result<void> check_kind() const {
    if (table_.is_heap || table_.is_partitioned) return {};
    auto rows =
        TRY(connection_.query(fmt::format("SELECT relkind FROM pg_catalog.pg_class WHERE oid = {}", table_.oid)));
    const std::string_view kind = rows.rows() == 1 ? rows.text(0, 0) : std::string_view();
    if (kind == "r" || kind == "p") return {};
    return user_error("{}: '{}' is a {}; name a table to write into", connection_.where(), name_.plain(),
                      kind == "f" ? "foreign table" : "view");
  }

  Result<void> settle_mode() {
    key_ = settings_.key.empty() ? table_.key() : settings_.key;
    const bool changes = schema_->GetFieldIndex(std::string(kOpColumn)) >= 0;
    upsert_ = settings_.mode_given ? settings_.upsert : changes && !key_.empty();
    if (!upsert_) return {};
    if (key_.empty()) {
      return user_error("{}: mode := upsert needs a key, and table '{}' has no primary key: key := 'id'",
                        settings_.where, name_.plain());
    }
    for (const auto& name : key_) {
      if (schema_->GetFieldIndex(name) < 0) {
        return user_error("{}: the key column '{}' of table '{}' is not among the columns: {}", settings_.where, name,
                          name_.plain(), fmt::join(schema_->field_names(), ", "));
      }
    }
    return {};
  }

  [[nodiscard]] const postgres::Column* column(std::string_view name) const {
    for (const auto& each : table_.columns) {
      if (each.name == name) return &each;
    }
    return nullptr;
  }

  Result<void> fit_columns() {
    bool changed = false;
    for (const auto& field : schema_->fields()) {
      if (!is_stored(*field, upsert_)) continue;
      const auto* found = column(field->name());
      if (found == nullptr) {
        TRY(add(*field));
        changed = true;
      } else {
        changed = TRY(fit(*field, *found)) || changed;
      }
    }
    if (changed) table_ = TRY(find_table(connection_, types_, name_));
    return {};
  }

  Result<void> add(const arrow::Field& field) {
    if (!settings_.create_table) {
      return user_error(
          "{}: table '{}' has no column '{}'; add it to the table, leave it out of the SELECT, or leave "
          "out create_table := false",
          connection_.where(), name_.plain(), field.name());
    }
    const std::string name = quote(field.name());
    std::string add = fmt::format("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}", name_.quoted(), name,
                                  postgres::type_for(*field.type()));
    // Rows that are there have what they have at the source; those that come bring their own.
    const auto missing =
        field.HasMetadata() ? field.metadata()->Get(std::string(postgres::kMissingValue)) : arrow::Status::KeyError("");
    if (missing.ok()) {
      add += fmt::format(" DEFAULT {}; ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT", quote_text(*missing),
                         name_.quoted(), name);
    }
    (void)TRY(connection_.query(add));
    return {};
  }

  // True when the column was altered.
  Result<bool> fit(const arrow::Field& field, const postgres::Column& column) {
    if (column.generated) {
      return user_error("{}: column '{}' of table '{}' is generated by the server; leave it out of the SELECT",
                        connection_.where(), column.name, name_.plain());
    }
    const Fit fit = fit_of(*field.type(), column.type);
    if (fit == Fit::exact) return false;
    if (mode_ == OpenMode::follow && settings_.create_table && is_widening(*field.type(), column.type)) {
      (void)TRY(connection_.query(fmt::format("ALTER TABLE {} ALTER COLUMN {} TYPE {}", name_.quoted(),
                                              quote(field.name()), postgres::type_for(*field.type()))));
      return true;
    }
    if (fit == Fit::none) {
      return user_error(
          "{}: column '{}' of table '{}' is {}, which values of type {} do not go into; cast it in the "
          "SELECT",
          connection_.where(), column.name, name_.plain(), column.type.name, type_name(*field.type()));
    }
    // What was followed came in exactly so far; now it is another type.
    const bool lossy = fit == Fit::lossy || (mode_ == OpenMode::follow && became_narrow(field, column.type));
    if (!lossy || settings_.allow_lossy) return false;
    return user_error(
        "{}: column '{}' of table '{}' is {}, which may not hold every value of type {}; alter the "
        "column to {}, cast it in the SELECT, or say allow_lossy := true",
        connection_.where(), column.name, name_.plain(), column.type.name, type_name(*field.type()),
        postgres::type_for(*field.type()));
  }

  // Numbers into a narrower number: a text column that is judged value by value was so before.
  static bool became_narrow(const arrow::Field& field, const postgres::Type& to) {
    return (arrow::is_integer(field.type()->id()) || arrow::is_decimal(field.type()->id())) &&
           (to.kind == postgres::Kind::int2 || to.kind == postgres::Kind::int4 || to.kind == postgres::Kind::int8 ||
            to.kind == postgres::Kind::numeric);
  }

  // Would the column, as the type for `from`, still hold everything it holds?
  static bool is_widening(const arrow::DataType& from, const postgres::Type& column) {
    using postgres::Kind;
    switch (column.kind) {
      case Kind::int2:
        return arrow::is_integer(from.id()) && fit_of(from, column) == Fit::checked;
      case Kind::int4:
        return arrow::is_integer(from.id()) && from.bit_width() > 32;
      case Kind::float4:
        return from.id() == arrow::Type::DOUBLE;
      case Kind::numeric: {
        if (from.id() != arrow::Type::DECIMAL128 && from.id() != arrow::Type::DECIMAL256) return false;
        const auto& decimal = static_cast<const arrow::DecimalType&>(from);
        return decimal.scale() >= column.scale() &&
               decimal.precision() - decimal.scale() >= column.precision() - column.scale();
      }
      default:
        return false;
    }
  }

  // Columns of the table that no row has a value for have to do without.
  Result<void> check_rest() const {
    auto rows = TRY(connection_.query(
        fmt::format("SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = {} AND attnum > 0 AND NOT "
                    "attisdropped AND attnotnull AND NOT atthasdef AND attidentity = ''",
                    table_.oid)));
    for (int i = 0; i < rows.rows(); ++i) {
      const int field = schema_->GetFieldIndex(std::string(rows.text(i, 0)));
      if (field >= 0 && is_stored(*schema_->field(field), upsert_)) continue;
      return user_error("{}: column '{}' of table '{}' is NOT NULL without a default, and the rows have no such column",
                        connection_.where(), rows.text(i, 0), name_.plain());
    }
    return {};
  }

  // ON CONFLICT needs a unique index on just these columns that is not partial.
  Result<void> check_unique() const {
    std::vector<std::string> sorted = key_;
    std::sort(sorted.begin(), sorted.end());
    std::vector<std::string> texts;
    for (const auto& name : sorted) texts.push_back(quote_text(name));
    auto rows = TRY(connection_.query(fmt::format(
        "SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = {} AND i.indisunique AND i.indimmediate AND "
        "i.indisvalid "
        "AND i.indpred IS NULL AND i.indexprs IS NULL AND (SELECT array_agg(a.attname::text COLLATE \"C\" ORDER BY "
        "a.attname::text COLLATE \"C\") FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = "
        "ANY((i.indkey::int2[])[0:i.indnkeyatts - 1])) = ARRAY[{}]::text[] LIMIT 1",
        table_.oid, joined(texts))));
    if (rows.rows() == 1) return {};
    return user_error("{}: table '{}' has no primary key or unique index on ({}), which upserts need",
                      connection_.where(), name_.plain(), joined(key_));
  }

  [[nodiscard]] TargetPtr describe() const {
    static std::atomic<uint64_t> last_serial{0};
    auto target = std::make_shared<TargetTable>();
    target->name = name_;
    target->schema = schema_;
    target->key = key_;
    target->upsert = upsert_;
    target->serial = ++last_serial;
    if (upsert_) {
      target->op_field = schema_->GetFieldIndex(std::string(kOpColumn));
      target->unchanged_field = schema_->GetFieldIndex(std::string(kUnchangedColumn));
    }
    for (int i = 0; i < schema_->num_fields(); ++i) {
      const auto& field = *schema_->field(i);
      if (!is_stored(field, upsert_)) continue;
      const auto& found = *column(field.name());
      target->columns.push_back({field.name(), found.type, found.declared, i,
                                 postgres::cast_by_server(*field.type(), found.type), contains(key_, field.name())});
    }
    return target;
  }

  static std::string quoted_list(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "" : ", ") + quote(name);
    return out;
  }

  Connection& connection_;
  const SinkSettings& settings_;
  const TableName name_;
  const SchemaPtr schema_;
  const OpenMode mode_;
  postgres::TypeCatalog types_;
  Table table_;
  std::vector<std::string> key_;
  bool upsert_ = false;
};

}  // namespace

Result<TargetPtr> open_target(Connection& connection, const SinkSettings& settings, const TableName& name,
                              const SchemaPtr& schema, OpenMode mode) {
  return Opening(connection, settings, name, schema, mode).run();
}

Result<bool> table_exists(Connection& connection, const TableName& name) {
  auto rows = TRY(
      connection.query("SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                       "WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r','p','v','m','f')",
                       {name.schema, name.name}));
  return rows.rows() > 0;
}

Result<void> ensure_schema(Connection& connection, const std::string& name) {
  auto known = TRY(connection.query("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", {name}));
  if (known.rows() > 0) return {};
  (void)TRY(connection.query(fmt::format("CREATE SCHEMA IF NOT EXISTS {}", quote(name))));
  return {};
}

Result<void> check_schema(const arrow::Schema& schema, const SinkSettings& settings) {
  constexpr size_t kNameMax = 63;  // NAMEDATALEN - 1: the server would cut it off
  for (int i = 0; i < schema.num_fields(); ++i) {
    const auto& field = *schema.field(i);
    if (postgres::type_for(*field.type()).empty()) {
      return user_error("column '{}' has type {}, which PostgreSQL has no column for; cast it in the SELECT",
                        field.name(), type_name(*field.type()));
    }
    if (field.name().empty()) return user_error("column {} has no name; give it one with AS", i + 1);
    if (field.name().size() > kNameMax) {
      return user_error("column '{}' has a name of more than {} bytes, which PostgreSQL would cut off; rename it",
                        field.name(), kNameMax);
    }
    if (schema.GetFieldIndex(field.name()) < 0) {
      return user_error("there are two columns '{}'; rename one", field.name());
    }
  }
  for (const auto& name : settings.key) {
    if (schema.GetFieldIndex(name) < 0) {
      return user_error("key column '{}' is not among the columns: {}", name, fmt::join(schema.field_names(), ", "));
    }
  }
  if (schema.num_fields() == 0) return user_error("there are no columns to write");
  return {};
}

}  // namespace sluice::postgresql
