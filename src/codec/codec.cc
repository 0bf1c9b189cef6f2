#include "codec/codec.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "codec/coder.h"
#include "codec/streams.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, 6> kExtensions = {"", ".gz", ".zst", ".snappy", ".lz4", ".bz2"};

struct Levels {
  int min;
  int max;
  int normal;
};

Levels levels_of(Codec codec) {
  switch (codec) {
    case Codec::gzip:
      return {1, 9, 6};
    case Codec::zstd:
      return {1, 22, 3};
    case Codec::lz4:
      return {0, 12, 0};
    case Codec::bzip2:
      return {1, 9, 9};
    case Codec::none:
    case Codec::snappy:
      break;
  }
  return {0, 0, 0};
}

bool ends_with_ignoring_case(std::string_view text, std::string_view end) {
  if (text.size() < end.size()) return false;
  return std::equal(end.begin(), end.end(), text.end() - static_cast<ptrdiff_t>(end.size()),
                    [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

}  // namespace

std::string_view to_string(Codec codec) { return kCodecNames[static_cast<size_t>(codec)]; }

Result<Codec> parse_codec(std::string_view name) {
  for (size_t i = 0; i < kCodecNames.size(); ++i) {
    if (kCodecNames[i] == name) return static_cast<Codec>(i);
  }
  return user_error("unknown compression '{}'; there are: {}", name, fmt::join(kCodecNames, ", "));
}

Codec codec_of_extension(std::string_view path) {
  for (size_t i = 1; i < kExtensions.size(); ++i) {
    if (ends_with_ignoring_case(path, kExtensions[i])) return static_cast<Codec>(i);
  }
  return Codec::none;
}

std::string_view extension_of(Codec codec) { return kExtensions[static_cast<size_t>(codec)]; }

std::string_view strip_extension(std::string_view path) {
  return path.substr(0, path.size() - extension_of(codec_of_extension(path)).size());
}

Result<std::shared_ptr<arrow::io::InputStream>> open_decompressed(Codec codec,
                                                                  std::shared_ptr<arrow::io::InputStream> in) {
  std::unique_ptr<Decompressor> decompressor;
  switch (codec) {
    case Codec::none:
      return in;
    case Codec::gzip:
      decompressor = gzip_decompressor();
      break;
    case Codec::zstd:
      decompressor = zstd_decompressor();
      break;
    case Codec::snappy:
      decompressor = snappy_decompressor();
      break;
    case Codec::lz4:
      decompressor = lz4_decompressor();
      break;
    case Codec::bzip2:
      decompressor = bzip2_decompressor();
      break;
  }
  return decompressed_stream(to_string(codec), std::move(decompressor), std::move(in));
}

Result<std::shared_ptr<arrow::io::OutputStream>> open_compressed(Codec codec,
                                                                 std::shared_ptr<arrow::io::OutputStream> out,
                                                                 std::optional<int> level) {
  auto levels = levels_of(codec);
  int chosen = level.value_or(levels.normal);
  if (chosen < levels.min || chosen > levels.max) {
    if (levels.max == 0) return user_error("compression '{}' has no levels; leave the level out", to_string(codec));
    return user_error("{} has compression levels {} to {}, not {}", to_string(codec), levels.min, levels.max, chosen);
  }
  std::unique_ptr<Compressor> compressor;
  switch (codec) {
    case Codec::none:
      return out;
    case Codec::gzip:
      compressor = gzip_compressor(chosen);
      break;
    case Codec::zstd:
      compressor = zstd_compressor(chosen);
      break;
    case Codec::snappy:
      compressor = snappy_compressor();
      break;
    case Codec::lz4:
      compressor = lz4_compressor(chosen);
      break;
    case Codec::bzip2:
      compressor = bzip2_compressor(chosen);
      break;
  }
  return compressed_stream(std::move(compressor), std::move(out));
}

}  // namespace sluice
