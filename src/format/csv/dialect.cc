#include "format/csv/dialect.h"

#include "codec/encoding.h"

namespace sluice::csv {
namespace {

// One byte of ASCII; "\t" and "tab" are what people write for a tab. '\0' when the text is empty.
Result<char> parse_character(const OptionValues& options, std::string_view name) {
  const std::string& text = options.text(name);
  if (text.empty()) return '\0';
  if (text == "\\t" || text == "tab") return '\t';
  if (text.size() == 1 && static_cast<unsigned char>(text[0]) < 0x80 && text[0] != '\0') return text[0];
  return user_error("{}: {} is one ASCII character, not '{}'", options.where(name), name, text);
}

}  // namespace

Result<Dialect> parse_dialect(const OptionValues& options) {
  Dialect dialect;
  dialect.delimiter = TRY(parse_character(options, "delimiter"));
  dialect.quote = TRY(parse_character(options, "quote"));
  dialect.escape = options.has("escape") ? TRY(parse_character(options, "escape")) : dialect.quote;
  dialect.header = options.boolean("header");
  if (options.has("null")) dialect.null = options.text("null");
  dialect.encoding = TRY(normal_encoding(options.text("encoding")).while_doing("reading the option encoding"));
  dialect.skip_rows = options.integer("skip_rows");
  dialect.sample_rows = options.integer("sample_rows");
  dialect.all_varchar = options.boolean("all_varchar");
  dialect.pad = options.text("ragged") == "pad";

  auto line_end = [](char c) { return c == '\n' || c == '\r'; };
  if (dialect.delimiter == '\0') return user_error("{}: delimiter must not be empty", options.where("delimiter"));
  if (line_end(dialect.delimiter) || line_end(dialect.quote) || line_end(dialect.escape)) {
    return user_error("a line end cannot be delimiter, quote or escape");
  }
  if (dialect.delimiter == dialect.quote || dialect.delimiter == dialect.escape) {
    return user_error("delimiter '{}' is also the quote or escape character", dialect.delimiter);
  }
  if (!dialect.has_quote() && options.is_given("escape") && dialect.escape != '\0') {
    return user_error("{}: escape needs a quote character, because it only works inside quoted values",
                      options.where("escape"));
  }
  if (dialect.escape == '\0') dialect.escape = dialect.quote;
  if (dialect.null.find_first_of("\r\n") != std::string::npos ||
      dialect.null.find(dialect.delimiter) != std::string::npos) {
    return user_error("{}: the null string must not hold a delimiter or line end", options.where("null"));
  }
  return dialect;
}

}  // namespace sluice::csv
