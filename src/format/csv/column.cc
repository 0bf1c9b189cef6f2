#include "format/csv/column.h"

#include <arrow/type.h>

namespace sluice::csv {

bool unquote(const Dialect& dialect, std::string_view field, std::string* text) {
  if (!dialect.has_quote() || field.empty() || field[0] != dialect.quote) return text->assign(field), true;
  if (field.size() < 2 || field.back() != dialect.quote) return false;
  std::string_view inner = field.substr(1, field.size() - 2);
  text->clear();
  const char stops[2] = {dialect.quote, dialect.escape};
  while (true) {
    size_t stop = inner.find_first_of(std::string_view(stops, 2));
    if (stop == std::string_view::npos) return text->append(inner), true;
    text->append(inner.substr(0, stop));
    bool escape = inner[stop] == dialect.escape && stop + 1 < inner.size();
    // Only quotes and escapes are escaped; any other character behind an escape keeps it.
    if (escape && (inner[stop + 1] == dialect.quote || inner[stop + 1] == dialect.escape)) {
      text->push_back(inner[stop + 1]);
      inner.remove_prefix(stop + 2);
    } else if (inner[stop] != dialect.quote) {
      text->push_back(inner[stop]);
      inner.remove_prefix(stop + 1);
    } else {
      return false;
    }
  }
}

Result<std::unique_ptr<Column>> create_column(const arrow::Field& field, const Dialect& dialect) {
  auto column = create_text_column(field.type(), dialect);
  if (column == nullptr) column = create_fixed_column(field.type(), dialect);
  if (column != nullptr) return column;
  return user_error("column '{}': csv is not read as {}; read it as VARCHAR and convert it in SQL", field.name(),
                    type_name(*field.type()));
}

}  // namespace sluice::csv
