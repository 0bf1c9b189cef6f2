#include "sql/quick_select.h"

#include <algorithm>
#include <iterator>

namespace sluice::sql {
namespace {

// Words that are, or may be, more than a column's name: keywords PostgreSQL and DuckDB reserve, types in front of
// literals, and functions without parentheses. Sorted.
// One name a line would be hundreds of lines.
// clang-format off
constexpr std::string_view kNotNames[] = {
    "all", "analyse", "analyze", "and", "anti", "any", "array", "as", "asc", "asof", "asymmetric", "at", "between",
    "both", "by", "case", "cast", "check", "collate", "collation", "column", "columns", "concurrently",
    "constraint", "create", "cross", "current_catalog", "current_database", "current_date", "current_role",
    "current_schema", "current_time", "current_timestamp", "current_user", "date", "default", "deferrable", "desc",
    "describe", "distinct", "do", "else", "end", "except", "exclude", "exists", "false", "fetch", "for", "foreign",
    "freeze", "from", "full", "generated", "glob", "grant", "group", "having", "ilike", "in", "initially", "inner",
    "intersect", "interval", "into", "is", "isnull", "join", "lambda", "lateral", "leading", "left", "like",
    "limit", "localtime", "localtimestamp", "map", "natural", "not", "notnull", "null", "offset", "on", "only",
    "or", "order", "outer", "overlaps", "pivot", "pivot_longer", "pivot_wider", "placing", "positional", "primary",
    "qualify", "references", "rename", "replace", "returning", "right", "row", "rowid", "select", "semi",
    "session_user", "show", "similar", "some", "struct", "summarize", "symmetric", "table", "tablesample", "then",
    "time", "timestamp", "to", "today", "trailing", "true", "try_cast", "union", "unique", "unpivot", "user",
    "using", "values", "variadic", "verbose", "when", "where", "window", "with"};
// clang-format on

class Reader {
 public:
  Reader(const std::vector<Token>& tokens, const Statement& statement)
      : tokens_(tokens),
        at_(statement.select_first_token),
        end_(statement.select_last_token),
        prints_(statement.kind == PipelineKind::select) {}

  std::optional<QuickSelect> read() {
    if (!take("select") || !list() || !take("from") || !from()) return std::nullopt;
    if (take("where")) {
      out_.info.has_where = true;
      do {
        if (!condition()) return std::nullopt;
      } while (take("and"));
    }
    if (!limit() || at_ != end_) return std::nullopt;
    out_.info.plain = true;
    return std::move(out_);
  }

 private:
  [[nodiscard]] const Token& peek() const { return at_ < end_ ? tokens_[at_] : tokens_.back(); }
  bool take(std::string_view word) { return peek().is_word(word) && (++at_, true); }
  bool take_symbol(std::string_view symbol) { return peek().is_symbol(symbol) && (++at_, true); }

  static bool is_plain_name(const Token& token) {
    if (token.kind == TokenKind::quoted_word) return !token.text.empty();
    if (token.kind != TokenKind::word) return false;
    return !std::binary_search(std::begin(kNotNames), std::end(kNotNames), to_lower(token.text));
  }

  // a.b.c, not followed by what would make it something else.
  bool names(Names& out) {
    do {
      if (!is_plain_name(peek())) return false;
      out.push_back(peek().text);
      ++at_;
    } while (take_symbol("."));
    return !peek().is_symbol("(") && !peek().is_symbol("[") && peek().kind != TokenKind::string;
  }

  bool list() {
    do {
      SelectItem item;
      if (take_symbol("*")) {
        item.kind = SelectItem::Kind::star;
        out_.info.all_columns = true;
      } else {
        item.kind = SelectItem::Kind::column;
        if (!names(item.column)) return false;
        if (take("as")) {
          if (!is_plain_name(peek())) return false;
          item.alias = peek().text;
          ++at_;
        }
        out_.info.columns.push_back(item.column);
      }
      out_.info.items.push_back(std::move(item));
    } while (take_symbol(","));
    return true;
  }

  bool from() {
    out_.call_token = at_;
    if (!is_plain_name(peek()) || at_ + 1 >= end_ || !tokens_[at_ + 1].is_symbol("(")) return false;
    at_ = matching_close(tokens_, at_ + 1) + 1;
    if (at_ > end_) return false;
    bool as = take("as");
    if (!is_plain_name(peek())) return !as;
    out_.alias = peek().text;
    ++at_;
    return true;
  }

  // LIMIT n of what is printed. A stream's is refused by who reads the whole tree; a table's is a query of its own.
  bool limit() {
    if (!take("limit")) return true;
    const std::string& digits = peek().text;
    if (!prints_ || peek().kind != TokenKind::number || digits.size() > 18) return false;
    if (digits.find_first_not_of("0123456789") != std::string::npos) return false;
    out_.info.flow_limit = std::stoll(digits);
    ++at_;
    return true;
  }

  bool literal(SimplePredicate& predicate) {
    using Kind = Literal::Kind;
    if (peek().has_escapes) return false;  // DuckDB's own reading counts
    std::string sign = take_symbol("-") ? "-" : "";
    const Token& token = peek();
    if (token.kind == TokenKind::number) {
      bool plain = token.text.find_first_not_of("0123456789.") == std::string::npos;
      plain = plain && token.text.size() <= 38;  // beyond that it is a DOUBLE
      if (!plain || token.text.back() == '.' || token.text.front() == '.') return false;
      ++at_;
      // 64MB and 1e5: a word glued to a number.
      if (peek().kind == TokenKind::word && peek().begin == token.end) return false;
      predicate.literals.push_back({Kind::number, sign + token.text});
      return true;
    }
    if (!sign.empty()) return false;
    if (token.kind == TokenKind::string) {
      predicate.literals.push_back({Kind::text, token.text});
    } else if (token.is_word("true") || token.is_word("false")) {
      predicate.literals.push_back({Kind::boolean, to_lower(token.text)});
    } else if ((token.is_word("date") || token.is_word("timestamp")) && at_ + 1 < end_ &&
               tokens_[at_ + 1].kind == TokenKind::string && !tokens_[at_ + 1].has_escapes) {
      predicate.literals.push_back({token.is_word("date") ? Kind::date : Kind::timestamp, tokens_[at_ + 1].text});
      ++at_;
    } else {
      return false;
    }
    ++at_;
    return true;
  }

  static std::optional<Predicate::Op> operator_of(const Token& token) {
    using Op = Predicate::Op;
    if (token.is_symbol("=") || token.is_symbol("==")) return Op::eq;
    if (token.is_symbol("<>") || token.is_symbol("!=")) return Op::ne;
    if (token.is_symbol("<")) return Op::lt;
    if (token.is_symbol("<=")) return Op::le;
    if (token.is_symbol(">")) return Op::gt;
    if (token.is_symbol(">=")) return Op::ge;
    return std::nullopt;
  }

  bool condition() {
    SimplePredicate predicate;
    if (!names(predicate.column)) return false;
    out_.info.columns.push_back(predicate.column);
    if (auto op = operator_of(peek())) {
      ++at_;
      predicate.op = *op;
      if (!literal(predicate)) return false;
    } else if (take("is")) {
      predicate.op = take("not") ? Predicate::Op::is_not_null : Predicate::Op::is_null;
      if (!take("null")) return false;
    } else if (take("in")) {
      predicate.op = Predicate::Op::in;
      if (!take_symbol("(")) return false;
      do {
        if (!literal(predicate)) return false;
      } while (take_symbol(","));
      if (!take_symbol(")")) return false;
    } else {
      return false;
    }
    // What follows ends the condition, or it was part of something larger: a = 1 OR …, a = 1 + b.
    bool ends = at_ == end_ || peek().is_word("and") || peek().is_word("limit");
    out_.info.filter.push_back(std::move(predicate));
    return ends;
  }

  const std::vector<Token>& tokens_;
  size_t at_;
  size_t end_;
  bool prints_;
  QuickSelect out_;
};

}  // namespace

std::optional<QuickSelect> read_quick_select(const std::vector<Token>& tokens, const Statement& statement) {
  return Reader(tokens, statement).read();
}

}  // namespace sluice::sql
