#include "codec/encoding.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <arrow/buffer.h>

namespace sluice {
namespace {

constexpr int64_t kEncodedBytes = 128 << 10;

// An iconv descriptor; the system frees it with the object.
class Iconv {
 public:
  explicit Iconv(const std::string& from) : handle_(iconv_open("UTF-8", from.c_str())) {}
  ~Iconv() {
    if (ok()) iconv_close(handle_);
  }
  Iconv(const Iconv&) = delete;
  Iconv& operator=(const Iconv&) = delete;
  [[nodiscard]] bool ok() const { return handle_ != reinterpret_cast<iconv_t>(-1); }
  // 0 when all of `in` is converted, else errno: E2BIG (no space left), EILSEQ, EINVAL (`in` ends inside a character).
  int convert(const char*& in, size_t& in_bytes, char*& out, size_t& out_bytes) {
    char* from = const_cast<char*>(in);
    size_t verdict = ::iconv(handle_, &from, &in_bytes, &out, &out_bytes);
    in = from;
    return verdict == static_cast<size_t>(-1) ? errno : 0;
  }

 private:
  iconv_t handle_;
};

// Latin-1 by hand: it is the common case, and works where the system's conversion modules are not installed.
int convert_latin1(const char*& in, size_t& in_bytes, char*& out, size_t& out_bytes) {
  for (; in_bytes > 0; ++in, --in_bytes) {
    auto byte = static_cast<unsigned char>(*in);
    size_t size = byte < 0x80 ? 1 : 2;
    if (out_bytes < size) return E2BIG;
    out_bytes -= size;
    if (size == 1) {
      *out++ = static_cast<char>(byte);
    } else {
      *out++ = static_cast<char>(0xc0 | (byte >> 6));
      *out++ = static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return 0;
}

class ConvertingStream final : public Utf8Stream {
 public:
  ConvertingStream(std::string encoding, EncodedInput input)
      : name_(encoding),
        encoding_(std::move(encoding)),
        in_(std::move(input.stream)),
        head_(input.head.substr(0, 4)),
        may_end_inside_character_(input.may_end_inside_character) {}
  ~ConvertingStream() override { (void)Close(); }

  arrow::Status Close() override { return std::exchange(closed_, true) ? arrow::Status::OK() : in_->Close(); }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return given_; }

  arrow::Result<int64_t> Read(int64_t bytes, void* to) override {
    auto* space = static_cast<char*>(to);
    int64_t read = 0;
    while (read < bytes) {
      if (used_ == ready_.size()) {
        ARROW_ASSIGN_OR_RAISE(bool more, convert_some());
        if (!more) break;
        continue;
      }
      size_t part = std::min(static_cast<size_t>(bytes - read), ready_.size() - used_);
      std::memcpy(space + read, ready_.data() + used_, part);
      used_ += part;
      read += static_cast<int64_t>(part);
    }
    given_ += read;
    return read;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(bytes));
    ARROW_ASSIGN_OR_RAISE(int64_t read, Read(bytes, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(read, /*shrink_to_fit=*/false));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

  // Converts the kept bytes again, as far as `utf8_offset`: exact for every encoding without state.
  arrow::Result<int64_t> encoded_offset(int64_t utf8_offset) override {
    std::vector<char> scratch(64 << 10);
    size_t done = 0;
    while (mark_utf8_ < utf8_offset) {
      const char* in = kept_.data() + done;
      size_t in_bytes = kept_.size() - done;
      char* out = scratch.data();
      size_t space = std::min(scratch.size(), static_cast<size_t>(utf8_offset - mark_utf8_));
      size_t left = space;
      convert(in, in_bytes, out, left);
      if (left == space) return arrow::Status::UnknownError("offset ", utf8_offset, " is not a character's");
      mark_utf8_ += static_cast<int64_t>(space - left);
      done = kept_.size() - in_bytes;
    }
    kept_.erase(0, done);
    converted_ -= done;
    mark_encoded_ += static_cast<int64_t>(done);
    return mark_encoded_;
  }

 private:
  int convert(const char*& in, size_t& in_bytes, char*& out, size_t& out_bytes) {
    if (!iconv_) return convert_latin1(in, in_bytes, out, out_bytes);
    return iconv_->convert(in, in_bytes, out, out_bytes);
  }

  // Latin-1 needs none; utf-16 and utf-32 say their byte order in the first bytes.
  arrow::Status choose_converter() {
    chosen_ = true;
    if (encoding_ == "latin1") return arrow::Status::OK();
    if (encoding_ == "utf-16" || encoding_ == "utf-32") {
      bool wide = encoding_ == "utf-32";
      std::string_view first = head_.empty() ? std::string_view(kept_).substr(0, 4) : head_;
      using namespace std::string_view_literals;
      encoding_ += first.starts_with(wide ? "\0\0\xfe\xff"sv : "\xfe\xff"sv) ? "be" : "le";
    }
    iconv_.emplace(encoding_);
    return iconv_->ok() ? arrow::Status::OK() : arrow::Status::Invalid("the encoding '", name_, "' is unknown here");
  }

  arrow::Result<bool> convert_some() {
    ARROW_ASSIGN_OR_RAISE(auto more, in_->Read(kEncodedBytes));
    bool at_end = more->size() == 0;
    if (at_end && converted_ == kept_.size()) return false;
    kept_.append(reinterpret_cast<const char*>(more->data()), static_cast<size_t>(more->size()));
    if (!chosen_) ARROW_RETURN_NOT_OK(choose_converter());

    const char* in = kept_.data() + converted_;
    size_t in_bytes = kept_.size() - converted_;
    ready_.resize(in_bytes * 4 + 16);  // no encoding's byte becomes more than four
    char* out = ready_.data();
    size_t space = ready_.size();
    int verdict = convert(in, in_bytes, out, space);
    converted_ = kept_.size() - in_bytes;
    ready_.resize(ready_.size() - space);
    used_ = 0;
    if (verdict == EILSEQ && ready_.empty()) return invalid("is not valid");  // else first what was good
    if (verdict == EINVAL && at_end) {
      if (may_end_inside_character_) return false;
      return invalid("ends inside a character of");
    }
    return true;
  }
  [[nodiscard]] arrow::Status invalid(const char* what) const {
    return arrow::Status::Invalid("byte ", mark_encoded_ + static_cast<int64_t>(converted_), " ", what, " ", name_,
                                  "; set `encoding` to the file's");
  }

  const std::string name_;
  std::string encoding_;
  std::shared_ptr<arrow::io::InputStream> in_;
  const std::string head_;
  const bool may_end_inside_character_;
  std::optional<Iconv> iconv_;
  bool chosen_ = false;
  bool closed_ = false;

  std::string kept_;          // encoded bytes since the mark
  size_t converted_ = 0;      // of kept_
  int64_t mark_encoded_ = 0;  // the same place, in both countings
  int64_t mark_utf8_ = 0;
  std::string ready_;  // UTF-8, not given out from used_ on
  size_t used_ = 0;
  int64_t given_ = 0;
};

}  // namespace

Result<std::string> normal_encoding(std::string_view name) {
  std::string lower;
  for (char c : name) lower += c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kAliases = {{{"utf8", kUtf8},
                                                                                       {"ascii", kUtf8},
                                                                                       {"us-ascii", kUtf8},
                                                                                       {"latin-1", "latin1"},
                                                                                       {"iso-8859-1", "latin1"},
                                                                                       {"iso8859-1", "latin1"},
                                                                                       {"iso88591", "latin1"},
                                                                                       {"utf16", "utf-16"},
                                                                                       {"utf16le", "utf-16le"},
                                                                                       {"utf16be", "utf-16be"},
                                                                                       {"utf32", "utf-32"},
                                                                                       {"unicode", "utf-16"}}};
  for (auto [alias, normal] : kAliases) {
    if (lower == alias) lower = normal;
  }
  if (lower == kUtf8 || lower == "latin1") return lower;
  if (lower.starts_with("iso-2022") || lower.starts_with("utf-7") || lower.starts_with("hz")) {
    return user_error(
        "the encoding '{}' keeps state between characters and is not supported; convert the file to utf-8", name);
  }
  // iconv takes "//TRANSLIT" behind a name and then guesses.
  if (lower.find('/') != std::string::npos || !Iconv(lower).ok()) {
    return user_error("unknown encoding '{}'; try utf-8, latin1, windows-1252, utf-16 or another that `iconv -l` lists",
                      name);
  }
  return lower;
}

Result<std::shared_ptr<Utf8Stream>> open_encoded(const std::string& encoding, EncodedInput input) {
  CHECK(encoding != kUtf8 && input.stream != nullptr);
  return std::shared_ptr<Utf8Stream>(std::make_shared<ConvertingStream>(encoding, std::move(input)));
}

}  // namespace sluice
