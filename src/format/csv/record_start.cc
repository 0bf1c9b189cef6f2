#include "format/csv/record_start.h"

#include <algorithm>
#include <memory>
#include <string_view>

#include <arrow/io/interfaces.h>

#include "batch/arrow_result.h"
#include "codec/encoding.h"
#include "format/csv/scan.h"

namespace sluice::csv {
namespace {

constexpr int64_t kReadBytes = 512 << 10;

class Finder {
 public:
  Finder(Context& context, const Dialect& dialect, arrow::io::RandomAccessFile& file, int64_t size)
      : context_(context),
        dialect_(dialect),
        file_(file),
        size_(size),
        buffer_(std::make_unique_for_overwrite<char[]>(kReadBytes + kScanPadding)),
        ends_(std::make_unique_for_overwrite<uint32_t[]>(kReadBytes + 2 * kScanPadding)),
        record_ends_(std::make_unique_for_overwrite<uint32_t[]>(kReadBytes + 2 * kScanPadding)) {}

  // The first record start ≥ at_least, when one is at `start`.
  Result<int64_t> find(int64_t start, int64_t at_least) {
    if (at_least <= start) return start;
    const int64_t line_feed_from = at_least - 1;
    ScanState state;
    int64_t at = start;
    while (at < size_) {
      if (context_.stop.stop_requested()) return cancelled();
      // Whole blocks before the place of interest only need their quotes counted.
      int64_t quick = std::min((line_feed_from - at) / 64 * 64, kReadBytes);
      uint32_t stray = kNoByte;
      if (quick > 0 && !dialect_.has_quote()) {
        at += quick;
        continue;
      }
      auto bytes = TRY(read(at, quick > 0 ? quick : kReadBytes));
      if (quick > 0) {
        stray = scan_quotes(dialect_, buffer_.get(), bytes, &state);
      } else {
        Scan scan = scan_fields(dialect_, buffer_.get(), bytes, &state, ends_.get(), record_ends_.get());
        for (uint32_t i = 0; i < scan.records; ++i) {
          int64_t line_feed = at + ends_[record_ends_[i] - 1];
          if (line_feed >= line_feed_from) return line_feed + 1;
        }
        stray = scan.stray_quote;
      }
      if (stray == kNoByte) {
        at += bytes;
        continue;
      }
      // The decoder gives the line up and goes on behind it (Window::advance); so does this.
      at = TRY(behind_line_feed(at + stray));
      if (at >= at_least) return at;
      state = {};
    }
    return size_;
  }

  Result<int64_t> behind_line_feed(int64_t at) {
    while (at < size_) {
      auto bytes = TRY(read(at, kReadBytes));
      size_t found = std::string_view(buffer_.get(), bytes).find('\n');
      if (found != std::string_view::npos) return at + static_cast<int64_t>(found) + 1;
      at += bytes;
    }
    return size_;
  }

  // Where the first data record begins.
  Result<int64_t> behind_preamble() {
    auto bytes = TRY(read(0, kReadBytes));
    int64_t at = std::string_view(buffer_.get(), bytes).starts_with(kByteOrderMark) ? 3 : 0;
    for (int64_t i = 0; i < dialect_.skip_rows; ++i) at = TRY(behind_line_feed(at));
    if (!dialect_.header) return at;
    while (at < size_) {  // the header is the first line that is not empty
      bytes = TRY(read(at, std::min(size_ - at, int64_t{2})));
      std::string_view text(buffer_.get(), bytes);
      bool empty = text.starts_with('\n') || text == "\r\n";
      if (!empty) return find(at, at + 1);
      at += text[0] == '\n' ? 1 : 2;
    }
    return size_;
  }

 private:
  Result<uint32_t> read(int64_t at, int64_t bytes) {
    auto read = TRY(to_result(file_.ReadAt(at, std::min(bytes, size_ - at), buffer_.get())));
    if (read == 0 && at < size_) return user_error("the file became shorter while it was read");
    return static_cast<uint32_t>(read);
  }

  Context& context_;
  const Dialect& dialect_;
  arrow::io::RandomAccessFile& file_;
  const int64_t size_;
  std::unique_ptr<char[]> buffer_;
  std::unique_ptr<uint32_t[]> ends_;
  std::unique_ptr<uint32_t[]> record_ends_;
};

}  // namespace

Result<int64_t> next_record_start(Context& context, const Dialect& dialect, arrow::io::RandomAccessFile& file,
                                  int64_t record_start, int64_t at_least) {
  auto size = TRY(to_result(file.GetSize()));
  if (dialect.encoding != kUtf8) return size;  // one part: offsets behind a conversion cannot be guessed
  Finder finder(context, dialect, file, size);
  if (record_start == 0) {
    record_start = TRY(finder.behind_preamble());
    if (at_least <= record_start) return record_start;
  }
  return finder.find(record_start, at_least);
}

}  // namespace sluice::csv
