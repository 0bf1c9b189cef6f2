// The parser of column lists: 'id BIGINT, tags VARCHAR[], user STRUCT(id BIGINT, city VARCHAR)'.
#include <algorithm>
#include <charconv>
#include <set>

#include <arrow/type.h>

#include "batch/schema.h"

namespace sluice {
namespace {

struct NamedType {
  std::string_view name;
  TypePtr (*make)();
};

TypePtr utc() { return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"); }
TypePtr naive(arrow::TimeUnit::type unit) { return arrow::timestamp(unit); }

// DuckDB's names and aliases (`SELECT * FROM duckdb_types()`). UUID and JSON are text here: both travel as such through
// every format and sink we have. INT8 is 8 bytes, as in PostgreSQL and DuckDB.
constexpr NamedType kTypes[] = {
    {"NULL", [] { return arrow::null(); }},
    {"BOOLEAN", [] { return arrow::boolean(); }},
    {"BOOL", [] { return arrow::boolean(); }},
    {"LOGICAL", [] { return arrow::boolean(); }},
    {"TINYINT", [] { return arrow::int8(); }},
    {"INT1", [] { return arrow::int8(); }},
    {"SMALLINT", [] { return arrow::int16(); }},
    {"INT2", [] { return arrow::int16(); }},
    {"INT16", [] { return arrow::int16(); }},
    {"SHORT", [] { return arrow::int16(); }},
    {"INTEGER", [] { return arrow::int32(); }},
    {"INT", [] { return arrow::int32(); }},
    {"INT4", [] { return arrow::int32(); }},
    {"INT32", [] { return arrow::int32(); }},
    {"SIGNED", [] { return arrow::int32(); }},
    {"BIGINT", [] { return arrow::int64(); }},
    {"INT8", [] { return arrow::int64(); }},
    {"INT64", [] { return arrow::int64(); }},
    {"LONG", [] { return arrow::int64(); }},
    {"UTINYINT", [] { return arrow::uint8(); }},
    {"UINT8", [] { return arrow::uint8(); }},
    {"USMALLINT", [] { return arrow::uint16(); }},
    {"UINT16", [] { return arrow::uint16(); }},
    {"UINTEGER", [] { return arrow::uint32(); }},
    {"UINT32", [] { return arrow::uint32(); }},
    {"UBIGINT", [] { return arrow::uint64(); }},
    {"UINT64", [] { return arrow::uint64(); }},
    {"HUGEINT", [] { return arrow::decimal128(38, 0); }},
    {"INT128", [] { return arrow::decimal128(38, 0); }},
    {"FLOAT", [] { return arrow::float32(); }},
    {"FLOAT4", [] { return arrow::float32(); }},
    {"REAL", [] { return arrow::float32(); }},
    {"DOUBLE", [] { return arrow::float64(); }},
    {"DOUBLE PRECISION", [] { return arrow::float64(); }},
    {"FLOAT8", [] { return arrow::float64(); }},
    {"VARCHAR", [] { return arrow::utf8(); }},
    {"CHARACTER VARYING", [] { return arrow::utf8(); }},
    {"CHAR", [] { return arrow::utf8(); }},
    {"CHARACTER", [] { return arrow::utf8(); }},
    {"BPCHAR", [] { return arrow::utf8(); }},
    {"NVARCHAR", [] { return arrow::utf8(); }},
    {"TEXT", [] { return arrow::utf8(); }},
    {"STRING", [] { return arrow::utf8(); }},
    {"UUID", [] { return arrow::utf8(); }},
    {"JSON", [] { return arrow::utf8(); }},
    {"BLOB", [] { return arrow::binary(); }},
    {"BYTEA", [] { return arrow::binary(); }},
    {"BINARY", [] { return arrow::binary(); }},
    {"VARBINARY", [] { return arrow::binary(); }},
    {"DATE", [] { return arrow::date32(); }},
    {"TIME", [] { return arrow::time64(arrow::TimeUnit::MICRO); }},
    {"TIME WITHOUT TIME ZONE", [] { return arrow::time64(arrow::TimeUnit::MICRO); }},
    {"TIME_NS", [] { return arrow::time64(arrow::TimeUnit::NANO); }},
    {"TIMESTAMP", [] { return naive(arrow::TimeUnit::MICRO); }},
    {"DATETIME", [] { return naive(arrow::TimeUnit::MICRO); }},
    {"TIMESTAMP WITHOUT TIME ZONE", [] { return naive(arrow::TimeUnit::MICRO); }},
    {"TIMESTAMP_US", [] { return naive(arrow::TimeUnit::MICRO); }},
    {"TIMESTAMP_S", [] { return naive(arrow::TimeUnit::SECOND); }},
    {"TIMESTAMP_MS", [] { return naive(arrow::TimeUnit::MILLI); }},
    {"TIMESTAMP_NS", [] { return naive(arrow::TimeUnit::NANO); }},
    {"TIMESTAMPTZ", [] { return utc(); }},
    {"TIMESTAMP WITH TIME ZONE", [] { return utc(); }},
    // Not DuckDB's, but what type_name() prints for units DuckDB has no zoned type for.
    {"TIMESTAMP_S WITH TIME ZONE", [] { return arrow::timestamp(arrow::TimeUnit::SECOND, "UTC"); }},
    {"TIMESTAMP_MS WITH TIME ZONE", [] { return arrow::timestamp(arrow::TimeUnit::MILLI, "UTC"); }},
    {"TIMESTAMP_NS WITH TIME ZONE", [] { return arrow::timestamp(arrow::TimeUnit::NANO, "UTC"); }},
    {"INTERVAL", [] { return arrow::month_day_nano_interval(); }},
};

// Words that may follow the first word of a type's name.
constexpr std::string_view kSecondWords[] = {"PRECISION", "VARYING", "WITH", "WITHOUT", "TIME", "ZONE"};

struct Token {
  enum class Kind { word, quoted, number, symbol, end, broken };
  Kind kind = Kind::end;
  std::string text;   // unquoted
  std::string upper;  // of a word
  size_t at = 0;      // 0-based byte offset
};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) { advance(); }

  Result<SchemaPtr> columns() {
    auto fields = TRY(fields_until_end(0, "column"));
    if (token_.kind != Token::Kind::end) return unexpected("a comma or the end");
    return arrow::schema(std::move(fields));
  }

  Result<TypePtr> whole_type() {
    auto parsed = TRY(type(0));
    if (token_.kind != Token::Kind::end) return unexpected("the end");
    return parsed;
  }

 private:
  static constexpr int kDeepest = 64;  // of nested types: bounds the stack

  // name TYPE [NOT NULL], …; for the whole list and for what is inside STRUCT( ).
  Result<arrow::FieldVector> fields_until_end(int depth, std::string_view what) {
    arrow::FieldVector fields;
    std::set<std::string> names;
    while (true) {
      if (token_.kind != Token::Kind::word && token_.kind != Token::Kind::quoted) {
        return unexpected(fmt::format("a {} name", what));
      }
      const Token name = token_;
      if (!names.insert(name.text).second) return wrong(name, fmt::format("{} '{}' is given twice", what, name.text));
      column_path_.push_back(name.text);
      advance();
      auto parsed = TRY(type(depth));
      bool nullable = true;
      if (is_word("NOT")) {
        advance();
        if (!is_word("NULL")) return unexpected("NULL after NOT");
        advance();
        nullable = false;
      } else if (is_word("NULL")) {
        advance();
      }
      column_path_.pop_back();
      fields.push_back(arrow::field(name.text, std::move(parsed), nullable));
      if (!is_symbol(',')) return fields;
      advance();
    }
  }

  Result<TypePtr> type(int depth) {
    if (depth > kDeepest) return wrong(token_, fmt::format("types are nested more than {} deep", kDeepest));
    auto parsed = TRY(plain_or_nested_type(depth));
    int brackets = 0;
    while (is_symbol('[')) {
      if (depth + ++brackets > kDeepest) {
        return wrong(token_, fmt::format("types are nested more than {} deep", kDeepest));
      }
      advance();
      if (token_.kind == Token::Kind::number) {
        const int size = TRY(number(1, 1'000'000, "an array's length"));
        parsed = arrow::fixed_size_list(parsed, size);
      } else {
        parsed = arrow::list(parsed);
      }
      if (!is_symbol(']')) return unexpected("']'");
      advance();
    }
    return parsed;
  }

  Result<TypePtr> plain_or_nested_type(int depth) {
    const bool quoted_null = token_.kind == Token::Kind::quoted && upper(token_.text) == "NULL";
    if (quoted_null) {
      advance();
      return arrow::null();
    }
    if (token_.kind != Token::Kind::word) return unexpected("a type");
    const Token first = token_;
    std::string name = first.upper;
    advance();
    if ((name == "STRUCT" || name == "ROW") && is_symbol('(')) return struct_type(depth);
    if (name == "MAP" && is_symbol('(')) return map_type(depth);
    if (name == "DECIMAL" || name == "NUMERIC" || name == "DEC") return decimal_type();
    while (token_.kind == Token::Kind::word &&
           std::find(std::begin(kSecondWords), std::end(kSecondWords), token_.upper) != std::end(kSecondWords)) {
      name += " " + token_.upper;
      advance();
    }
    for (const NamedType& known : kTypes) {
      if (known.name != name) continue;
      TypePtr made = known.make();
      if (made->id() == arrow::Type::STRING) TRY(skip_length());
      return made;
    }
    return wrong(first,
                 fmt::format("'{}' is not a type; types are named as in DuckDB: BIGINT, DOUBLE, VARCHAR, BOOLEAN, "
                             "DATE, TIMESTAMP, DECIMAL(18,3), VARCHAR[], STRUCT(a BIGINT), MAP(VARCHAR, BIGINT)",
                             name));
  }

  Result<TypePtr> struct_type(int depth) {
    advance();
    auto fields = TRY(fields_until_end(depth + 1, "field"));
    if (!is_symbol(')')) return unexpected("a comma or ')'");
    advance();
    return arrow::struct_(fields);
  }

  Result<TypePtr> map_type(int depth) {
    advance();
    auto key = TRY(type(depth + 1));
    if (!is_symbol(',')) return unexpected("a comma between MAP's key and value types");
    advance();
    auto item = TRY(type(depth + 1));
    if (!is_symbol(')')) return unexpected("')'");
    advance();
    return arrow::map(std::move(key), std::move(item));
  }

  Result<TypePtr> decimal_type() {
    int precision = 18;  // DuckDB's default is DECIMAL(18,3)
    int scale = 3;
    if (is_symbol('(')) {
      advance();
      precision = TRY(number(1, 38, "DECIMAL's precision"));
      scale = 0;
      if (is_symbol(',')) {
        advance();
        scale = TRY(number(0, precision, "DECIMAL's scale"));
      }
      if (!is_symbol(')')) return unexpected("')'");
      advance();
    }
    return arrow::decimal128(precision, scale);
  }

  // VARCHAR(20): the length is read and ignored, as in DuckDB.
  Result<void> skip_length() {
    if (!is_symbol('(')) return {};
    advance();
    TRY(number(1, INT32_MAX, "a length"));
    if (!is_symbol(')')) return unexpected("')'");
    advance();
    return {};
  }

  Result<int> number(int least, int most, std::string_view what) {
    if (token_.kind != Token::Kind::number) return unexpected("a number");
    int value = 0;
    const char* end = token_.text.data() + token_.text.size();
    const auto [stopped, failed] = std::from_chars(token_.text.data(), end, value);
    if (failed != std::errc() || stopped != end || value < least || value > most) {
      return wrong(token_, fmt::format("{} is between {} and {}, not {}", what, least, most, token_.text));
    }
    advance();
    return value;
  }

  [[nodiscard]] bool is_symbol(char c) const { return token_.kind == Token::Kind::symbol && token_.text[0] == c; }
  [[nodiscard]] bool is_word(std::string_view word) const {
    return token_.kind == Token::Kind::word && token_.upper == word;
  }

  // "position 12, column 'id': …"; positions count bytes from 1.
  [[nodiscard]] Error wrong(const Token& token, std::string_view what) const {
    std::string column;
    for (const auto& name : column_path_) column += (column.empty() ? "" : ".") + name;
    if (!column.empty()) column = fmt::format(", column '{}'", column);
    return user_error("position {}{}: {}", token.at + 1, column, what);
  }
  [[nodiscard]] Error unexpected(std::string_view wanted) const {
    switch (token_.kind) {
      case Token::Kind::end:
        return wrong(token_, fmt::format("{} is expected, but the text ends", wanted));
      case Token::Kind::broken:
        return wrong(token_, "a \" has no end");
      default:
        return wrong(token_, fmt::format("{} is expected, not '{}'", wanted, token_.text));
    }
  }

  void advance() {
    constexpr std::string_view kSpace = " \t\r\n";
    const size_t begin = std::min(text_.find_first_not_of(kSpace, next_), text_.size());
    token_ = Token{Token::Kind::end, {}, {}, begin};
    next_ = begin;
    if (begin == text_.size()) return;
    const char c = text_[begin];
    const auto is_digit = [](char d) { return d >= '0' && d <= '9'; };
    const auto in_word = [&](char d) {  // bytes of UTF-8 beyond ASCII are letters
      return (d >= 'a' && d <= 'z') || (d >= 'A' && d <= 'Z') || d == '_' || d == '$' || is_digit(d) ||
             static_cast<unsigned char>(d) >= 0x80;
    };
    if (c == '"') return advance_quoted();
    if (is_digit(c) || in_word(c)) {
      token_.kind = is_digit(c) ? Token::Kind::number : Token::Kind::word;
      while (next_ < text_.size() && in_word(text_[next_])) ++next_;
      token_.text = text_.substr(begin, next_ - begin);
      token_.upper = upper(token_.text);
      return;
    }
    token_.kind = Token::Kind::symbol;
    token_.text = c;
    ++next_;
  }

  void advance_quoted() {
    for (++next_; next_ < text_.size(); ++next_) {
      if (text_[next_] == '"') {
        if (next_ + 1 == text_.size() || text_[next_ + 1] != '"') {
          ++next_;
          token_.kind = Token::Kind::quoted;
          return;
        }
        ++next_;
      }
      token_.text += text_[next_];
    }
    token_.kind = Token::Kind::broken;
  }

  std::string_view text_;
  size_t next_ = 0;
  Token token_;
  std::vector<std::string> column_path_;
};

}  // namespace

Result<SchemaPtr> parse_columns(std::string_view text) { return Parser(text).columns(); }
Result<TypePtr> parse_type(std::string_view text) { return Parser(text).whole_type(); }

}  // namespace sluice
