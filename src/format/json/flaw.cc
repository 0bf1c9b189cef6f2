#include "format/json/flaw.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "batch/schema.h"
#include "format/json/columns.h"
#include "format/json/records.h"

namespace sluice::json {
namespace {

std::string sentence(Flaw flaw, const std::string& column, const std::string& type, const std::string& value,
                     Carrier carrier) {
  std::string at = column.empty() ? "" : fmt::format("column '{}': ", column);
  switch (flaw) {
    case Flaw::unexpected_character:
      return fmt::format("{}unexpected '{}'", column.empty() ? "" : fmt::format("in '{}': ", column), value);
    case Flaw::bad_literal:
      return fmt::format("{}'{}' is not a JSON value", at, value);
    case Flaw::bad_number:
      return fmt::format("{}'{}' is not a valid JSON number", at, value);
    case Flaw::control_character:
      return "a control character inside a string must be written as an escape";
    case Flaw::bad_escape:
      return fmt::format("{}invalid escape in {}", at, value);
    case Flaw::lone_surrogate:
      return fmt::format("{}half a surrogate pair in {}", at, value);
    case Flaw::invalid_utf8:
      return carrier == Carrier::file ? "the bytes are not UTF-8; set encoding to the file's, for example latin1"
                                      : "the bytes are not UTF-8";
    case Flaw::truncated:
      return "the record ends early";
    case Flaw::not_an_object:
      return fmt::format("a record must be an object, but {} is here", value);
    case Flaw::unknown_field:
      return fmt::format("field '{}' is not in the schema; name it in columns := '…'{} or set unknown_fields := ignore",
                         value, carrier == Carrier::file ? ", raise sample_rows or sample_files," : "");
    case Flaw::duplicate_field:
      return fmt::format("the field '{}' appears twice in one record", column);
    case Flaw::wrong_type:
      return fmt::format("{}{} is not a {}; declare the column VARCHAR to keep it", at, value, type);
    case Flaw::not_whole:
      return fmt::format("{}{} does not fit {} without rounding", at, value, type);
    case Flaw::out_of_range:
      return fmt::format("{}{} is out of range for {}", at, value, type);
    case Flaw::inexact:
      return fmt::format("{}{} has more digits than a {} holds; declare the column DECIMAL or VARCHAR", at, value,
                         type);
    case Flaw::bad_value:
      return fmt::format("{}{} is not a valid {}; declare the column VARCHAR to keep it", at, value, type);
    case Flaw::too_deep:
      return fmt::format("{}nested deeper than 512 levels", at);
    case Flaw::none:
      break;
  }
  return "the record is bad";
}

std::string key_excerpt(const Parse& parse, const char* data_end) {
  const char* begin = std::min<const char*>(parse.stopped_at + 1, data_end);
  auto* quote = static_cast<const char*>(memchr(begin, '"', static_cast<size_t>(data_end - begin)));
  return printable(begin, quote != nullptr ? quote : data_end, 80);
}

}  // namespace

std::string value_excerpt(const Parse& parse, const Parser& parser, const char* data_end) {
  Parse value;
  value.by_line = parse.by_line;
  value.end = data_end;
  const char* begin = std::min<const char*>(parse.stopped_at, data_end);
  const char* end = begin < data_end ? parser.skip_value(value, begin) : begin;
  if (end == nullptr || end == begin) end = std::min<const char*>(begin + 1, data_end);
  return printable(begin, end, 60);
}

std::string describe_flaw(const Parse& parse, const Columns& columns, const Parser& parser, const char* data_end,
                          Carrier carrier) {
  const Column* column = parse.stopped_in;
  std::string path = column != nullptr ? columns.path(*column) : "";
  std::string type = column != nullptr && column->type != nullptr ? type_name(*column->type) : "";
  const bool unknown = parse.flaw == Flaw::unknown_field;
  std::string value = unknown ? key_excerpt(parse, data_end) : value_excerpt(parse, parser, data_end);
  if (unknown && !path.empty()) value = path + "." + value;
  // What nobody expected is the end of its line.
  const bool breaks_off = parse.flaw == Flaw::unexpected_character && parse.stopped_at < data_end &&
                          (*parse.stopped_at == '\n' || *parse.stopped_at == '\r');
  return sentence(breaks_off ? Flaw::truncated : parse.flaw, path, type, value, carrier);
}

}  // namespace sluice::json
