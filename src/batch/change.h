// Change columns: what a batch of changes carries beside the user's columns.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

inline constexpr std::string_view kOpColumn = "_op";  // utf8: insert | update | delete | snapshot; 'before' only ahead
                                                      // of a SELECT's condition (ReadRequest::before_images)
inline constexpr std::string_view kTsColumn = "_ts";  // timestamp[us, UTC]: commit time at the source
inline constexpr std::string_view kPosColumn = "_pos";  // utf8, ordered within its split: commit LSN + ordinal, …
// utf8, see append_name(): columns (by their names in this batch) whose values the source did not send because the
// change left them as they were (PostgreSQL's unchanged TOAST values). They are null here, which is not their value: an
// upsert keeps what the target has, or refuses the row. Null: every value is here.
inline constexpr std::string_view kUnchangedColumn = "_unchanged";
inline constexpr std::array<std::string_view, 4> kChangeColumns = {kOpColumn, kTsColumn, kPosColumn, kUnchangedColumn};

inline constexpr bool is_change_column(std::string_view name) {
  for (auto column : kChangeColumns) {
    if (name == column) return true;
  }
  return false;
}

// The text of kUnchangedColumn: names with a comma between; one that holds a comma or a quote is quoted, its quotes
// doubled.
inline void append_name(std::string_view name, std::string* list) {
  if (!list->empty()) *list += ',';
  if (name.find_first_of(",\"") == std::string_view::npos) {
    *list += name;
    return;
  }
  *list += '"';
  for (char c : name) {
    if (c == '"') *list += '"';
    *list += c;
  }
  *list += '"';
}

inline std::vector<std::string> list_of_names(std::string_view list) {
  std::vector<std::string> names;
  for (size_t at = 0; at < list.size();) {
    std::string& name = names.emplace_back();
    const bool quoted = list[at] == '"';
    for (at += quoted ? 1 : 0; at < list.size(); ++at) {
      if (quoted ? list[at] == '"' : list[at] == ',') {
        const bool doubled = quoted && at + 1 < list.size() && list[at + 1] == '"';
        if (!doubled) break;
        ++at;
      }
      name += list[at];
    }
    at += quoted ? 2 : 1;
  }
  return names;
}

}  // namespace sluice
