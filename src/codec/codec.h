// Compressed streams, both ways: gzip, zstd, snappy (framing format), lz4 (frames), bzip2.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string_view>

#include <arrow/io/type_fwd.h>

#include "base/result.h"

namespace sluice {

enum class Codec { none, gzip, zstd, snappy, lz4, bzip2 };

// In the order of the enum: the choices of a `compression` option.
inline constexpr std::array<std::string_view, 6> kCodecNames = {"none", "gzip", "zstd", "snappy", "lz4", "bzip2"};

std::string_view to_string(Codec codec);
Result<Codec> parse_codec(std::string_view name);

// By the end of the path (.gz .zst .snappy .lz4 .bz2; upper case too); none when it has no such end.
Codec codec_of_extension(std::string_view path);
std::string_view extension_of(Codec codec);               // ".gz"; empty for none
std::string_view strip_extension(std::string_view path);  // "a.csv.gz" → "a.csv"; other paths come back unchanged

// Reads what `in` holds decompressed: all members of a gzip file, all frames of a zstd or lz4 one, to the end. Data
// that is cut short or damaged is an Invalid status that says which ("truncated gzip data: …"); from_arrow() makes it
// Fault::user. Where a format has no end mark (snappy) only a cut inside a chunk can be noticed. Takes `in` over:
// closing closes it. Codec::none returns `in`. One thread.
Result<std::shared_ptr<arrow::io::InputStream>> open_decompressed(Codec codec,
                                                                  std::shared_ptr<arrow::io::InputStream> in);

// Compresses into `out`. `level`: gzip 1–9 (default 6), zstd 1–22 (3), lz4 0–12 (0), bzip2 1–9 (9), snappy none.
// Close() ends the compressed data and flushes; it leaves `out` open, because its owner decides when that is complete.
// Data of a stream that is destroyed unclosed is cut short. Flush() makes what was written so far readable. Tell()
// counts uncompressed bytes. Codec::none returns `out` itself (whose Close() closes it).
Result<std::shared_ptr<arrow::io::OutputStream>> open_compressed(Codec codec,
                                                                 std::shared_ptr<arrow::io::OutputStream> out,
                                                                 std::optional<int> level = {});

}  // namespace sluice
