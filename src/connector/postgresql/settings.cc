#include "connector/postgresql/settings.h"

namespace sluice::postgresql {
namespace {

constexpr OptionScope kSource = OptionScope::source;
constexpr OptionScope kSink = OptionScope::sink;

const std::vector<OptionSpec>& specs() {
  static const std::vector<OptionSpec> own = {
      {.name = "table",
       .doc = "One table, as orders or sales.orders; without it a source reads the whole schema, and a "
              "sink replaces {schema} and {table} by the names of the table that rows come from."},
      {.name = "schema", .default_value = "public", .doc = "The schema that tables are looked up in."},
      {.name = "batch_size",
       .kind = OptionKind::integer,
       .doc = "Rows per batch; by default 65,536, or fewer where rows are large.",
       .min = 1},
      // Reading.
      {.name = "query",
       .doc = "Read the rows of this SELECT instead of a table; it runs as one piece.",
       .scope = kSource},
      {.name = "columns", .kind = OptionKind::list, .doc = "Read only these columns.", .scope = kSource},
      {.name = "where",
       .doc = "Read only rows that satisfy this SQL condition, evaluated by the server.",
       .scope = kSource},
      {.name = "tables",
       .kind = OptionKind::list,
       .doc = "Which tables of the schema: names or patterns with * and ?.",
       .scope = kSource},
      {.name = "cdc",
       .kind = OptionKind::boolean,
       .default_value = "false",
       .doc = "Follow the changes of the tables by logical replication, after a snapshot of what is there.",
       .scope = kSource},
      {.name = "slot", .doc = "The replication slot; by default sluice_<pipeline>.", .scope = kSource},
      {.name = "publication",
       .doc = "The publication; by default sluice_<pipeline>, created when it is missing.",
       .scope = kSource},
      {.name = "snapshot",
       .kind = OptionKind::choice,
       .default_value = "initial",
       .doc = "What a new stream does with the rows that are there: read them first (initial), begin with the changes "
              "from now on (never), or read them and end (only).",
       .scope = kSource,
       .choices = {"initial", "never", "only"}},
      {.name = "split_rows",
       .kind = OptionKind::integer,
       .default_value = "500000",
       .doc = "Larger tables are read in pieces of about this many rows, side by side.",
       .scope = kSource,
       .min = 1000},
      {.name = "heartbeat",
       .kind = OptionKind::duration,
       .default_value = "10s",
       .doc = "While the tables are quiet, write a message into the log this often (pg_logical_emit_message), so that "
              "the slot advances and old log can be removed; 0s never does.",
       .scope = kSource,
       .min = 0},
      {.name = "proto",
       .kind = OptionKind::integer,
       .doc = "pgoutput's protocol version; by default the newest that the server has.",
       .scope = kSource,
       .min = 1,
       .max = 4},
      {.name = "numeric_as",
       .kind = OptionKind::choice,
       .default_value = "decimal",
       .doc = "numeric(p,s) as exact decimals, where NaN is an error, or all numerics as text.",
       .scope = kSource,
       .choices = {"decimal", "text"}},
      {.name = "arrays_as",
       .kind = OptionKind::choice,
       .default_value = "list",
       .doc = "Arrays as lists, where a second dimension is an error, or as PostgreSQL's text.",
       .scope = kSource,
       .choices = {"list", "text"}},
      // Writing.
      {.name = "mode",
       .kind = OptionKind::choice,
       .doc =
           "append inserts every row; upsert replaces the row with the same key and deletes rows that were deleted at "
           "the source. Default: upsert when changes arrive and there is a key, else append.",
       .scope = kSink,
       .choices = {"append", "upsert"}},
      {.name = "key",
       .kind = OptionKind::list,
       .doc = "The columns that identify a row; by default the primary key.",
       .scope = kSink},
      {.name = "create_table",
       .kind = OptionKind::boolean,
       .default_value = "true",
       .doc = "Create the schema and the table when they are missing, and add columns that are.",
       .scope = kSink},
      {.name = "allow_lossy",
       .kind = OptionKind::boolean,
       .default_value = "false",
       .doc = "Write columns whose type may not hold every value (a double into numeric(10,2)); a value that does not "
              "fit is still an error.",
       .scope = kSink},
      {.name = "if_exists",
       .kind = OptionKind::choice,
       .default_value = "append",
       .doc = "What an unnamed statement does with a table that has rows: refuse it (error), add to it, or put the new "
              "rows in place of the old ones with the first epoch.",
       .scope = kSink,
       .choices = {"error", "append", "replace"}},
  };
  static const std::vector<OptionSpec> all = [] {
    std::vector<OptionSpec> joined = own;
    const auto connecting = postgres::connection_option_specs();
    joined.insert(joined.begin() + 2, connecting.begin(), connecting.end());  // behind table and schema
    return joined;
  }();
  return all;
}

Result<OptionValues> parse(const ConnectorRequest& request, OptionScope side) {
  return OptionValues::parse("postgresql", specs(), side, request.options);
}

std::string name_at_server(const std::string& pipeline) {
  std::string out = "sluice_";
  for (char c : pipeline) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    out += plain ? c : '_';  // a slot's name has lower-case letters, digits and '_' only
  }
  return out.substr(0, 63);
}

SnapshotMode snapshot_of(const std::string& text) {
  if (text == "never") return SnapshotMode::never;
  return text == "only" ? SnapshotMode::only : SnapshotMode::initial;
}

Result<void> check_source(const SourceSettings& settings, const OptionValues& options) {
  const auto alone = [&](const char* name, std::initializer_list<const char*> others) -> Result<void> {
    if (!options.is_given(name)) return {};
    for (const char* other : others) {
      if (options.is_given(other)) {
        return user_error("{}: '{}' and '{}' exclude each other", options.where(name), name, other);
      }
    }
    return {};
  };
  TRY(alone("query", {"table", "tables", "columns", "where"}));
  TRY(alone("table", {"tables"}));
  if (!settings.query.empty() && settings.cdc) {
    return user_error("{}: the changes of a query cannot be followed; name a table", options.where("query"));
  }
  for (const char* name : {"slot", "publication", "snapshot", "heartbeat", "proto"}) {
    if (options.is_given(name) && !settings.cdc) {
      return user_error("{}: '{}' needs cdc := true", options.where(name), name);
    }
  }
  if (settings.cdc && settings.pipeline.empty() && !options.is_given("slot")) return {};  // schema, explain
  if (settings.streaming && !settings.cdc) {
    return user_error(
        "{}: a table that is not followed has an end; write CREATE TABLE … AS, or follow its changes with cdc := true",
        settings.where);
  }
  return {};
}

}  // namespace

std::span<const OptionSpec> option_specs() { return specs(); }

std::string TableName::quoted() const { return postgres::quote(schema) + "." + postgres::quote(name); }

TableName parse_table(const std::string& text, const std::string& schema) {
  const size_t dot = text.find('.');
  if (dot == std::string::npos) return {schema, text};
  return {text.substr(0, dot), text.substr(dot + 1)};
}

Result<SourceSettings> source_settings(const ConnectorRequest& request) {
  auto options = TRY(parse(request, kSource));
  SourceSettings settings;
  settings.target = postgres::target_of(request.location, options, request.pipeline);
  settings.where = request.where;
  settings.pipeline = request.pipeline;
  settings.streaming = request.streaming;
  settings.cdc = options.boolean("cdc");
  settings.schema = options.text("schema");
  if (options.has("table")) settings.table = parse_table(options.text("table"), settings.schema);
  if (options.has("tables")) settings.tables = options.list("tables");
  if (options.has("query")) settings.query = options.text("query");
  if (options.has("columns")) settings.columns = options.list("columns");
  if (options.has("where")) settings.condition = options.text("where");
  if (options.has("batch_size")) settings.batch_rows = options.integer("batch_size");
  settings.split_rows = options.integer("split_rows");
  settings.slot = options.has("slot") ? options.text("slot") : name_at_server(request.pipeline);
  settings.publication = options.has("publication") ? options.text("publication") : name_at_server(request.pipeline);
  settings.snapshot = snapshot_of(options.text("snapshot"));
  settings.heartbeat = options.duration("heartbeat");
  if (options.has("proto")) settings.proto = static_cast<int>(options.integer("proto"));
  settings.types.numeric_as_text = options.text("numeric_as") == "text";
  settings.types.arrays_as_text = options.text("arrays_as") == "text";
  TRY(check_source(settings, options));
  return settings;
}

bool SinkSettings::many_tables() const { return table.empty() || table.find("{table}") != std::string::npos; }

TableName SinkSettings::table_for(const TableId& id) const {
  const auto filled = [&](std::string text) {
    for (const auto& [hole, name] : {std::pair("{schema}", id.schema), std::pair("{table}", id.name)}) {
      for (size_t at = text.find(hole); at != std::string::npos; at = text.find(hole, at + name.size())) {
        text.replace(at, std::string_view(hole).size(), name);
      }
    }
    return text;
  };
  if (table.empty()) return {filled(schema), id.name};
  return parse_table(filled(table), filled(schema));
}

Result<SinkSettings> sink_settings(const ConnectorRequest& request) {
  auto options = TRY(parse(request, kSink));
  SinkSettings settings;
  settings.target = postgres::target_of(request.location, options, request.pipeline);
  settings.where = request.where;
  settings.pipeline = request.pipeline;
  settings.schema = options.text("schema");
  if (options.has("table")) settings.table = options.text("table");
  if (options.has("key")) settings.key = options.list("key");
  settings.mode_given = options.has("mode");
  settings.upsert = settings.mode_given && options.text("mode") == "upsert";
  settings.create_table = options.boolean("create_table");
  settings.allow_lossy = options.boolean("allow_lossy");
  settings.one_off = request.one_off;
  const std::string& if_exists = options.text("if_exists");
  settings.if_exists = if_exists == "error"     ? TableExists::error
                       : if_exists == "replace" ? TableExists::replace
                                                : TableExists::append;
  if (options.is_given("if_exists") && !request.one_off) {
    return user_error("{}: if_exists is for unnamed statements; a named one adds what is new",
                      options.where("if_exists"));
  }
  if (settings.many_tables() && settings.if_exists != TableExists::append) {
    return user_error("{}: if_exists needs one table", options.where("if_exists"));
  }
  return settings;
}

}  // namespace sluice::postgresql
