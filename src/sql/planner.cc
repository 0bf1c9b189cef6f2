#include "sql/planner.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "sql/bounded_select.h"
#include "sql/endpoint.h"
#include "sql/quick_select.h"
#include "sql/row_select.h"
#include "sql/select.h"

namespace sluice {
namespace sql {
namespace {

constexpr int64_t kRowMemory = 256 << 20;  // row-wise statements hold one batch per lane

uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

bool is_generator(std::string_view name) {
  return name == "range" || name == "generate_series" || name == "unnest" || name == "repeat" || name == "repeat_row";
}

bool reads_by_itself(std::string_view name) {
  return name.starts_with("read_") || name.starts_with("parquet_") || name.ends_with("_scan") || name == "glob" ||
         name == "query" || name == "query_table" || name == "sniff_csv";
}

// Reserved words, which cannot be anybody's column. Sorted.
bool is_keyword(const Token& token) {
  static constexpr std::string_view kKeywords[] = {
      "all",   "and",   "as",     "asc",   "between", "by",    "case",  "cast",   "cross", "desc",  "distinct",
      "else",  "end",   "except", "false", "from",    "full",  "group", "having", "in",    "inner", "intersect",
      "is",    "join",  "left",   "like",  "limit",   "not",   "null",  "offset", "on",    "or",    "order",
      "outer", "right", "select", "then",  "true",    "union", "using", "when",   "where", "with"};
  return token.kind == TokenKind::word &&
         std::binary_search(std::begin(kKeywords), std::end(kKeywords), to_lower(token.text));
}

std::string to_upper(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return text;
}

class Planner {
 public:
  Planner(Context& context, std::shared_ptr<const Script> script, std::shared_ptr<const std::vector<Token>> tokens)
      : context_(context), script_(std::move(script)), tokens_(std::move(tokens)) {
    Engine::Settings settings;
    settings.memory_bytes = std::min(kRowMemory, context_.memory.limit());
    engine_ = std::make_shared<LazyEngine>(settings);
  }

  Result<PipelinePlan> plan(const Statement& statement) {
    PipelinePlan plan;
    plan.kind = statement.kind;
    plan.name = statement.name;
    plan.named = !statement.name.empty();
    plan.or_replace = statement.or_replace;
    plan.where = script_->line_of(statement.begin);
    TRY(refuse_second_name(statement));
    auto select = std::make_shared<Select>(Select{script_, tokens_, statement, {}});
    TRY(read_select(*select));
    TRY(add_endpoints(statement, *select, plan));
    TRY(add_transform(select, plan));
    plan.definition = definition(statement, *select, plan);
    name_unnamed(plan, *select);
    if (plan.named && plan.sink) defined_.emplace_back(plan.name, *plan.sink);
    return plan;
  }

 private:
  Result<void> read_select(Select& select) {
    auto quick = read_quick_select(*tokens_, select.statement);
    if (quick && !is_generator(to_lower((*tokens_)[quick->call_token].text))) {
      std::vector<InputRef> inputs;
      TRY(add_call_at(quick->call_token, quick->alias, select, inputs));
      select.info = std::move(quick->info);
      select.info.inputs = std::move(inputs);
      return {};
    }
    if (!connection_) connection_ = TRY(TRY(engine_->get())->connect());
    auto tree = TRY(parse_select_tree(*connection_, *script_, select.statement, without_options(select)));
    auto inputs = TRY(find_inputs(tree, select));
    select.info = analyse_select(tree, select, std::move(inputs));
    return {};
  }

  // The SELECT with blanks for the options of connector calls: DuckDB's parser knows no named argument that is a
  // keyword, as `null` and `table` are, and nobody reads them from its tree.
  std::string without_options(const Select& select) const {
    std::string text = select.text();
    const Statement& statement = select.statement;
    const auto& connectors = context_.registry.connectors();
    for (size_t i = statement.select_first_token; i + 3 < statement.select_last_token; ++i) {
      const Token& name = (*tokens_)[i];
      bool call = name.is_name() && (*tokens_)[i + 1].is_symbol("(") && (*tokens_)[i + 2].kind == TokenKind::string &&
                  (*tokens_)[i + 3].is_symbol(",");
      if (!call || std::none_of(connectors.begin(), connectors.end(), [&](const auto& connector) {
            return equals_ignoring_case(connector.name, name.text);
          })) {
        continue;
      }
      const size_t close = matching_close(*tokens_, i + 1);
      if (close >= statement.select_last_token) break;
      for (size_t at = (*tokens_)[i + 3].begin; at < (*tokens_)[close].begin; ++at) {
        char& c = text[at - statement.select_begin];
        if (c != '\n') c = ' ';
      }
      i = close;
    }
    return text;
  }

  Result<void> refuse_second_name(const Statement& statement) const {
    for (const auto& [name, sink] : defined_) {
      if (!statement.name.empty() && equals_ignoring_case(name, statement.name)) {
        return user_error("{}: '{}' is already the name of an earlier statement in this file",
                          script_->position(statement.begin), statement.name);
      }
    }
    return {};
  }

  [[nodiscard]] size_t token_at(size_t offset) const {
    auto found = std::lower_bound(tokens_->begin(), tokens_->end(), offset,
                                  [](const Token& token, size_t value) { return token.begin < value; });
    return static_cast<size_t>(found - tokens_->begin());
  }

  // Connector calls and names in FROM, in the order of the text. Everything else that reads is refused here.
  Result<std::vector<InputRef>> find_inputs(const Json& tree, const Select& select) {
    std::vector<InputRef> inputs;
    TRY(walk(tree, select, {}, inputs));
    std::sort(inputs.begin(), inputs.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
    return inputs;
  }

  // A name of WITH means its query in what stands behind it, not in itself unless that is RECURSIVE.
  Result<void> walk_with(const Json& node, const Select& select, std::set<std::string> ctes,
                         std::vector<InputRef>& inputs) {
    if (node.contains("cte_map")) {
      for (const auto& entry : node["cte_map"]["map"]) {
        TRY(walk(entry["value"], select, ctes, inputs));
        ctes.insert(to_lower(entry["key"].get<std::string>()));
      }
    }
    if (node.value("type", Json()) == "RECURSIVE_CTE_NODE") ctes.insert(to_lower(node.value("cte_name", "")));
    for (const auto& [key, child] : node.items()) {
      if (key != "cte_map") TRY(walk(child, select, ctes, inputs));
    }
    return {};
  }

  Result<void> walk(const Json& node, const Select& select, const std::set<std::string>& ctes,
                    std::vector<InputRef>& inputs) {
    if (!node.is_object() && !node.is_array()) return {};
    if (node.is_object()) {
      auto type = node.find("type");
      if (type != node.end() && *type == "TABLE_FUNCTION") TRY(add_call(node, select, inputs));
      if (type != node.end() && *type == "BASE_TABLE") TRY(add_name(node, select, ctes, inputs));
      if (node.value("class", Json()) == "PARAMETER") {
        return user_error("{}: parameters ($1, ?) have no value here; use ${{NAME}} and --var",
                          script_->position(offset_of(node, select, select.statement.select_begin)));
      }
    }
    if (node.contains("cte_map") || node.contains("cte_name")) return walk_with(node, select, ctes, inputs);
    for (const auto& child : node) TRY(walk(child, select, ctes, inputs));
    return {};
  }

  Result<void> add_call(const Json& node, const Select& select, std::vector<InputRef>& inputs) {
    std::string name = to_lower(node["function"].value("function_name", ""));
    size_t offset = offset_of(node, select, select.statement.select_begin);
    if (!is_generator(name)) return add_call_at(token_at(offset), node.value("alias", ""), select, inputs);
    if (select.statement.kind != PipelineKind::stream) return {};
    return user_error("{}: {}() is no source that a stream can follow", script_->position(offset), name);
  }

  Result<void> add_call_at(size_t token, const std::string& alias, const Select& select,
                           std::vector<InputRef>& inputs) {
    std::string name = to_lower((*tokens_)[token].text);
    if (reads_by_itself(name)) {
      return user_error("{}: {}() would read behind Sluice's back; use file('…')",
                        script_->position((*tokens_)[token].begin), name);
    }
    auto call = TRY(parse_connector_call(*script_, *tokens_, token));
    InputRef input;
    input.begin = call.begin;
    input.end = call.end;
    input.needs_alias = alias.empty();
    input.alias = alias.empty() ? call.connector : alias;
    // A stream follows its first input; the others are lookups and read once.
    bool drives = select.statement.kind == PipelineKind::stream && inputs.empty();
    input.endpoint = TRY(
        make_endpoint(context_.registry, *script_, call, {OptionScope::source, select.statement.name, drives, false}));
    inputs.push_back(std::move(input));
    return {};
  }

  Result<void> add_name(const Json& node, const Select& select, const std::set<std::string>& ctes,
                        std::vector<InputRef>& inputs) {
    std::string name = node.value("table_name", "");
    size_t offset = offset_of(node, select, select.statement.select_begin);
    if (node.value("schema_name", "").empty() && ctes.contains(to_lower(name))) return {};
    const Endpoint* sink = nullptr;
    std::vector<std::string_view> known;
    for (const auto& [defined, endpoint] : defined_) {
      known.push_back(defined);
      if (equals_ignoring_case(defined, name)) sink = &endpoint;
    }
    if (sink == nullptr) {
      auto near = nearest(name, known);
      std::string hint = near.empty() ? "" : fmt::format("; did you mean '{}'?", near);
      return user_error(
          "{}: FROM {}: nothing earlier in this file has that name; read a source with a connector call such "
          "as file('…'){}",
          script_->position(offset), name, hint);
    }
    InputRef input;
    size_t token = token_at(offset);
    input.begin = (*tokens_)[token].begin;
    input.end = (*tokens_)[token].end;
    input.alias = node.value("alias", "");
    input.needs_alias = input.alias.empty();
    if (input.needs_alias) input.alias = name;
    input.endpoint = read_back(context_.registry, *sink, script_->position(offset));
    inputs.push_back(std::move(input));
    return {};
  }

  Result<void> add_endpoints(const Statement& statement, const Select& select, PipelinePlan& plan) {
    bool one_off = statement.kind == PipelineKind::insert;
    bool streaming = statement.kind == PipelineKind::stream;
    if (!select.info.inputs.empty()) plan.source = select.info.inputs[0].endpoint;
    plan.source.alias = select.info.inputs.empty() ? "" : select.info.inputs[0].alias;
    plan.source.request.streaming = streaming;
    EndpointUse use{OptionScope::sink, statement.name, streaming, one_off};
    if (statement.sink) plan.sink = TRY(make_endpoint(context_.registry, *script_, *statement.sink, use));
    if (statement.dead_letters) {
      plan.dead_letters = TRY(make_endpoint(context_.registry, *script_, *statement.dead_letters, use));
    }
    for (const auto& option : statement.with) plan.with[option.name] = {option.value, script_->position(option.offset)};
    return {};
  }

  // What `key` of the sink says, unless each change is a row of its own.
  static Result<std::vector<std::string>> keys_of(const PipelinePlan& plan) {
    if (!plan.sink) return std::vector<std::string>();
    const auto& options = plan.sink->request.options;
    const auto mode = options.find("mode");
    const auto key = options.find("key");
    if (key == options.end() || (mode != options.end() && mode->second.value == "append")) {
      return std::vector<std::string>();
    }
    const OptionSpec spec{.name = "key", .kind = OptionKind::list};
    return TRY(OptionValues::parse("the sink", {&spec, 1}, OptionScope::sink, {*key})).list("key");
  }

  Result<void> add_transform(const std::shared_ptr<Select>& select, PipelinePlan& plan) {
    const auto& info = select->info;
    const auto& refusal = info.not_row_wise;
    if (!refusal) {
      plan.rows = make_row_select(select, engine_, TRY(keys_of(plan)));
      plan.request.limit = info.flow_limit;
      return {};
    }
    if (plan.kind == PipelineKind::stream) {
      return user_error("{}: a stream handles each row as it comes, and {}{}", script_->position(refusal->offset),
                        refusal->reason,
                        info.inputs.empty() ? "" : "; CREATE TABLE runs over all rows of bounded inputs");
    }
    plan.query = make_bounded_select(select);
    for (size_t i = 1; i < info.inputs.size(); ++i) {
      plan.more_sources.push_back(info.inputs[i].endpoint);
      plan.more_sources.back().alias = info.inputs[i].alias;
      plan.more_requests.emplace_back();
    }
    return {};
  }

  // Blanks, comments and the letter case of keywords do not change what a statement means, so they are not in here.
  std::string definition(const Statement& statement, const Select& select, const PipelinePlan& plan) const {
    std::string out;
    auto add = [&](std::string_view text) { (out += out.empty() ? "" : " ") += text; };
    if (statement.kind == PipelineKind::stream) add("CREATE STREAM " + statement.name);
    if (statement.kind == PipelineKind::table) add("CREATE TABLE " + statement.name);
    for (size_t i = statement.select_first_token; i < statement.select_last_token; ++i) {
      const auto& token = (*tokens_)[i];
      auto input = std::find_if(select.info.inputs.begin(), select.info.inputs.end(),
                                [&](const auto& item) { return item.begin == token.begin; });
      if (input == select.info.inputs.end()) {
        std::string text = script_->text().substr(token.begin, token.end - token.begin);
        add(is_keyword(token) ? to_upper(text) : text);
        continue;
      }
      add(render(context_.registry, input->endpoint));
      while (i + 1 < statement.select_last_token && (*tokens_)[i + 1].begin < input->end) ++i;
    }
    if (plan.sink) add("INSERT INTO " + render(context_.registry, *plan.sink));
    return out;
  }

  static void name_unnamed(PipelinePlan& plan, const Select& select) {
    if (plan.named) return;
    const char* kind = plan.kind == PipelineKind::select ? "select" : "insert";
    plan.name = fmt::format("{}_{:016x}", kind, fnv1a(plan.definition));
    if (plan.sink) plan.sink->request.pipeline = plan.name;
    if (!select.info.inputs.empty()) plan.source.request.pipeline = plan.name;
  }

  Context& context_;
  std::shared_ptr<const Script> script_;
  std::shared_ptr<const std::vector<Token>> tokens_;
  std::shared_ptr<LazyEngine> engine_;
  std::unique_ptr<Connection> connection_;
  std::vector<std::pair<std::string, Endpoint>> defined_;
};

}  // namespace
}  // namespace sql

Result<std::vector<PipelinePlan>> plan_sql(Context& context, std::string_view text, const std::string& file_name,
                                           const std::map<std::string, std::string>& vars) {
  auto script = std::make_shared<const sql::Script>(TRY(sql::Script::make(text, file_name, vars)));
  auto tokens = std::make_shared<const std::vector<sql::Token>>(TRY(sql::tokenize(*script)));
  auto statements = TRY(sql::split_statements(*script, *tokens));
  sql::Planner planner(context, script, tokens);
  std::vector<PipelinePlan> plans;
  for (const auto& statement : statements) plans.push_back(TRY(planner.plan(statement)));
  return plans;
}

}  // namespace sluice
