#include "connector/file/position.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <nlohmann/json.hpp>

#include "base/json_string.h"
#include "batch/arrow_result.h"
#include "codec/encoding.h"

namespace sluice::file {
namespace {

std::optional<Fingerprint> parse_fingerprint(const std::string& text) {
  Fingerprint print;
  const char* end = text.data() + text.size();
  auto [slash, error] = std::from_chars(text.data(), end, print.hash, 16);
  if (error != std::errc() || slash == end || *slash != '/') return std::nullopt;
  auto [rest, error2] = std::from_chars(slash + 1, end, print.bytes);
  if (error2 != std::errc() || rest != end) return std::nullopt;
  return print;
}

}  // namespace

Fingerprint fingerprint_of(std::span<const uint8_t> bytes) {
  uint64_t hash = 0xCBF29CE484222325ULL;
  for (uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001B3ULL;
  return {hash, static_cast<int64_t>(bytes.size())};
}

Result<Fingerprint> fingerprint_at(arrow::io::RandomAccessFile& file, int64_t offset, int64_t bytes) {
  std::array<uint8_t, kFingerprintBytes> buffer;
  auto got = TRY(to_result(file.ReadAt(offset, std::min(bytes, kFingerprintBytes), buffer.data())));
  return fingerprint_of({buffer.data(), static_cast<size_t>(got)});
}

// By hand: with ten thousand small files the tokens are a good part of the work.
Position FilePosition::token() const {
  std::string out;
  out.reserve(160);
  auto put = [&]<typename... T>(fmt::format_string<T...> format, T&&... values) {
    fmt::format_to(std::back_inserter(out), format, std::forward<T>(values)...);
  };
  put(R"({{"at":{})", at);
  if (done) out += R"(,"done":true)";
  if (begin != 0 || end != kToTheEnd) put(R"(,"begin":{})", begin);
  if (end != kToTheEnd) put(R"(,"end":{})", end);
  put(R"(,"size":{},"mtime":{},"version":)", bytes, modified.time_since_epoch().count());
  append_json_string(version, out);
  if (generation != 0) put(R"(,"gen":{})", generation);
  if (head.bytes > 0) put(R"(,"fp":"{:x}/{}")", head.hash, head.bytes);
  if (tail.bytes > 0) put(R"(,"tail":"{:x}/{}")", tail.hash, tail.bytes);
  if (!path.empty()) {
    out += R"(,"path":)" + nlohmann::json(path).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  out += '}';
  return Position{std::move(out)};
}

Result<FilePosition> FilePosition::parse(const SplitId& split, const Position& position) {
  auto json = nlohmann::json::parse(position.token, nullptr, false);
  auto wrong = [&] {
    return user_error("the recorded position of '{}' is not one of a file: {}", split, position.token);
  };
  if (!json.is_object()) return wrong();
  FilePosition out;
  try {
    out.at = json.value("at", int64_t{0});
    out.done = json.value("done", false);
    out.begin = json.value("begin", int64_t{0});
    out.end = json.value("end", kToTheEnd);
    out.bytes = json.value("size", int64_t{0});
    out.modified = WallTime(std::chrono::microseconds(json.value("mtime", int64_t{0})));
    out.version = json.value("version", std::string());
    out.generation = json.value("gen", int64_t{0});
    out.path = json.value("path", std::string());
    for (auto [key, print] : {std::pair("fp", &out.head), std::pair("tail", &out.tail)}) {
      if (!json.contains(key)) continue;
      auto parsed = parse_fingerprint(json.at(key).get<std::string>());
      if (!parsed.has_value()) return wrong();
      *print = *parsed;
    }
  } catch (const nlohmann::json::exception&) {
    return wrong();
  }
  return out;
}

int64_t line_feed_bytes(std::string_view encoding) {
  const auto normal = normal_encoding(encoding);
  if (!normal.ok()) return 1;
  auto begins_with = [&](std::initializer_list<std::string_view> names) {
    return std::any_of(names.begin(), names.end(), [&](auto name) { return normal.value().starts_with(name); });
  };
  if (begins_with({"utf-32", "utf32", "ucs-4", "ucs4"})) return 4;
  return begins_with({"utf-16", "utf16", "ucs-2", "ucs2"}) ? 2 : 1;
}

bool is_line_feed(std::string_view bytes) {
  const auto at = bytes.find('\n');
  if (at != 0 && at != bytes.size() - 1) return false;
  return std::count(bytes.begin(), bytes.end(), '\0') == static_cast<int64_t>(bytes.size()) - 1;
}

Result<FilePosition> end_of(arrow::io::RandomAccessFile& file, const ObjectInfo& object, int64_t line_feed) {
  constexpr int64_t kStride = 64 << 10;
  FilePosition position;
  position.done = true;
  position.bytes = object.bytes;
  position.modified = object.modified;
  position.version = object.version;
  position.head = TRY(fingerprint_at(file, 0, std::min(kFingerprintBytes, object.bytes)));
  if (line_feed == 0) return position;
  for (int64_t end = object.bytes - object.bytes % line_feed; end > 0;) {
    const int64_t begin = std::max<int64_t>(0, end - kStride);
    const auto bytes = TRY(to_result(file.ReadAt(begin, end - begin)));
    const std::string_view text(*bytes);
    const auto unit = static_cast<size_t>(line_feed);
    for (size_t found = text.rfind('\n'); found != std::string_view::npos; found = text.substr(0, found).rfind('\n')) {
      const size_t at = found - found % unit;
      if (!is_line_feed(text.substr(at, unit))) continue;
      position.at = begin + static_cast<int64_t>(at + unit);
      return position;
    }
    end = begin;
  }
  return position;
}

}  // namespace sluice::file
