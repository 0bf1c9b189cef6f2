#include "connector/postgresql/postgresql_connector.h"

#include "connector/postgresql/batch_source.h"
#include "connector/postgresql/change_source.h"
#include "connector/postgresql/settings.h"
#include "connector/postgresql/sink.h"

namespace sluice {
namespace postgresql {
namespace {

Result<std::unique_ptr<Source>> create_source(const Registry&, const ConnectorRequest& request) {
  auto settings = TRY(source_settings(request));
  if (settings.cdc) return create_change_source(std::move(settings));
  return create_batch_source(std::move(settings));
}

}  // namespace
}  // namespace postgresql

ConnectorDescriptor postgresql_connector() {
  ConnectorDescriptor connector;
  connector.name = "postgresql";
  connector.schemes = {"postgresql", "postgres"};
  connector.doc =
      "Tables of a PostgreSQL database: read once in parallel under one snapshot, or written, rows and positions in "
      "one "
      "transaction.";
  const auto options = postgresql::option_specs();
  connector.options.assign(options.begin(), options.end());
  connector.examples = {
      "SELECT * FROM postgresql('localhost/shop?table=orders')",
      "SELECT * FROM postgresql('user@db:5432/shop', query := 'SELECT id, total FROM orders WHERE total > 100')",
      "CREATE STREAM orders AS SELECT * FROM postgresql('localhost/shop?table=orders', cdc := true) INSERT INTO "
      "file('orders/', format := 'parquet')",
      "INSERT INTO postgresql('localhost/shop?table=orders', key := 'id')",
  };
  connector.create_source = postgresql::create_source;
  connector.create_sink = postgresql::create_sink;
  return connector;
}

}  // namespace sluice
