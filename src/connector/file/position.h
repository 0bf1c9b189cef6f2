// How far a file, or a range of one, has been read: the position token of this source, and what makes a file the same
// file at the next start.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <arrow/io/type_fwd.h>

#include "port/position.h"
#include "port/store.h"

namespace sluice::file {

// A hash (64-bit FNV-1a) of so many bytes.
struct Fingerprint {
  uint64_t hash = 0;
  int64_t bytes = 0;
  bool operator==(const Fingerprint&) const = default;
};

inline constexpr int64_t kFingerprintBytes = 1024;
inline constexpr int64_t kTailBytes = 256;

Fingerprint fingerprint_of(std::span<const uint8_t> bytes);
// Of `bytes` bytes from `offset` on, or as many as there are.
Result<Fingerprint> fingerprint_at(arrow::io::RandomAccessFile& file, int64_t offset, int64_t bytes);

inline constexpr int64_t kToTheEnd = INT64_MAX;

// Offsets are decompressed bytes; rows for formats with random access.
struct FilePosition {
  int64_t begin = 0;  // the range this split owns: records that start in [begin, end)
  int64_t end = kToTheEnd;
  int64_t at = 0;     // the next record
  bool done = false;  // read to the end that the file had when it was `bytes` long
  int64_t bytes = 0;  // of the stored object
  WallTime modified;
  std::string version;
  int64_t generation = 0;  // how many other contents this file is known to have had before
  Fingerprint head;        // of the stored bytes
  Fingerprint tail;        // of the bytes before `at`: of lines that are not compressed, once all are read
  std::string path;        // where it was seen last, if that is not what the split's name says

  [[nodiscard]] Position token() const;
  // Error: the token is not one of ours.
  static Result<FilePosition> parse(const SplitId& split, const Position& position);
};

// The bytes of a line feed in this encoding: 2 in utf-16.
int64_t line_feed_bytes(std::string_view encoding);
// Do these bytes, as many as a line feed has in the encoding, say one? In either byte order.
bool is_line_feed(std::string_view bytes);

// Where a file ends now, as if everything had been read. Of plain lines only the whole ones, and what is appended is
// read on its own: `line_feed` says how many bytes end one, 0 that it holds no plain lines.
Result<FilePosition> end_of(arrow::io::RandomAccessFile& file, const ObjectInfo& object, int64_t line_feed);

}  // namespace sluice::file
