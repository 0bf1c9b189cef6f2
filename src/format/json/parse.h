// What the row parsers (one per instruction set) share with the code that owns the memory. Plain data only: the parsers
// are compiled for several instruction sets, and an inline function of the standard library compiled in one of them
// could be picked by the linker for everybody.
#pragma once

#include <cstdint>

namespace arrow {
class DataType;
}

namespace sluice::json {

class Columns;

// How a column's values are parsed. `bytes` and `other` only find the value's end and leave it to convert_scalar().
enum class Kind : uint8_t { skip, boolean, integer, number, text, timestamp, bytes, other, record, list, map };

enum class Flaw : uint8_t {
  none,
  unexpected_character,
  bad_literal,
  bad_number,
  control_character,
  bad_escape,
  lone_surrogate,
  invalid_utf8,
  truncated,
  not_an_object,
  unknown_field,
  duplicate_field,
  wrong_type,  // the value is of a JSON type that the column cannot hold
  not_whole,   // 1.5 into an integer column
  out_of_range,
  inexact,    // an integer that a double cannot hold exactly
  bad_value,  // a string that is not a date, a decimal, base64, …
  too_deep,
};

enum class Op : uint8_t { eq, ne, lt, le, gt, ge, in, is_null, is_not_null };

struct Literal {
  int64_t integer = 0;
  double number = 0;
  const char* text = nullptr;
  uint32_t text_size = 0;
};

// One predicate on a column; a row passes when all tests of all columns do.
struct Test {
  Op op = Op::eq;
  const Literal* literals = nullptr;
  int32_t literal_count = 0;
  const Test* next = nullptr;
};

// Padding that every input and output buffer has, so that 64 bytes can be loaded and stored anywhere.
inline constexpr int64_t kPadding = 64;

// One node of the schema with the buffers its values are appended to. A value is appended at `length`; the buffers of
// list elements grow on demand, all others have room for a row before its parsing begins.
struct alignas(64) Column {
  // What the common path touches comes first, in as few cache lines as possible.
  uint64_t key_head = 0;  // the first eight bytes of `key`, with zeros where key_mask has them
  uint64_t key_mask = 0;
  Column* next = nullptr;  // the field that followed this one in an earlier record: the first guess
  uint32_t key_size = 0;   // 0: too long, or its name needs escapes; then only the careful way finds it
  Kind kind = Kind::skip;
  uint8_t width = 0;      // bytes of a value in `values`
  bool may_stop = false;  // record: once all needed fields were seen the rest is skipped without looking
  bool refuse_unknown = false;
  bool tested = false;  // there are tests on it or below it
  int64_t length = 0;
  char* values = nullptr;      // fixed width values, one byte per boolean, or the text itself
  int32_t* offsets = nullptr;  // text, list, map
  const Test* tests = nullptr;

  int64_t bytes_capacity = 0;   // text, without padding
  int64_t capacity = 0;         // in values
  uint8_t* validity = nullptr;  // all ones, cleared for nulls
  int64_t nulls = 0;
  int64_t min = 0;  // integer: bounds of the type
  int64_t max = 0;
  int64_t units_per_second = 0;  // timestamp
  int64_t date_units = 0;        // timestamp: when the last date seen began

  char date[16] = {};  // timestamp: that date as text, "YYYY-MM-DD"
  Column* first = nullptr;
  Column** fields = nullptr;  // record: all known fields, the needed ones first; list: the element; map: key, value
  int32_t field_count = 0;
  int32_t needed_count = 0;
  int32_t tested_count = 0;        // record: needed fields that have tests in or below them
  const int32_t* table = nullptr;  // hash table of the fields' names; -1 is empty
  uint32_t table_mask = 0;
  int32_t depth = 0;  // brackets open around the value
  int32_t id = 0;
  uint32_t name_size = 0;
  const char* name = "";
  const arrow::DataType* type = nullptr;
  Columns* owner = nullptr;
  char key[64] = {};  // the field's key as it is usually written: "name": with quotes and colon
};

enum class Stop : uint8_t {
  more,       // everything up to `end` is parsed
  pause,      // rows_max or pause_at reached
  range_end,  // the next line belongs to the next range
  array_end,  // past the ']'
  flaw,       // the row at row_start is bad; its columns are cut back already
};

struct Parse {
  const char* at = nullptr;   // in: where to begin; out: where to go on
  const char* end = nullptr;  // kPadding zero bytes follow
  const char* row_start = nullptr;
  const char* line_start = nullptr;
  const char* range_end = nullptr;  // lines that start here or later belong to somebody else
  const char* pause_at = nullptr;
  int64_t rows_max = 0;
  int64_t lines = 0;         // line feeds passed between rows (lines only)
  int64_t rows_dropped = 0;  // by tests
  bool by_line = false;      // a line feed ends a record (and is no white space inside one)
  bool in_array = false;
  bool need_separator = false;  // in an array, after an element
  Column* root = nullptr;

  Flaw flaw = Flaw::none;
  bool dropped = false;  // a test failed at `stopped_at`, within stopped_depth open brackets
  const char* stopped_at = nullptr;
  int32_t stopped_depth = 0;
  const Column* stopped_in = nullptr;
};

// One build of the parser.
struct Parser {
  const char* name;
  Stop (*rows)(Parse&);
  // Past the value at `p`, checking nothing but brackets and strings; null when it does not end before `end`.
  const char* (*skip_value)(Parse&, const char* p);
  // Past the bracket that closes `depth` open ones.
  const char* (*skip_structure)(Parse&, const char* p, int32_t depth);
  void (*cut_back)(Column&, int64_t length);
};
extern const Parser kBaselineParser;
extern const Parser kAvx2Parser;  // x86-64 only. AVX-512 was measured, too: not faster (strings and keys are short)
const Parser& best_parser();
bool can_run(const Parser& parser);

// Called by the parsers; compiled once, for every machine.
void grow_values(Column& column, int64_t values_at_least);
void grow_text(Column& column, int64_t bytes_more);
// Appends the scalar whose JSON is [begin, end) to a column of kind `other`, or in an unusual form to any scalar one.
Flaw convert_scalar(Column& column, const char* begin, const char* end);
// Checks that [begin, end) is one JSON value.
Flaw check_json(const char* begin, const char* end);
// Past the number at `p` (JSON's grammar), null when it is none.
const char* scan_number(const char* p, bool* integral);
// Appends the unescaped text of [begin, end) to `out` (room for end - begin) and moves `out`.
Flaw unescape(const char* begin, const char* end, char** out);
// The field of that name (escaped as in the input), or null.
Flaw find_escaped_field(const Column& record, const char* begin, const char* end, Column** field);
uint32_t hash_name(const char* name, uint32_t size);

}  // namespace sluice::json
