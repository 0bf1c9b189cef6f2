// Finds the records in an input, whatever way the file lays them out, and hands them to a row parser block by block.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/budget.h"
#include "format/json/parse.h"
#include "port/format.h"

namespace sluice::json {

// lines: one record a line. documents: records, arrays of them or wrapping documents, one after another.
enum class Layout { automatic, lines, documents };

struct RecordsOptions {
  Layout layout = Layout::automatic;
  std::vector<std::string> records_path;  // where a wrapping document keeps its array of records
  int64_t record_bytes_max = 256 << 20;
};

inline constexpr int64_t kPauseBytes = 256 << 10;  // how often the caller looks whether the batch is full

// For messages: at most `bytes_max` of the bytes, without control characters.
std::string printable(const char* begin, const char* end, int64_t bytes_max);

class Records {
 public:
  using RowsFunction = Stop (*)(Parse&);
  enum class Event { pause, end, flaw };

  // `rows` parses into parse().root; `parser` skips what lies around the records.
  Records(RecordsOptions options, RowsFunction rows, const Parser& parser);

  Result<void> open(Context& context, Input input);
  // Parses until `rows_max` rows are in the root or a good deal of bytes is parsed (pause), the input ends, or a record
  // is bad.
  Result<Event> run(Context& context, int64_t rows_max);

  Parse& parse() { return parse_; }
  // Where to go on after the records parsed so far: an offset in the decompressed bytes.
  [[nodiscard]] int64_t position() const { return position_; }
  [[nodiscard]] int64_t bytes_read() const { return bytes_read_; }
  [[nodiscard]] bool by_line() const { return parse_.by_line; }

  // After a flaw. "data/a.json:17", or "data/a.json (byte 2345)" where the line number is not known.
  [[nodiscard]] std::string place() const;
  [[nodiscard]] std::string place_with_byte() const;
  [[nodiscard]] std::string value_excerpt() const;
  [[nodiscard]] std::string describe_flaw(const Columns& columns) const;
  // Moves behind the bad record and returns its bytes; false when nobody can say where it ends.
  bool skip_bad_record(std::string* raw);

 private:
  enum class Phase { document, rows, closing };
  enum class Found { yes, no, need_more };

  Result<void> fill(Context& context);
  Result<void> make_room(Context& context, int64_t bytes);
  Result<void> find_first_line(Context& context);
  Result<void> choose_layout(Context& context);
  Result<Event> run_lines(Context& context, int64_t rows_max);
  Result<Event> run_documents(Context& context, int64_t rows_max);
  Result<Event> run_rows(Context& context, int64_t rows_max);
  Result<Found> enter_document();
  Result<Found> find_array(const char* p);
  Result<Found> close_document();
  void validate(const char* limit);
  [[nodiscard]] Error fail(const char* at, const std::string& what) const;
  [[nodiscard]] int64_t offset_of(const char* p) const { return offset_ + (p - buffer_.get()); }
  [[nodiscard]] std::string place_of(const char* p) const;
  [[nodiscard]] const char* space_end(const char* p) const;
  [[nodiscard]] bool near_end(const char* p) const { return !eof_ && data_end_ - p < kPadding; }

  RecordsOptions options_;
  RowsFunction rows_;
  const Parser& parser_;
  Input input_;
  Parse parse_;

  std::unique_ptr<char[]> buffer_;
  Budget::Reservation reserved_;  // for a buffer that grew beyond its first size
  int64_t capacity_ = 0;
  char* data_begin_ = nullptr;  // unparsed bytes
  char* data_end_ = nullptr;
  const char* valid_end_ = nullptr;  // up to here the bytes are known to be UTF-8
  const char* invalid_ = nullptr;    // the first bytes that are not
  int64_t offset_ = 0;               // of the buffer's first byte in the input
  int64_t position_ = 0;
  int64_t bytes_read_ = 0;
  int64_t lines_before_ = 0;  // line feeds before data_begin_ (lines), before the buffer (documents)
  bool eof_ = false;
  bool ended_ = false;
  Phase phase_ = Phase::document;
  size_t enclosing_ = 0;  // brackets of wrapping documents to close after the array
};

}  // namespace sluice::json
