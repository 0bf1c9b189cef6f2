// Finds where the fields and records of a piece of CSV end: 64 bytes at a time, with AVX2 where the machine has it.
#pragma once

#include <cstdint>

#include "format/csv/dialect.h"

namespace sluice::csv {

// Bytes that must be readable behind what is scanned. Their values do not matter.
inline constexpr int64_t kScanPadding = 64;

// What goes over from one block to the next. Fresh at the start of a record.
struct ScanState {
  uint64_t inside = 0;    // all ones: inside a quoted value
  uint64_t boundary = 1;  // 1: the last byte ended a field or was a closing quote, so that a quote may follow
  uint64_t escaping = 0;  // 1: the last byte was an escape in force
};

inline constexpr uint32_t kNoByte = UINT32_MAX;

struct Scan {
  uint32_t fields = 0;             // ends written
  uint32_t records = 0;            // record_ends written
  uint32_t stray_quote = kNoByte;  // offset of a quote inside an unquoted value; nothing behind it was scanned
  bool ascii = true;               // no byte ≥ 0x80 in the blocks scanned
  bool quoted_line_feeds = false;
};

// Scans data[0, bytes). ends: offset of the delimiter or line feed behind each field. record_ends: for each record the
// number of ends up to and including its own. Both need room for `bytes` entries (rounded up to 64).
Scan scan_fields(const Dialect& dialect, const char* data, uint32_t bytes, ScanState* state, uint32_t* ends,
                 uint32_t* record_ends);

// The same decisions about quotes without the output, for looking for record starts: several GB/s. Goes over
// data[0, bytes), where bytes is a multiple of 64 except at the end of the file. Returns the offset of a stray quote,
// else kNoByte.
uint32_t scan_quotes(const Dialect& dialect, const char* data, uint32_t bytes, ScanState* state);

}  // namespace sluice::csv
