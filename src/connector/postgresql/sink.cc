#include "connector/postgresql/sink.h"

#include <arrow/type.h>

#include "connector/postgresql/committer.h"
#include "connector/postgresql/writer.h"

namespace sluice::postgresql {
namespace {

class PostgresSink final : public Sink {
 public:
  explicit PostgresSink(SinkSettings settings) : settings_(std::move(settings)), delivery_(settings_) {}

  [[nodiscard]] SinkTraits traits() const override {
    SinkTraits traits;
    traits.decision = Decision::target;
    traits.transactions = true;
    traits.upsert = settings_.upsert || !settings_.mode_given;
    traits.truncate = true;
    traits.many_tables = settings_.many_tables();
    traits.several_processes = true;
    return traits;
  }

  Result<void> validate_schema(Context&, const arrow::Schema& schema) override {
    return check_schema(schema, settings_);
  }

  Result<void> probe(Context& context) override {
    auto connection = TRY(settings_.target.connect(context.stop));
    auto state = TRY(connection->query("SELECT pg_catalog.pg_is_in_recovery()"));
    if (state.text(0, 0) == "t") {
      return user_error("{}: the server is a read-only standby; name the primary", settings_.target.where);
    }
    // Everything is tried, and rolled back as the connection ends.
    (void)TRY(connection->query(std::string(kBeginTransaction)));
    TRY(Ledger::create_tables(*connection).while_doing("making the tables of schema 'sluice' that hold positions"));
    if (settings_.many_tables()) return {};
    const TableName name = settings_.table_for({});
    if (TRY(table_exists(*connection, name))) return probe_table(*connection, name);
    if (!settings_.create_table) {
      return user_error("{}: there is no table '{}'; create it, or leave out create_table := false",
                        settings_.target.where, name.plain());
    }
    TRY(ensure_schema(*connection, name.schema));
    (void)TRY(connection->query(fmt::format("CREATE TABLE {} ()", name.quoted())));
    return {};
  }

  Result<void> open(Context& context, const arrow::Schema& schema, bool resumed) override {
    if (settings_.many_tables()) return check_schema(schema, settings_);  // each is opened with its first rows
    return open_as(context, {}, schema, resumed);
  }
  Result<void> open_table(Context& context, const TableId& table, const arrow::Schema& schema, bool resumed) override {
    return open_as(context, table, schema, resumed);
  }

  Result<void> evolve(Context& context, const SchemaChange& change) override {
    delivery_.forget_targets();
    auto connection = TRY(begin(context));
    const TableId table = settings_.many_tables() ? change.table : TableId{};
    (void)TRY(open_target(*connection, settings_, settings_.table_for(table), change.after, OpenMode::follow));
    return connection->commit();
  }

  Result<std::unique_ptr<Writer>> create_writer(Context&, const WriterId& id) override {
    return postgresql::create_writer(settings_, delivery_, id);
  }
  Result<std::unique_ptr<Committer>> create_committer(Context&) override {
    return postgresql::create_committer(settings_, delivery_);
  }

  Result<void> drop(Context& context) override {
    auto connection = TRY(begin(context));
    if (!TRY(Ledger::exists(*connection))) return {};
    TRY(ledger_of(settings_).forget(*connection));
    return connection->commit();
  }

  Result<void> reset(Context& context, const Positions& positions) override {
    auto connection = TRY(begin(context));
    TRY(Ledger::create_tables(*connection));
    TRY(ledger_of(settings_).replace(*connection, positions));
    return connection->commit();
  }

 private:
  Result<std::unique_ptr<Connection>> begin(Context& context) const {
    auto connection = TRY(settings_.target.connect_durably(context.stop));
    (void)TRY(connection->query(std::string(kBeginTransaction)));
    return connection;
  }

  Result<void> open_as(Context& context, const TableId& table, const arrow::Schema& schema, bool resumed) {
    auto connection = TRY(begin(context));
    const TableName name = settings_.table_for(table);
    // Positions here are an earlier run's, also when it died before the state store heard of its first epoch.
    const bool delivered =
        resumed || (TRY(Ledger::exists(*connection)) && !TRY(ledger_of(settings_).load(*connection)).empty());
    if (!delivered) TRY(refuse_existing(*connection, name));
    auto target =
        TRY(open_target(*connection, settings_, name, std::make_shared<arrow::Schema>(schema), OpenMode::use));
    TRY(connection->commit());
    delivery_.remember(table, std::move(target));
    return {};
  }

  Result<void> refuse_existing(Connection& connection, const TableName& name) const {
    if (!settings_.one_off || settings_.if_exists != TableExists::error) return {};
    if (!TRY(table_exists(connection, name))) return {};
    auto rows = TRY(connection.query(fmt::format("SELECT FROM {} LIMIT 1", name.quoted())));
    if (rows.rows() == 0) return {};
    return refused(
        "{}: table '{}' already has rows; if_exists := append adds to them, if_exists := replace takes their place",
        settings_.target.where, name.plain());
  }

  Result<void> probe_table(Connection& connection, const TableName& name) const {
    const bool may_change = settings_.upsert || !settings_.mode_given;
    auto rows = TRY(connection.query(
        "SELECT p FROM unnest($2::text[]) AS p WHERE NOT pg_catalog.has_table_privilege($1::text, p)",
        {name.quoted(), may_change && settings_.upsert ? "{INSERT,UPDATE,DELETE,SELECT}" : "{INSERT}"}));
    if (rows.rows() == 0) return {};
    return user_error("{}: {} on table '{}' is not granted to this user", settings_.target.where, rows.text(0, 0),
                      name.plain());
  }

  const SinkSettings settings_;
  Delivery delivery_;
};

}  // namespace

Result<std::unique_ptr<Sink>> create_sink(const Registry&, const ConnectorRequest& request) {
  auto settings = TRY(sink_settings(request));
  if (settings.schema == "sluice" || settings.table.starts_with("sluice.")) {
    return user_error("{}: schema 'sluice' is where positions are kept; choose another", request.where);
  }
  return std::make_unique<PostgresSink>(std::move(settings));
}

}  // namespace sluice::postgresql
