#include "format/json/records.h"

#include <algorithm>
#include <cstring>

#include <arrow/io/interfaces.h>
#include <simdjson.h>

#include "batch/arrow_result.h"
#include "format/json/flaw.h"

namespace sluice::json {
namespace {

constexpr int64_t kBufferBytes = 256 << 10;

// The length of a prefix of [p, end) that is UTF-8, scalar: only used to name the place of what is not.
const char* utf8_end(const char* p, const char* end) {
  while (p < end) {
    int64_t block = std::min<int64_t>(end - p, 4096);
    if (block == 4096 && simdjson::validate_utf8(p, 4096)) {
      p += 4096;
      continue;
    }
    unsigned char c = static_cast<unsigned char>(*p);
    int64_t size = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (size > end - p || !simdjson::validate_utf8(p, static_cast<size_t>(size))) return p;
    p += size;
  }
  return end;
}

}  // namespace

std::string printable(const char* begin, const char* end, int64_t bytes_max) {
  std::string out;
  for (const char* p = begin; p < end && p - begin < bytes_max; ++p) {
    unsigned char c = static_cast<unsigned char>(*p);
    out += c < 0x20 || c == 0x7f ? '?' : *p;
  }
  while (!simdjson::validate_utf8(out)) out.pop_back();
  if (end - begin > bytes_max) out += "…";
  return out;
}

Records::Records(RecordsOptions options, RowsFunction rows, const Parser& parser)
    : options_(std::move(options)), rows_(rows), parser_(parser), capacity_(kBufferBytes) {
  buffer_ = std::make_unique<char[]>(static_cast<size_t>(capacity_ + kPadding));
}

Result<void> Records::open(Context& context, Input input) {
  input_ = std::move(input);
  if (capacity_ > kBufferBytes) {  // a huge record's buffer is not kept
    capacity_ = kBufferBytes;
    buffer_ = std::make_unique<char[]>(static_cast<size_t>(capacity_ + kPadding));
    reserved_ = {};
  }
  data_begin_ = data_end_ = buffer_.get();
  valid_end_ = data_begin_;
  invalid_ = nullptr;
  memset(data_end_, 0, kPadding);
  offset_ = position_ = input_.begin;
  bytes_read_ = lines_before_ = 0;
  eof_ = ended_ = false;
  phase_ = Phase::document;
  enclosing_ = 0;
  Column* root = parse_.root;
  parse_ = {};
  parse_.root = root;
  if (input_.begin == 0) {
    while (!eof_ && data_end_ - data_begin_ < 3) TRY(fill(context));
    if (data_end_ - data_begin_ >= 3 && memcmp(data_begin_, "\xEF\xBB\xBF", 3) == 0) data_begin_ += 3;
  }
  TRY(choose_layout(context));
  if (input_.begin > 0 && !input_.at_record_start) TRY(find_first_line(context));
  valid_end_ = data_begin_;
  return {};
}

Result<void> Records::make_room(Context& context, int64_t bytes) {
  int64_t unread = data_end_ - data_begin_;
  int64_t wanted = capacity_;
  if (unread > capacity_ - bytes) {
    if (unread >= options_.record_bytes_max) {
      return fail(data_begin_,
                  fmt::format("a record is longer than {} bytes (record_bytes_max)", options_.record_bytes_max));
    }
    wanted = std::min(std::max(capacity_ * 2, unread + bytes), options_.record_bytes_max + bytes);
  }
  if (wanted == capacity_ && data_begin_ == buffer_.get()) return {};
  if (!parse_.by_line) lines_before_ += std::count(buffer_.get(), data_begin_, '\n');
  offset_ += data_begin_ - buffer_.get();
  int64_t valid = std::max<int64_t>(0, valid_end_ - data_begin_);
  if (wanted != capacity_) {
    Budget::Reservation more = TRY(context.memory.reserve(wanted, context.stop));
    auto larger = std::make_unique<char[]>(static_cast<size_t>(wanted + kPadding));
    memcpy(larger.get(), data_begin_, static_cast<size_t>(unread));
    buffer_ = std::move(larger);
    reserved_ = std::move(more);
    capacity_ = wanted;
  } else {
    memmove(buffer_.get(), data_begin_, static_cast<size_t>(unread));
  }
  data_begin_ = buffer_.get();
  data_end_ = data_begin_ + unread;
  valid_end_ = data_begin_ + valid;
  return {};
}

// Reads more; at the end of the stream sets eof_. Moves the unparsed bytes, so pointers into them are void.
Result<void> Records::fill(Context& context) {
  if (context.stop.stop_requested()) return cancelled();
  TRY(make_room(context, kBufferBytes / 2));
  int64_t room = capacity_ - (data_end_ - buffer_.get());
  int64_t got =
      TRY(to_result(input_.stream->Read(room, data_end_)).while_doing(fmt::format("reading {}", input_.name)));
  if (got == 0) eof_ = true;
  data_end_ += got;
  bytes_read_ += got;
  memset(data_end_, 0, kPadding);
  return {};
}

Result<void> Records::find_first_line(Context& context) {
  for (;;) {
    auto* feed = static_cast<char*>(memchr(data_begin_, '\n', static_cast<size_t>(data_end_ - data_begin_)));
    data_begin_ = feed != nullptr ? feed + 1 : data_end_;
    if (feed != nullptr || eof_) break;
    TRY(fill(context));
  }
  ++lines_before_;
  position_ = offset_of(data_begin_);
  return {};
}

const char* Records::space_end(const char* p) const {
  while (p < data_end_ && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) ++p;
  return p;
}

// A file whose first record ends on its first line is read by lines; one that begins with an array, or whose first
// document goes on over the next lines, is not. A first line that is merely broken is told from the latter by the next
// one beginning with a record again.
Result<void> Records::choose_layout(Context& context) {
  parse_.by_line = options_.layout == Layout::lines && options_.records_path.empty();
  if (parse_.by_line) return {};
  bool in_the_middle = input_.begin > 0;
  if (in_the_middle && !input_.at_record_start) {
    parse_.by_line = true;
    return {};
  }
  const char* first = space_end(data_begin_);
  while (first == data_end_ && !eof_) {
    TRY(fill(context));
    first = space_end(data_begin_);
  }
  if (in_the_middle && (*first == ',' || *first == ']')) {  // resumed inside an array
    phase_ = Phase::rows;
    parse_.in_array = parse_.need_separator = true;
    enclosing_ = options_.records_path.size();
    return {};
  }
  if (options_.layout == Layout::documents || !options_.records_path.empty() || *first == '[') return {};
  for (;;) {
    first = space_end(data_begin_);
    auto* feed = static_cast<const char*>(memchr(first, '\n', static_cast<size_t>(data_end_ - first)));
    const char* next = feed != nullptr ? space_end(feed) : data_end_;
    if (next == data_end_ && !eof_) {
      TRY(fill(context));
      continue;
    }
    Parse line;
    line.by_line = true;
    line.end = feed != nullptr ? feed + 1 : data_end_;
    bool complete = *first != '{' || parser_.skip_structure(line, first + 1, 1) != nullptr;
    parse_.by_line = complete || next == data_end_ || *next == '{';
    return {};
  }
}

// Extends valid_end_ to `limit`, or finds the first bytes before it that are not UTF-8.
void Records::validate(const char* limit) {
  if (limit <= valid_end_ || invalid_ != nullptr) return;
  if (!simdjson::validate_utf8(valid_end_, static_cast<size_t>(limit - valid_end_))) {
    invalid_ = utf8_end(valid_end_, limit);
  }
  valid_end_ = limit;
}

Result<Records::Event> Records::run(Context& context, int64_t rows_max) {
  if (ended_) return Event::end;
  auto event = parse_.by_line ? run_lines(context, rows_max) : run_documents(context, rows_max);
  // The rows before a bad record are decoded: should it not be possible to skip it, they end where it begins.
  if (event.ok() && event.value() == Event::flaw && parse_.row_start != nullptr)
    position_ = offset_of(parse_.row_start);
  return event;
}

Result<Records::Event> Records::run_lines(Context& context, int64_t rows_max) {
  for (;;) {
    auto* last_feed = static_cast<char*>(memrchr(data_begin_, '\n', static_cast<size_t>(data_end_ - data_begin_)));
    char* limit = last_feed != nullptr ? last_feed + 1 : data_begin_;
    if (eof_ && !input_.tail) limit = data_end_;
    if (limit == data_begin_) {
      if (eof_) {
        ended_ = true;
        return Event::end;
      }
      TRY(fill(context));
      continue;
    }
    validate(limit);
    parse_.at = parse_.line_start = data_begin_;
    parse_.row_start = nullptr;
    parse_.end = limit;
    if (invalid_ != nullptr) {  // up to the line that holds it
      auto* feed = static_cast<char*>(memrchr(data_begin_, '\n', static_cast<size_t>(invalid_ - data_begin_)));
      parse_.end = feed != nullptr ? feed + 1 : data_begin_;
    }
    parse_.range_end =
        input_.end - offset_ > data_end_ - buffer_.get() ? data_end_ + 1 : buffer_.get() + (input_.end - offset_);
    parse_.pause_at = data_begin_ + kPauseBytes;
    parse_.rows_max = rows_max;
    parse_.lines = 0;
    Stop stopped = parse_.at < parse_.end ? rows_(parse_) : Stop::more;
    lines_before_ += parse_.lines;
    if (stopped == Stop::flaw) return Event::flaw;
    data_begin_ += parse_.at - data_begin_;
    position_ = offset_of(data_begin_);
    if (stopped == Stop::range_end) {
      ended_ = true;
      return Event::end;
    }
    if (stopped == Stop::pause) return Event::pause;
    if (invalid_ != nullptr) {
      parse_.flaw = Flaw::invalid_utf8;
      parse_.row_start = data_begin_;
      parse_.stopped_at = invalid_;
      parse_.stopped_in = nullptr;
      return data_begin_ < parse_.range_end ? Event::flaw : (ended_ = true, Event::end);
    }
  }
}

bool Records::skip_bad_record(std::string* raw) {
  const char* begin = parse_.row_start;
  const char* end = nullptr;
  if (parse_.by_line) {
    begin = parse_.row_start;
    auto* feed = static_cast<const char*>(memchr(begin, '\n', static_cast<size_t>(data_end_ - begin)));
    end = feed != nullptr ? feed : data_end_;
    lines_before_ += feed != nullptr ? 1 : 0;
    data_begin_ += (feed != nullptr ? feed + 1 : end) - data_begin_;
    while (end > begin && end[-1] == '\r') --end;
  } else {
    Parse whole;
    whole.end = data_end_;
    if (begin < data_end_ && *begin == ',') begin = space_end(begin + 1);
    end = begin < data_end_ && *begin == '{' ? parser_.skip_structure(whole, begin + 1, 1) : nullptr;
    if (end == nullptr) return false;
    data_begin_ += end - data_begin_;
    parse_.need_separator = parse_.in_array;
  }
  position_ = offset_of(data_begin_);
  if (invalid_ != nullptr && data_begin_ > invalid_) {
    invalid_ = nullptr;
    valid_end_ = data_begin_;
  }
  raw->assign(begin, static_cast<size_t>(end - begin));
  return true;
}

std::string Records::place_of(const char* p) const {
  const auto before = input_.lines_before();
  if (!before.has_value()) return fmt::format("{} (byte {})", input_.name, offset_of(p));
  int64_t lines = *before + lines_before_;
  if (!parse_.by_line) lines += std::count(static_cast<const char*>(buffer_.get()), p, '\n');
  return fmt::format("{}:{}", input_.name, lines + 1);
}

std::string Records::place() const { return place_of(parse_.by_line ? parse_.row_start : parse_.stopped_at); }

std::string Records::place_with_byte() const {
  std::string place = place_of(parse_.row_start);
  return input_.begin > 0 ? place : fmt::format("{} (byte {})", place, offset_of(parse_.row_start));
}

std::string Records::value_excerpt() const { return json::value_excerpt(parse_, parser_, data_end_); }

std::string Records::describe_flaw(const Columns& columns) const {
  return json::describe_flaw(parse_, columns, parser_, data_end_, Carrier::file);
}

Error Records::fail(const char* at, const std::string& what) const {
  return user_error("{}: {}", place_of(std::min<const char*>(at, data_end_)), what);
}

}  // namespace sluice::json
