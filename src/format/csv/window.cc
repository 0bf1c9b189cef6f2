#include "format/csv/window.h"

#include <algorithm>
#include <cstring>

#include <arrow/io/interfaces.h>

#include "batch/arrow_result.h"

namespace sluice::csv {
namespace {

constexpr size_t kWindowBytes = 256 << 10;  // with its index it stays in a core's own cache
constexpr size_t kRecordBytesMax = 64 << 20;
int64_t count_line_feeds(const char* data, size_t bytes) { return std::count(data, data + bytes, '\n'); }

}  // namespace

void Window::open(Start start) {
  start_ = std::move(start);
  stream_ = start_.stream;
  at_end_of_stream_ = false;
  preamble_ = start_.at_file_start || start_.skip_to_record;
  lines_to_skip_ = start_.skip_to_record ? 1 : start_.at_file_start ? dialect_.skip_rows : 0;
  size_ = 0;
  used_ = 0;
  scan_ = {};
  offset_ = 0;
  line_feeds_ = 0;
  bytes_read_ = 0;
}

int64_t Window::line_feeds_before(uint32_t at) const { return line_feeds_ + count_line_feeds(buffer_.get(), at); }

void Window::leave(size_t bytes) {
  if (bytes == 0) return;
  // Without quoted line feeds every record has one, which was counted already; empty lines are records here, too.
  line_feeds_ += scan_.records > 0 && !scan_.quoted_line_feeds ? scan_.records : count_line_feeds(buffer_.get(), bytes);
  size_ -= bytes;
  offset_ += static_cast<int64_t>(bytes);
  std::memmove(buffer_.get(), buffer_.get() + bytes, size_);
}

// False when the stream has ended.
Result<bool> Window::read_more() {
  if (at_end_of_stream_) return false;
  if (size_ + kWindowBytes / 4 > capacity_) {
    size_t capacity = std::max(kWindowBytes, capacity_ * 2);
    if (size_ > kRecordBytesMax) {
      return user_error("a record is longer than {} MB; a closing quote is probably missing", kRecordBytesMax >> 20);
    }
    auto bigger = std::make_unique_for_overwrite<char[]>(capacity + 2 * kScanPadding);
    if (size_ > 0) std::memcpy(bigger.get(), buffer_.get(), size_);
    buffer_ = std::move(bigger);
    capacity_ = capacity;
    ends_ = std::make_unique_for_overwrite<uint32_t[]>(capacity + 2 * kScanPadding + 1);
    ends_[0] = UINT32_MAX;
    record_ends_ = std::make_unique_for_overwrite<uint32_t[]>(capacity + 2 * kScanPadding);
  }
  auto wanted = static_cast<int64_t>(capacity_ - size_);
  int64_t left = start_.bytes - offset_ - static_cast<int64_t>(size_);
  if (left > 0) wanted = std::min(wanted, left);
  int64_t read = TRY(to_result(stream_->Read(wanted, buffer_.get() + size_)));
  size_ += static_cast<size_t>(read);
  bytes_read_ += read;
  at_end_of_stream_ = read == 0;
  return read > 0;
}

// What stands before the first record. True when it is behind us.
bool Window::skip_preamble() {
  if (!preamble_) return true;
  std::string_view text(buffer_.get(), size_);
  if (start_.at_file_start && offset_ == 0) {
    if (size_ < kByteOrderMark.size() && !at_end_of_stream_) return false;
    if (text.starts_with(kByteOrderMark)) leave(kByteOrderMark.size());
  }
  while (lines_to_skip_ > 0) {
    text = {buffer_.get(), size_};
    size_t line_feed = text.find('\n');
    bool whole = line_feed != std::string_view::npos;
    if (!whole && start_.tail) return false;
    leave(whole ? line_feed + 1 : size_);
    if (!whole) return false;
    --lines_to_skip_;
  }
  preamble_ = false;
  return true;
}

Window::Found Window::found_records() {
  used_ = std::min<size_t>(ends()[scan_.fields - 1] + 1, size_);
  return Found::records;
}

Window::Found Window::found_damage(size_t bytes, std::string_view damage) {
  scan_ = {};
  used_ = bytes;
  damage_ = damage;
  return Found::damaged;
}

Result<Window::Found> Window::advance() {
  leave(std::exchange(used_, 0));
  while (true) {
    scan_ = {};
    bool more = TRY(read_more());
    if (!skip_preamble()) {
      if (!more && at_end_of_stream_) return Found::end;
      continue;
    }
    bool finish = !more && size_ > 0 && !start_.tail;
    if (offset_ >= start_.bytes) return Found::end;
    // The last record of a file may lack its line feed: it is put there, behind the data.
    const bool lacks_line_feed = finish && buffer_[size_ - 1] != '\n';
    if (lacks_line_feed) buffer_[size_] = '\n';
    auto bytes = static_cast<uint32_t>(size_ + (lacks_line_feed ? 1 : 0));
    ScanState state;
    scan_ = scan_fields(dialect_, buffer_.get(), bytes, &state, ends_.get() + 1, record_ends_.get());
    if (scan_.records > 0) {
      scan_.fields = record_ends_[scan_.records - 1];
      return found_records();
    }
    if (scan_.stray_quote != kNoByte) {
      std::string_view text(buffer_.get(), size_);
      size_t line_feed = text.find('\n', scan_.stray_quote);
      if (line_feed != std::string_view::npos || finish) {
        return found_damage(std::min(line_feed, size_ - 1) + 1, "a quote stands inside an unquoted value");
      }
    }
    if (more) continue;
    if (finish && state.inside != 0) {
      size_t line_feed = std::string_view(buffer_.get(), size_).find('\n');
      return found_damage(std::min(line_feed, size_ - 1) + 1, "a quoted value has no closing quote");
    }
    return Found::end;
  }
}

}  // namespace sluice::csv
