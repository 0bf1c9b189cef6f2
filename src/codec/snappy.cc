// Snappy's framing format (github.com/google/snappy, framing_format.txt): a stream identifier, then chunks of a type
// byte, a 24-bit length and a body. Raw snappy blocks and Hadoop's container are different formats.
#include <snappy.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "codec/coder.h"
#include "codec/crc32c.h"

namespace sluice {
namespace {

constexpr size_t kHeaderBytes = 4;
constexpr size_t kBlockBytes = 65536;  // section 4.2: no chunk holds more uncompressed bytes
constexpr uint8_t kCompressed = 0x00;
constexpr uint8_t kUncompressed = 0x01;
constexpr uint8_t kFirstSkippable = 0x80;  // 0x80–0xfd are skippable, 0xfe is padding
constexpr uint8_t kIdentifier = 0xff;
constexpr std::array<uint8_t, 10> kStreamIdentifier = {kIdentifier, 6, 0, 0, 's', 'N', 'a', 'P', 'p', 'Y'};

// Section 3: the checksum is masked, because checksums of data that holds checksums are weak.
uint32_t masked_crc(Bytes data) {
  uint32_t crc = crc32c(data);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

uint32_t little_endian(const uint8_t* bytes, int count) {
  uint32_t value = 0;
  for (int i = 0; i < count; ++i) value |= static_cast<uint32_t>(bytes[i]) << (8 * i);
  return value;
}

class SnappyDecompressor final : public Decompressor {
 public:
  arrow::Result<Step> decompress(Bytes in, Space out) override {
    Step step;
    while (true) {
      step.produced += give(out.subspan(step.produced));
      if (ready_ < block_.size()) break;  // out is full
      step.consumed += gather(in.subspan(step.consumed));
      if (!begun_ && !may_be_identifier()) {
        return arrow::Status::Invalid("this is not snappy data in the framing format (it does not begin with sNaPpY)");
      }
      if (chunk_.size() < wanted()) break;  // in is used up
      ARROW_RETURN_NOT_OK(accept());
    }
    step.between_frames = begun_ && chunk_.empty();
    return step;
  }

 private:
  size_t give(Space out) {
    size_t bytes = std::min(out.size(), block_.size() - ready_);
    if (bytes > 0) std::memcpy(out.data(), block_.data() + ready_, bytes);
    ready_ += bytes;
    return bytes;
  }
  [[nodiscard]] size_t wanted() const {
    return chunk_.size() < kHeaderBytes ? kHeaderBytes : kHeaderBytes + little_endian(chunk_.data() + 1, 3);
  }
  size_t gather(Bytes in) {
    size_t used = 0;
    for (int part = 0; part < 2; ++part) {  // the header, then the body it announces
      size_t bytes = std::min(in.size() - used, wanted() - chunk_.size());
      chunk_.insert(chunk_.end(), in.begin() + static_cast<ptrdiff_t>(used),
                    in.begin() + static_cast<ptrdiff_t>(used + bytes));
      used += bytes;
    }
    return used;
  }
  // The chunk is complete.
  arrow::Status accept() {
    uint8_t type = chunk_[0];
    begun_ = true;
    Bytes body(chunk_.data() + kHeaderBytes, chunk_.size() - kHeaderBytes);
    if (type == kCompressed || type == kUncompressed) {
      ARROW_RETURN_NOT_OK(unpack(type, body));
    } else if (type == kIdentifier && !is_identifier()) {
      return arrow::Status::Invalid("damaged snappy data: a wrong stream identifier");
    } else if (type < kFirstSkippable) {
      return arrow::Status::Invalid("damaged snappy data: unknown chunk type ", static_cast<int>(type));
    }
    chunk_.clear();
    return arrow::Status::OK();
  }
  // Asked before a chunk of any announced length is gathered.
  [[nodiscard]] bool may_be_identifier() const {
    size_t bytes = std::min(chunk_.size(), kStreamIdentifier.size());
    return std::equal(chunk_.begin(), chunk_.begin() + static_cast<ptrdiff_t>(bytes), kStreamIdentifier.begin());
  }
  [[nodiscard]] bool is_identifier() const {
    return std::equal(chunk_.begin(), chunk_.end(), kStreamIdentifier.begin(), kStreamIdentifier.end());
  }
  arrow::Status unpack(uint8_t type, Bytes body) {
    if (body.size() < 4) return arrow::Status::Invalid("damaged snappy data: a chunk without its checksum");
    uint32_t checksum = little_endian(body.data(), 4);
    Bytes data = body.subspan(4);
    const char* compressed = reinterpret_cast<const char*>(data.data());
    size_t bytes = data.size();
    bool measured = type == kUncompressed || snappy::GetUncompressedLength(compressed, data.size(), &bytes);
    if (!measured || bytes > kBlockBytes) {
      return arrow::Status::Invalid("damaged snappy data: a chunk with an impossible length");
    }
    block_.resize(bytes);
    ready_ = 0;
    if (type == kUncompressed) {
      std::copy(data.begin(), data.end(), block_.begin());
    } else if (!snappy::RawUncompress(compressed, data.size(), reinterpret_cast<char*>(block_.data()))) {
      return arrow::Status::Invalid("damaged snappy data: a chunk cannot be decompressed");
    }
    if (masked_crc(block_) != checksum)
      return arrow::Status::Invalid("damaged snappy data: a chunk's checksum is wrong");
    return arrow::Status::OK();
  }

  std::vector<uint8_t> chunk_;  // header and body, as far as they have come
  std::vector<uint8_t> block_;  // uncompressed
  size_t ready_ = 0;            // bytes of block_ already given out
  bool begun_ = false;
};

class SnappyCompressor final : public Compressor {
 public:
  arrow::Status compress(Bytes in, Then then, arrow::io::OutputStream& out) override {
    while (!in.empty()) {
      size_t bytes = std::min(in.size(), kBlockBytes - block_.size());
      block_.insert(block_.end(), in.begin(), in.begin() + static_cast<ptrdiff_t>(bytes));
      in = in.subspan(bytes);
      if (block_.size() == kBlockBytes) ARROW_RETURN_NOT_OK(put_block(out));
    }
    if (then == Then::go_on) return arrow::Status::OK();
    return put_block(out);
  }

 private:
  arrow::Status put_block(arrow::io::OutputStream& out) {
    if (!begun_) ARROW_RETURN_NOT_OK(out.Write(kStreamIdentifier.data(), kStreamIdentifier.size()));
    begun_ = true;
    if (block_.empty()) return arrow::Status::OK();
    packed_.resize(kHeaderBytes + 4 + snappy::MaxCompressedLength(block_.size()));
    size_t bytes = 0;
    snappy::RawCompress(reinterpret_cast<const char*>(block_.data()), block_.size(),
                        reinterpret_cast<char*>(packed_.data() + kHeaderBytes + 4), &bytes);
    bool shrank = bytes < block_.size();
    if (!shrank) {
      bytes = block_.size();
      std::copy(block_.begin(), block_.end(), packed_.begin() + kHeaderBytes + 4);
    }
    auto body = static_cast<uint32_t>(bytes + 4);
    uint32_t checksum = masked_crc(block_);
    packed_[0] = shrank ? kCompressed : kUncompressed;
    for (int i = 0; i < 3; ++i) packed_[static_cast<size_t>(1 + i)] = static_cast<uint8_t>(body >> (8 * i));
    for (int i = 0; i < 4; ++i) packed_[static_cast<size_t>(4 + i)] = static_cast<uint8_t>(checksum >> (8 * i));
    block_.clear();
    return out.Write(packed_.data(), static_cast<int64_t>(kHeaderBytes + body));
  }

  std::vector<uint8_t> block_;
  std::vector<uint8_t> packed_;
  bool begun_ = false;
};

}  // namespace

std::unique_ptr<Decompressor> snappy_decompressor() { return std::make_unique<SnappyDecompressor>(); }
std::unique_ptr<Compressor> snappy_compressor() { return std::make_unique<SnappyCompressor>(); }

}  // namespace sluice
