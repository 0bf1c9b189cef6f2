#include "sql/statements.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace sluice::sql {
namespace {

// Reads tokens in order. Everything that can go wrong is said with the position of the token it went wrong at.
class Cursor {
 public:
  Cursor(const Script& script, const std::vector<Token>& tokens, size_t at, size_t end)
      : script_(script), tokens_(tokens), at_(at), end_(end) {
    limit_ = tokens.back();
    limit_.begin = limit_.end = tokens[end].begin;
  }

  [[nodiscard]] const Token& peek(size_t ahead = 0) const { return at_ + ahead < end_ ? tokens_[at_ + ahead] : limit_; }
  const Token& take() {
    const Token& token = peek();
    if (at_ < end_) ++at_;
    return token;
  }
  bool take_word(std::string_view keyword) { return peek().is_word(keyword) && (take(), true); }
  bool take_symbol(std::string_view symbol) { return peek().is_symbol(symbol) && (take(), true); }
  [[nodiscard]] bool done() const { return at_ >= end_; }
  [[nodiscard]] size_t at() const { return at_; }
  void jump(size_t at) { at_ = std::min(at, end_); }

  [[nodiscard]] std::string found() const {
    const auto& token = peek();
    if (token.kind == TokenKind::end) return "the end of the statement";
    std::string text = script_.text().substr(token.begin, token.end - token.begin);
    return '\'' + (text.size() > 40 ? text.substr(0, 40) + "…" : text) + '\'';
  }
  [[nodiscard]] std::string here() const { return script_.position(peek().begin); }
  [[nodiscard]] Error expected(std::string_view what) const {
    return user_error("{}: expected {}, found {}", here(), what, found());
  }
  // For keywords: adds the nearest one.
  [[nodiscard]] Error expected_keyword(std::initializer_list<std::string_view> keywords) const {
    std::string upper = peek().text;
    for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    std::vector<std::string_view> candidates(keywords);
    std::string names = fmt::format("{}", fmt::join(candidates, ", "));
    auto near = peek().is_name() ? nearest(upper, candidates) : std::string_view{};
    if (near.empty()) return expected(candidates.size() > 1 ? "one of " + names : names);
    return user_error("{}: expected {}{}, found {}; did you mean {}?", here(), candidates.size() > 1 ? "one of " : "",
                      names, found(), near);
  }
  Result<void> expect_word(std::string_view keyword) {
    if (!take_word(keyword)) return expected_keyword({keyword});
    return {};
  }
  Result<void> expect_symbol(std::string_view symbol, std::string_view context) {
    if (!take_symbol(symbol)) return expected(fmt::format("'{}' {}", symbol, context));
    return {};
  }

  [[nodiscard]] const Script& script() const { return script_; }
  [[nodiscard]] const std::vector<Token>& tokens() const { return tokens_; }
  [[nodiscard]] size_t end() const { return end_; }

 private:
  const Script& script_;
  const std::vector<Token>& tokens_;
  size_t at_;
  size_t end_;
  Token limit_;
};

bool is_assignment(const Token& token) {
  return token.is_symbol(":=") || token.is_symbol("=") || token.is_symbol("=>");
}

// ['a', 'b'] and ('a', 'b') both become ['a', 'b'].
Result<std::string> parse_list(Cursor& cursor, std::string_view close) {
  std::string out = "[";
  while (!cursor.take_symbol(close)) {
    if (out.size() > 1) {
      TRY(cursor.expect_symbol(",", "between the values of a list"));
      if (cursor.take_symbol(close)) break;
      out += ", ";
    }
    const Token& token = cursor.peek();
    if (token.kind == TokenKind::string) {
      std::string quoted;
      for (char c : token.text) quoted += c == '\'' ? "''" : std::string(1, c);
      out += '\'' + quoted + '\'';
    } else if (token.kind == TokenKind::number || token.is_name()) {
      out += token.text;
    } else {
      return cursor.expected("a string or a number in the list");
    }
    cursor.take();
  }
  return out + "]";
}

Result<std::string> parse_value(Cursor& cursor, const std::string& option) {
  const Token& token = cursor.peek();
  if (token.kind == TokenKind::string || token.kind == TokenKind::quoted_word) return std::string(cursor.take().text);
  if (cursor.take_symbol("[")) return parse_list(cursor, "]");
  if (cursor.take_symbol("(")) return parse_list(cursor, ")");
  std::string sign;
  if (cursor.take_symbol("-")) sign = "-";
  const Token& value = cursor.peek();
  if (value.kind != TokenKind::number && (value.kind != TokenKind::word || !sign.empty())) {
    return cursor.expected(fmt::format("a value for '{}': a string, number, true, false or a list", option));
  }
  cursor.take();
  // 64MB and 10s are a number with a word glued to it.
  const Token& unit = cursor.peek();
  if (value.kind == TokenKind::number && unit.kind == TokenKind::word && unit.begin == value.end) {
    return sign + value.text + cursor.take().text;
  }
  return sign + value.text;
}

// A name may be dotted: rdkafka.linger.ms := 5.
Result<std::string> parse_option_name(Cursor& cursor) {
  if (!cursor.peek().is_name()) return cursor.expected("an option's name");
  std::string name = cursor.take().text;
  while (cursor.peek().is_symbol(".") && cursor.peek(1).is_name()) {
    cursor.take();
    name += '.' + cursor.take().text;
  }
  return name;
}

Result<ConnectorCall::Option> parse_option(Cursor& cursor) {
  ConnectorCall::Option option;
  option.offset = cursor.peek().begin;
  option.name = TRY(parse_option_name(cursor));
  if (!is_assignment(cursor.peek())) return cursor.expected(fmt::format("':=' after '{}'", option.name));
  cursor.take();
  option.value = TRY(parse_value(cursor, option.name));
  return option;
}

template <typename Option>
Result<void> refuse_twice(const Cursor& cursor, const std::vector<Option>& options, const Option& added) {
  for (const auto& earlier : options) {
    if (earlier.name == added.name) {
      return user_error("{}: option '{}' is given twice", cursor.script().position(added.offset), added.name);
    }
  }
  return {};
}

Result<ConnectorCall> parse_call(Cursor& cursor) {
  ConnectorCall call;
  call.begin = cursor.peek().begin;
  if (!cursor.peek().is_name()) return cursor.expected("a connector such as file('…')");
  call.connector = to_lower(cursor.take().text);
  TRY(cursor.expect_symbol("(", fmt::format("after '{}': a connector is called with its location, as {}('…')",
                                            call.connector, call.connector)));
  if (cursor.peek().kind != TokenKind::string) {
    return cursor.expected(fmt::format("the location as a string: {}('…')", call.connector));
  }
  call.location_offset = cursor.peek().begin;
  call.location = cursor.take().text;
  while (!cursor.take_symbol(")")) {
    TRY(cursor.expect_symbol(",",
                             fmt::format("or ')' after an argument of {}(…); arguments are literals", call.connector)));
    auto option = TRY(parse_option(cursor));
    TRY(refuse_twice(cursor, call.options, option));
    call.options.push_back(std::move(option));
  }
  call.end = cursor.tokens()[cursor.at() - 1].end;
  return call;
}

Result<void> parse_with(Cursor& cursor, Statement& statement) {
  TRY(cursor.expect_symbol("(", "after WITH"));
  while (!cursor.take_symbol(")")) {
    if (!statement.with.empty() || statement.dead_letters) TRY(cursor.expect_symbol(",", "or ')' between options"));
    bool to_connector = cursor.peek().is_word("dead_letters") && is_assignment(cursor.peek(1)) &&
                        cursor.peek(2).is_name() && cursor.peek(3).is_symbol("(");
    if (to_connector) {
      cursor.take();
      cursor.take();
      statement.dead_letters = TRY(parse_call(cursor));
      continue;
    }
    auto option = TRY(parse_option(cursor));
    TRY(refuse_twice(cursor, statement.with, option));
    statement.with.push_back(std::move(option));
  }
  return {};
}

bool begins_select(const Token& token) {
  return token.is_word("select") || token.is_word("with") || token.is_word("from") || token.is_word("values") ||
         token.is_symbol("(");
}

// The SELECT reaches to INSERT INTO outside of parentheses, or to the end.
Result<void> parse_select(Cursor& cursor, Statement& statement) {
  if (!begins_select(cursor.peek())) return cursor.expected_keyword({"SELECT", "WITH", "FROM", "VALUES"});
  statement.select_first_token = cursor.at();
  statement.select_begin = cursor.peek().begin;
  size_t at = cursor.at();
  while (at < cursor.end()) {
    const Token& token = cursor.tokens()[at];
    if (token.is_symbol("(") || token.is_symbol("[") || token.is_symbol("{")) {
      at = matching_close(cursor.tokens(), at);
      if (at >= cursor.end()) {
        return user_error("{}: this '{}' is never closed", cursor.script().position(token.begin), token.text);
      }
    } else if (token.is_word("insert") && at + 1 < cursor.end() && cursor.tokens()[at + 1].is_word("into")) {
      break;
    }
    ++at;
  }
  statement.select_last_token = at;
  statement.select_end = cursor.tokens()[at - 1].end;
  cursor.jump(at);
  return {};
}

Result<void> parse_sink(Cursor& cursor, Statement& statement) {
  TRY(cursor.expect_word("insert"));
  TRY(cursor.expect_word("into"));
  statement.sink = TRY(parse_call(cursor));
  return {};
}

Result<void> parse_create(Cursor& cursor, Statement& statement) {
  cursor.take();
  if (cursor.take_word("or")) {
    TRY(cursor.expect_word("replace"));
    statement.or_replace = true;
  }
  bool stream = cursor.peek().is_word("stream");
  if (!stream && !cursor.peek().is_word("table")) {
    if (statement.or_replace) return cursor.expected_keyword({"STREAM", "TABLE"});
    return cursor.expected_keyword({"STREAM", "TABLE", "OR REPLACE"});
  }
  const char* what = stream ? "STREAM" : "TABLE";
  statement.kind = stream ? PipelineKind::stream : PipelineKind::table;
  cursor.take();
  if (!cursor.peek().is_name()) return cursor.expected(fmt::format("a name after CREATE {}", what));
  statement.name = cursor.take().text;
  if (cursor.take_word("with")) TRY(parse_with(cursor, statement));
  TRY(cursor.expect_word("as"));
  TRY(parse_select(cursor, statement));
  if (cursor.done()) {
    return user_error("{}: CREATE {} {} has no destination; end it with INSERT INTO connector('…')", cursor.here(),
                      what, statement.name);
  }
  return parse_sink(cursor, statement);
}

Result<void> parse_insert(Cursor& cursor, Statement& statement) {
  statement.kind = PipelineKind::insert;
  TRY(parse_sink(cursor, statement));
  if (cursor.peek().is_word("with") && cursor.peek(1).is_symbol("(")) {
    cursor.take();
    TRY(parse_with(cursor, statement));
  }
  cursor.take_word("as");
  return parse_select(cursor, statement);
}

Result<Statement> parse_statement(Cursor& cursor) {
  Statement statement;
  statement.first_token = cursor.at();
  statement.begin = cursor.peek().begin;
  if (cursor.peek().is_word("create")) {
    TRY(parse_create(cursor, statement));
  } else if (cursor.peek().is_word("insert")) {
    TRY(parse_insert(cursor, statement));
  } else if (begins_select(cursor.peek())) {
    TRY(parse_select(cursor, statement));
    if (!cursor.done()) {
      statement.kind = PipelineKind::insert;
      TRY(parse_sink(cursor, statement));
    }
  } else {
    return cursor.expected_keyword({"CREATE", "INSERT", "SELECT", "WITH", "FROM", "VALUES"});
  }
  if (cursor.peek().is_word("with")) {
    return user_error("{}: options come before AS: CREATE STREAM name WITH (…) AS SELECT …", cursor.here());
  }
  if (!cursor.done()) return cursor.expected("';' after the statement");
  statement.last_token = cursor.at();
  statement.end = cursor.tokens()[cursor.at() - 1].end;
  return statement;
}

}  // namespace

Result<std::vector<Statement>> split_statements(const Script& script, const std::vector<Token>& tokens) {
  std::vector<Statement> statements;
  size_t begin = 0;
  while (begin + 1 < tokens.size()) {
    size_t end = begin;
    while (end + 1 < tokens.size() && !tokens[end].is_symbol(";")) ++end;
    if (end > begin) {
      Cursor cursor(script, tokens, begin, end);
      statements.push_back(TRY(parse_statement(cursor)));
    }
    begin = end + 1;
  }
  return statements;
}

Result<ConnectorCall> parse_connector_call(const Script& script, const std::vector<Token>& tokens, size_t at) {
  Cursor cursor(script, tokens, at, tokens.size() - 1);
  return parse_call(cursor);
}

}  // namespace sluice::sql
