#include "connector/sqlite/sqlite_connector.h"

#include "connector/sqlite/sqlite_sink.h"
#include "connector/sqlite/sqlite_source.h"

namespace sluice {
namespace sqlite {
namespace {

std::vector<OptionSpec> option_specs() {
  return {
      {.name = "table",
       .doc = "The table to read or write; a sink replaces {table} by the name of the table the rows come from.",
       .required = true},
      {.name = "mode",
       .kind = OptionKind::choice,
       .doc = "append adds every row; upsert replaces the row with the same key and deletes rows that were deleted at "
              "the source. Default: upsert when a key is given, else append.",
       .scope = OptionScope::sink,
       .choices = {"append", "upsert"}},
      {.name = "key",
       .kind = OptionKind::list,
       .doc = "The columns that identify a row: the primary key of a table this sink creates.",
       .scope = OptionScope::sink},
      {.name = "create_table",
       .kind = OptionKind::boolean,
       .default_value = "true",
       .doc = "Create the file and the table when they are missing.",
       .scope = OptionScope::sink},
      {.name = "if_exists",
       .kind = OptionKind::choice,
       .default_value = "append",
       .doc = "What an unnamed statement does with a table that has rows: refuse it (error), add to it, or put the new "
              "rows in place of the old ones with the first epoch.",
       .scope = OptionScope::sink,
       .choices = {"error", "append", "replace"}},
  };
}

Result<std::string> path_of(const ConnectorRequest& request) {
  if (request.location.path.empty()) {
    return user_error("{}: sqlite needs the path of a file: sqlite('shop.db?table=orders')", request.where);
  }
  return request.location.path;
}

TableExists if_exists_of(const std::string& text) {
  if (text == "error") return TableExists::error;
  return text == "replace" ? TableExists::replace : TableExists::append;
}

Result<std::unique_ptr<Sink>> create_sink(const Registry&, const ConnectorRequest& request) {
  auto specs = option_specs();
  auto values = TRY(OptionValues::parse("sqlite", specs, OptionScope::sink, request.options));
  SqliteSinkOptions options;
  options.path = TRY(path_of(request));
  options.table = values.text("table");
  options.pipeline = request.pipeline;
  if (values.has("key")) options.key = values.list("key");
  options.upsert = values.has("mode") ? values.text("mode") == "upsert" : !options.key.empty();
  options.create_table = values.boolean("create_table");
  options.one_off = request.one_off;
  options.if_exists = if_exists_of(values.text("if_exists"));
  if (options.upsert && options.key.empty()) {
    return user_error("{}: mode := upsert needs a key: key := 'id'", values.where("mode"));
  }
  if (same_name(options.table, "sluice_positions") || same_name(options.table, "sluice_fence")) {
    return user_error("{}: table '{}' is where this sink keeps its positions; choose another name",
                      values.where("table"), options.table);
  }
  if (values.is_given("if_exists") && !request.one_off) {
    return user_error("{}: if_exists is for unnamed statements; a named one adds what is new",
                      values.where("if_exists"));
  }
  if (options.many_tables() && options.if_exists != TableExists::append) {
    return user_error("{}: if_exists needs one table; '{}' may be many", values.where("if_exists"), options.table);
  }
  return std::make_unique<SqliteSink>(std::move(options));
}

Result<std::unique_ptr<Source>> create_source(const Registry&, const ConnectorRequest& request) {
  auto specs = option_specs();
  auto values = TRY(OptionValues::parse("sqlite", specs, OptionScope::source, request.options));
  if (request.streaming) {
    return user_error(
        "{}: sqlite cannot be followed as it changes; use CREATE TABLE … AS, which delivers what is new "
        "each time it runs",
        request.where);
  }
  return sqlite_source(TRY(path_of(request)), values.text("table"));
}

}  // namespace
}  // namespace sqlite

ConnectorDescriptor sqlite_connector() {
  ConnectorDescriptor connector;
  connector.name = "sqlite";
  connector.schemes = {"sqlite"};
  connector.doc =
      "A table of an SQLite file. As a sink it is exactly-once: rows and positions are one transaction of the file. As "
      "a "
      "source it reads a table in the order of its rowids.";
  connector.options = sqlite::option_specs();
  connector.examples = {"sqlite('shop.db?table=orders')", "sqlite('/data/shop.db', table := 'orders', key := 'id')",
                        "sqlite:///data/shop.db?table=orders"};
  connector.create_source = sqlite::create_source;
  connector.create_sink = sqlite::create_sink;
  return connector;
}

}  // namespace sluice
