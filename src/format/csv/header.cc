#include "format/csv/header.h"

#include <set>

#include <arrow/buffer.h>
#include <arrow/io/memory.h>

#include "codec/encoding.h"
#include "format/csv/column.h"

namespace sluice::csv {

std::vector<std::string> split_record(const Dialect& dialect, const Window& window, uint32_t record, bool* bad) {
  std::vector<std::string> fields;
  uint32_t at = record == 0 ? 0 : window.record_ends()[record - 1];
  const uint32_t end = window.record_ends()[record];
  *bad = false;
  for (; at < end; ++at) {
    uint32_t begin = window.ends()[int64_t{at} - 1] + 1;
    std::string_view text(window.data() + begin, window.ends()[at] - begin);
    if (at + 1 == end && text.ends_with('\r')) text.remove_suffix(1);
    std::string field;
    *bad |= !unquote(dialect, text, &field);
    fields.push_back(std::move(field));
  }
  return fields;
}

uint32_t first_filled_record(const Window& window) {
  uint32_t record = 0;
  for (; record < window.records(); ++record) {
    uint32_t first = record == 0 ? 0 : window.record_ends()[record - 1];
    uint32_t begin = window.ends()[int64_t{first} - 1] + 1;
    std::string_view text(window.data() + begin, window.ends()[window.record_ends()[record] - 1] - begin);
    if (!text.empty() && text != "\r") break;
  }
  return record;
}

std::vector<std::string> unique_names(std::vector<std::string> names) {
  std::set<std::string> taken;
  for (size_t i = 0; i < names.size(); ++i) {
    std::string base = names[i].empty() ? fmt::format("column{}", i) : names[i];
    std::string name = base;
    for (int again = 1; !taken.insert(name).second; ++again) name = fmt::format("{}_{}", base, again);
    names[i] = std::move(name);
  }
  return names;
}

std::vector<std::string> numbered_names(size_t count) { return unique_names(std::vector<std::string>(count)); }

Result<std::vector<std::string>> read_header(const Dialect& dialect, std::string_view head) {
  std::shared_ptr<arrow::io::InputStream> stream =
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::string(head)));
  if (dialect.encoding != kUtf8) {
    stream = TRY(open_encoded(dialect.encoding, {stream, head, /*may_end_inside_character=*/true}));
  }
  Window window(dialect);
  window.open({.stream = stream, .tail = true});
  auto found = TRY(window.advance());
  uint32_t record = first_filled_record(window);
  if (found != Window::Found::records || record == window.records()) {
    return user_error("the first {} bytes hold no complete header line", head.size());
  }
  bool bad;
  auto names = split_record(dialect, window, record, &bad);
  if (bad) return user_error("the header line is not quoted correctly");
  return unique_names(std::move(names));
}

}  // namespace sluice::csv
