// The part of an input that is in memory: whole records, with their fields found.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <arrow/io/type_fwd.h>

#include "base/result.h"
#include "format/csv/dialect.h"
#include "format/csv/scan.h"

namespace sluice::csv {

// Reads a stream piece by piece. Its buffer grows to the longest record and is kept from input to input. One thread.
class Window {
 public:
  explicit Window(const Dialect& dialect) : dialect_(dialect) {}

  struct Start {
    std::shared_ptr<arrow::io::InputStream> stream;  // UTF-8, from a record start
    bool at_file_start = true;                       // a byte order mark and skip_rows lines come first
    bool skip_to_record = false;  // the stream begins anywhere: leave out everything up to the first line feed
    bool tail = false;            // an unfinished last record is not one
    int64_t bytes = INT64_MAX;    // read past this only to finish the record that began before it
  };
  void open(Start start);

  enum class Found {
    records,  // records() > 0, all complete
    damaged,  // damaged_text() cannot be told apart into fields; reading goes on behind it
    end,
  };
  // Leaves what was found before and finds more. An unreadable stream is an error, and so is a record beyond 64 MB.
  Result<Found> advance();

  [[nodiscard]] const char* data() const { return buffer_.get(); }
  [[nodiscard]] uint32_t records() const { return scan_.records; }
  // ends()[-1] + 1 is 0, so that field i always begins at ends()[i - 1] + 1.
  [[nodiscard]] const uint32_t* ends() const { return ends_.get() + 1; }
  [[nodiscard]] const uint32_t* record_ends() const { return record_ends_.get(); }
  [[nodiscard]] bool ascii() const { return scan_.ascii; }

  [[nodiscard]] std::string_view damaged_text() const { return {buffer_.get(), used_}; }
  [[nodiscard]] std::string_view damage() const { return damage_; }

  [[nodiscard]] int64_t offset() const { return offset_; }  // of data()[0] in the stream
  [[nodiscard]] int64_t offset_behind() const { return offset_ + used_; }
  [[nodiscard]] int64_t bytes_read() const { return bytes_read_; }  // from the stream so far
  // Line feeds between where the stream began and data()[at]; exact, costs a pass over the window.
  [[nodiscard]] int64_t line_feeds_before(uint32_t at) const;

 private:
  Result<bool> read_more();
  void leave(size_t bytes);
  bool skip_preamble();
  Found found_records();
  Found found_damage(size_t bytes, std::string_view damage);

  const Dialect& dialect_;
  std::shared_ptr<arrow::io::InputStream> stream_;
  Start start_;
  bool at_end_of_stream_ = false;
  bool preamble_ = false;
  int64_t lines_to_skip_ = 0;

  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  size_t size_ = 0;  // bytes in the buffer
  size_t used_ = 0;  // of them, those that the last advance() handed out
  std::unique_ptr<uint32_t[]> ends_;
  std::unique_ptr<uint32_t[]> record_ends_;
  Scan scan_;
  std::string_view damage_;
  int64_t offset_ = 0;
  int64_t line_feeds_ = 0;  // before data()[0]
  int64_t bytes_read_ = 0;
};

}  // namespace sluice::csv
