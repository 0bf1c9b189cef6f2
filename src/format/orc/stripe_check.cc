#include "format/orc/stripe_check.h"

#include <algorithm>
#include <string>

#include <arrow/buffer.h>

#include "format/orc/protobuf.h"

namespace sluice::orc_format_detail {
namespace {

// orc_proto.proto: CompressionKind, Stream.Kind, ColumnEncoding.Kind.
enum CompressionKind : uint64_t { kNone = 0, kZlib = 1, kSnappy = 2, kLz4 = 4, kZstd = 5 };
constexpr uint64_t kPresentStream = 0;
constexpr uint64_t kLengthStream = 2;
constexpr uint64_t kRowIndexStream = 6;
constexpr uint64_t kDictionary = 1;
constexpr uint64_t kDirectV2 = 2;
constexpr uint64_t kDictionaryV2 = 3;

constexpr uint64_t kTailBytes = 16 << 10;
constexpr size_t kChunkHeader = 3;
// More than any compression and run-length encoding make of a byte.
constexpr uint64_t kContentPerByte = 1 << 20;

// Type.Kind
enum TypeKind : uint64_t {
  kBoolean = 0,
  kFloat = 5,
  kDouble = 6,
  kString = 7,
  kBinary = 8,
  kTimestamp = 9,
  kStruct = 12,
  kDecimal = 14,
  kVarchar = 16,
  kChar = 17,
  kInstant = 18,
};

// How many numbers the library takes from an index entry to find a row group of a column. A place in a stream is one
// number, or two where it is compressed; one more is the place in a run, and another one the bit in a byte.
size_t positions_of(uint64_t type, uint64_t encoding, bool compressed, bool has_present) {
  const size_t place = compressed ? 2 : 1;
  const size_t present = has_present ? place + 2 : 0;
  switch (type) {
    case kBoolean:
      return present + place + 2;
    case kFloat:
    case kDouble:
      return present + place;
    case kString:
    case kBinary:
    case kVarchar:
    case kChar:
      return present + (encoding == kDictionary || encoding == kDictionaryV2 ? place + 1 : 2 * place + 1);
    case kTimestamp:
    case kInstant:
      return present + 2 * place + 2;
    case kDecimal:
      return present + 2 * place + 1;
    case kStruct:
      return present;
    default:
      return present + place + 1;
  }
}

arrow::Status damaged(std::string_view what) { return arrow::Status::Invalid(what); }

arrow::Result<std::unique_ptr<arrow::util::Codec>> codec_of(uint64_t kind) {
  switch (kind) {
    case kNone:
      return nullptr;
    case kZlib: {
      arrow::util::GZipCodecOptions raw;
      raw.gzip_format = arrow::util::GZipFormat::DEFLATE;
      return arrow::util::Codec::Create(arrow::Compression::GZIP, raw);
    }
    case kSnappy:
      return arrow::util::Codec::Create(arrow::Compression::SNAPPY);
    case kLz4:
      return arrow::util::Codec::Create(arrow::Compression::LZ4);
    case kZstd:
      return arrow::util::Codec::Create(arrow::Compression::ZSTD);
    default:
      return damaged("its compression is not supported");
  }
}

// Adds up lengths.
class Sum {
 public:
  explicit Sum(int64_t most) : most_(static_cast<uint64_t>(most)) {}
  bool add(uint64_t length) {
    total_ += length;
    return length <= INT32_MAX && total_ <= most_;
  }

 private:
  const uint64_t most_;
  uint64_t total_ = 0;
};

// Bits in big-endian order. Past the end they are missing: `ended`.
class Bits {
 public:
  explicit Bits(std::string_view bytes) : bytes_(bytes) {}
  uint64_t take(uint32_t width) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < width; ++i, ++at_) {
      if (at_ / 8 >= bytes_.size()) {
        ended_ = true;
        return 0;
      }
      auto byte = static_cast<uint8_t>(bytes_[at_ / 8]);
      value = value << 1 | (byte >> (7 - at_ % 8) & 1);
    }
    return value;
  }
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] size_t bytes_taken() const { return (at_ + 7) / 8; }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
  bool ended_ = false;
};

uint32_t width_of_code(uint32_t code) {
  constexpr uint32_t kWide[] = {26, 28, 30, 32, 40, 48, 56, 64};
  return code < 24 ? code + 1 : kWide[code - 24];
}

uint32_t closest_width(uint32_t width) {
  if (width <= 24) return std::max(width, 1U);
  for (uint32_t code = 24; code < 32; ++code) {
    if (width <= width_of_code(code)) return width_of_code(code);
  }
  return 64;
}

int64_t unzigzag(uint64_t value) { return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1); }

// One stream of lengths: walks its runs. False from a run: a length is wrong. Cut off: `ended`.
class Runs {
 public:
  Runs(std::string_view bytes, int64_t total_max) : in_(bytes), sum_(total_max) {}
  bool version_1() {
    while (!in_.done()) {
      if (!run_1()) return in_.failed();
    }
    return true;
  }
  bool version_2() {
    while (!in_.done()) {
      const uint8_t head = in_.byte();
      const uint32_t code = head >> 1 & 0x1F;
      bool good = false;
      switch (head >> 6) {
        case 0:
          good = short_repeat(head);
          break;
        case 1:
          good = direct(width_of_code(code), count_of(head));
          break;
        case 2:
          good = patched(width_of_code(code), count_of(head));
          break;
        default:
          good = delta(code == 0 ? 0 : width_of_code(code), count_of(head));
      }
      if (!good) return in_.failed();
    }
    return true;
  }

 private:
  uint32_t count_of(uint8_t head) { return ((head & 1U) << 8 | in_.byte()) + 1; }

  bool run_1() {
    const auto control = static_cast<int8_t>(in_.byte());
    if (control < 0) {
      for (int i = 0; i < -control; ++i) {
        auto length = in_.varint();
        if (in_.failed() || !sum_.add(length)) return false;
      }
      return true;
    }
    const auto step = static_cast<int8_t>(in_.byte());
    uint64_t length = in_.varint();
    for (int i = 0; i < control + 3; ++i, length += static_cast<uint64_t>(int64_t{step})) {
      if (in_.failed() || !sum_.add(length)) return false;
    }
    return true;
  }

  bool short_repeat(uint8_t head) {
    uint64_t length = 0;
    for (int i = 0; i <= (head >> 3 & 7); ++i) length = length << 8 | in_.byte();
    for (int i = 0; i < (head & 7) + 3; ++i) {
      if (in_.failed() || !sum_.add(length)) return false;
    }
    return true;
  }

  bool direct(uint32_t width, uint32_t count) {
    Bits bits(in_.rest());
    for (uint32_t i = 0; i < count; ++i) {
      auto length = bits.take(width);
      if (bits.ended()) return in_.fail();
      if (!sum_.add(length)) return false;
    }
    in_.skip(bits.bytes_taken());
    return true;
  }

  // Some values have further bits in a list of patches: (distance to the one before, bits).
  bool patched(uint32_t width, uint32_t count) {
    const uint8_t third = in_.byte();
    const uint8_t fourth = in_.byte();
    const uint32_t base_bytes = (third >> 5 & 7U) + 1;
    const uint32_t patch_width = width_of_code(third & 0x1FU);
    const uint32_t gap_width = (fourth >> 5 & 7U) + 1;
    const uint32_t patches = fourth & 0x1FU;
    uint64_t base = 0;
    for (uint32_t i = 0; i < base_bytes; ++i) base = base << 8 | in_.byte();
    if (base >> (base_bytes * 8 - 1) != 0) return in_.failed();  // the sign: a length below zero
    std::vector<uint64_t> values(count);
    Bits bits(in_.rest());
    for (auto& value : values) value = bits.take(width);
    if (bits.ended()) return in_.fail();
    in_.skip(bits.bytes_taken());
    if (gap_width + patch_width > 64) return false;
    Bits list(in_.rest());
    const uint32_t entry_width = closest_width(gap_width + patch_width);
    size_t at = 0;
    for (uint32_t i = 0; i < patches; ++i) {
      auto entry = list.take(entry_width);
      if (list.ended()) return in_.fail();
      const uint64_t mask = patch_width == 64 ? UINT64_MAX : (uint64_t{1} << patch_width) - 1;
      at += patch_width == 64 ? 0 : entry >> patch_width;
      const uint64_t patch = entry & mask;
      if (patch == 0) continue;  // only distance
      if (at >= values.size() || width >= 64 || patch > UINT64_MAX >> width) return false;
      values[at] |= patch << width;
    }
    in_.skip(list.bytes_taken());
    return std::all_of(values.begin(), values.end(),
                       [&](uint64_t value) { return value <= INT32_MAX && sum_.add(base + value); });
  }

  bool delta(uint32_t width, uint32_t count) {
    uint64_t length = in_.varint();
    const int64_t first = unzigzag(in_.varint());
    if (in_.failed() || !sum_.add(length)) return false;
    Bits bits(in_.rest());
    for (uint32_t i = 1; i < count; ++i) {
      uint64_t step = static_cast<uint64_t>(first);
      if (i > 1 && width > 0) {
        step = bits.take(width);
        if (first < 0) step = -step;
      }
      if (bits.ended()) return in_.fail();
      length += step;
      if (!sum_.add(length)) return false;
    }
    in_.skip(bits.bytes_taken());
    return true;
  }

  ByteReader in_;
  Sum sum_;
};

}  // namespace

arrow::Status check_lengths(std::string_view stream, bool version_2, int64_t total_max) {
  Runs runs(stream, total_max);
  if (version_2 ? runs.version_2() : runs.version_1()) return arrow::Status::OK();
  return damaged("a length is out of bounds");
}

arrow::Result<StripeCheck> StripeCheck::open(std::shared_ptr<arrow::io::RandomAccessFile> file) {
  StripeCheck check;
  check.file_ = std::move(file);
  ARROW_ASSIGN_OR_RAISE(auto size, check.file_->GetSize());
  check.file_bytes_ = static_cast<uint64_t>(size);
  auto tail_bytes = std::min(check.file_bytes_, kTailBytes);
  ARROW_ASSIGN_OR_RAISE(auto tail, check.read(check.file_bytes_ - tail_bytes, tail_bytes));
  if (tail.empty()) return damaged("it is empty");
  const size_t postscript_bytes = static_cast<uint8_t>(tail.back());
  if (postscript_bytes + 1 > tail.size()) return damaged("its last byte is wrong");
  uint64_t footer_bytes = 0;
  uint64_t compression = 0;
  const auto end = tail.size() - 1 - postscript_bytes;
  ARROW_RETURN_NOT_OK(each_field(std::string_view(tail).substr(end, postscript_bytes), [&](const ProtobufField& field) {
    if (field.number == 1) footer_bytes = field.value;
    if (field.number == 2) compression = field.value;
    if (field.number == 3) check.block_bytes_ = field.value;
    return arrow::Status::OK();
  }));
  ARROW_ASSIGN_OR_RAISE(check.codec_, codec_of(compression));
  const uint64_t behind = postscript_bytes + 1;
  if (footer_bytes > check.file_bytes_ - behind) return damaged("its footer is longer than it");
  ARROW_ASSIGN_OR_RAISE(auto stored, check.read(check.file_bytes_ - behind - footer_bytes, footer_bytes));
  ARROW_ASSIGN_OR_RAISE(auto footer, check.decompressed(stored));
  ARROW_RETURN_NOT_OK(check.read_footer(footer));
  return check;
}

arrow::Status StripeCheck::read_footer(std::string_view footer) {
  return each_field(footer, [&](const ProtobufField& field) {
    if (field.number == 8) row_index_stride_ = field.value;
    if (field.number == 3) {
      Stripe stripe;
      ARROW_RETURN_NOT_OK(each_field(field.bytes, [&](const ProtobufField& part) {
        if (part.number == 1) stripe.offset = part.value;
        if (part.number == 2) stripe.index_bytes = part.value;
        if (part.number == 3) stripe.data_bytes = part.value;
        if (part.number == 4) stripe.footer_bytes = part.value;
        return arrow::Status::OK();
      }));
      stripes_.push_back(stripe);
    } else if (field.number == 4) {
      auto& subtypes = types_.emplace_back().subtypes;
      ARROW_RETURN_NOT_OK(each_field(field.bytes, [&](const ProtobufField& part) {
        if (part.number == 1) types_.back().kind = part.value;
        return part.number == 2
                   ? each_number(part,
                                 [&](uint64_t column) {
                                   subtypes.push_back(static_cast<uint32_t>(std::min<uint64_t>(column, UINT32_MAX)));
                                 })
                   : arrow::Status::OK();
      }));
    }
    return arrow::Status::OK();
  });
}

arrow::Result<std::string> StripeCheck::read(uint64_t offset, uint64_t bytes) const {
  if (offset > file_bytes_ || bytes > file_bytes_ - offset) return damaged("a part lies outside of the file");
  ARROW_ASSIGN_OR_RAISE(auto buffer, file_->ReadAt(static_cast<int64_t>(offset), static_cast<int64_t>(bytes)));
  if (static_cast<uint64_t>(buffer->size()) != bytes) return damaged("the file is shorter than it was");
  return buffer->ToString();
}

// One block, into block_bytes_ of room.
arrow::Result<int64_t> StripeCheck::unpack(std::string_view chunk, uint8_t* out) const {
  const auto size = static_cast<int64_t>(chunk.size());
  const auto* in = reinterpret_cast<const uint8_t*>(chunk.data());
  const auto room = static_cast<int64_t>(block_bytes_);
  if (codec_->compression_type() != arrow::Compression::ZSTD) return codec_->Decompress(size, in, room, out);
  // Arrow's one-shot Zstandard wants to know the size beforehand.
  ARROW_ASSIGN_OR_RAISE(auto stream, codec_->MakeDecompressor());
  ARROW_ASSIGN_OR_RAISE(auto done, stream->Decompress(size, in, room, out));
  if (done.bytes_read != size) return damaged("a compressed block is larger than it may be");
  return done.bytes_written;
}

arrow::Result<std::string> StripeCheck::decompressed(std::string_view stored) const {
  if (codec_ == nullptr) return std::string(stored);
  std::string out;
  while (stored.size() >= kChunkHeader) {
    const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(stored[i])); };
    const uint32_t head = byte(0) | byte(1) << 8 | byte(2) << 16;
    stored.remove_prefix(kChunkHeader);
    auto chunk = stored.substr(0, head >> 1);
    stored.remove_prefix(chunk.size());
    if ((head & 1) != 0) {
      out += chunk;
      continue;
    }
    if (block_bytes_ > (1 << 24)) return damaged("its compression blocks are too large");
    const size_t before = out.size();
    out.resize(before + block_bytes_);
    ARROW_ASSIGN_OR_RAISE(auto got, unpack(chunk, reinterpret_cast<uint8_t*>(out.data() + before)));
    out.resize(before + static_cast<size_t>(got));
  }
  return out;
}

void StripeCheck::collect(uint32_t column, std::vector<bool>& wanted) const {
  if (column >= types_.size() || wanted[column]) return;
  wanted[column] = true;
  for (uint32_t below : types_[column].subtypes) collect(below, wanted);
}

arrow::Result<StripeCheck::Contents> StripeCheck::contents_of(const Stripe& stripe) const {
  ARROW_ASSIGN_OR_RAISE(auto stored, read(stripe.offset + stripe.index_bytes + stripe.data_bytes, stripe.footer_bytes));
  ARROW_ASSIGN_OR_RAISE(auto footer, decompressed(stored));
  Contents contents;
  uint64_t offset = stripe.offset;
  ARROW_RETURN_NOT_OK(each_field(footer, [&](const ProtobufField& field) {
    if (field.number != 1 && field.number != 2) return arrow::Status::OK();
    Stream stream;
    ARROW_RETURN_NOT_OK(each_field(field.bytes, [&](const ProtobufField& part) {
      if (part.number == 1) stream.kind = part.value;
      if (part.number == 2) stream.column = static_cast<uint32_t>(std::min<uint64_t>(part.value, UINT32_MAX));
      if (part.number == 3) stream.bytes = part.value;
      return arrow::Status::OK();
    }));
    if (field.number == 2) {
      contents.encodings.push_back(stream.kind);
      return arrow::Status::OK();
    }
    if (stream.bytes > file_bytes_) return damaged("a stream lies outside of the file");
    stream.offset = offset;
    offset += stream.bytes;
    contents.streams.push_back(stream);
    return arrow::Status::OK();
  }));
  contents.encodings.resize(types_.size());
  return contents;
}

// Reading begins at a row group, whose places the index tells.
arrow::Status StripeCheck::check_index(std::string_view index, uint64_t group, size_t positions) const {
  uint64_t entries = 0;
  ARROW_RETURN_NOT_OK(each_field(index, [&](const ProtobufField& field) {
    if (field.number != 1 || entries++ != group) return arrow::Status::OK();
    size_t count = 0;
    ARROW_RETURN_NOT_OK(each_field(field.bytes, [&](const ProtobufField& part) {
      return part.number == 1 ? each_number(part, [&](uint64_t) { ++count; }) : arrow::Status::OK();
    }));
    return count < positions ? damaged("an index lacks positions") : arrow::Status::OK();
  }));
  return entries <= group ? damaged("an index lacks entries") : arrow::Status::OK();
}

arrow::Status StripeCheck::check(int64_t number, const std::vector<int>& columns, int64_t row) const {
  if (number < 0 || static_cast<size_t>(number) >= stripes_.size() || types_.empty()) {
    return damaged("there is no such stripe");
  }
  const Stripe& stripe = stripes_[static_cast<size_t>(number)];
  std::vector<bool> wanted(types_.size());
  wanted[0] = true;  // the row itself
  for (int column : columns) {
    const auto& top = types_[0].subtypes;
    if (static_cast<size_t>(column) < top.size()) collect(top[static_cast<size_t>(column)], wanted);
  }
  ARROW_ASSIGN_OR_RAISE(auto contents, contents_of(stripe));
  std::vector<bool> has_present(types_.size());
  for (const Stream& stream : contents.streams) {
    if (stream.kind == kPresentStream && stream.column < wanted.size()) has_present[stream.column] = true;
  }
  const auto total_max = static_cast<int64_t>((stripe.data_bytes + 1) * kContentPerByte);
  for (const Stream& stream : contents.streams) {
    const bool index = stream.kind == kRowIndexStream && row_index_stride_ > 0;
    if (stream.column >= wanted.size() || (!index && (stream.kind != kLengthStream || !wanted[stream.column])))
      continue;
    ARROW_ASSIGN_OR_RAISE(auto bytes, read(stream.offset, stream.bytes));
    ARROW_ASSIGN_OR_RAISE(auto content, decompressed(bytes));
    const uint64_t encoding = contents.encodings[stream.column];
    if (index) {
      const size_t positions = wanted[stream.column] ? positions_of(types_[stream.column].kind, encoding,
                                                                    codec_ != nullptr, has_present[stream.column])
                                                     : 0;
      ARROW_RETURN_NOT_OK(check_index(content, static_cast<uint64_t>(row) / row_index_stride_, positions));
    } else {
      ARROW_RETURN_NOT_OK(check_lengths(content, encoding == kDirectV2 || encoding == kDictionaryV2, total_max));
    }
  }
  return arrow::Status::OK();
}

}  // namespace sluice::orc_format_detail
