#include "codec/codec.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>

#include "codec/crc32c.h"

namespace sluice {
namespace {

constexpr Codec kCodecs[] = {Codec::gzip, Codec::zstd, Codec::snappy, Codec::lz4, Codec::bzip2};

std::string text_of(size_t bytes) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < bytes) text += "{\"id\":" + std::to_string(random()) + ",\"event\":\"view\"}\n";
  text.resize(bytes);
  return text;
}

std::string noise_of(size_t bytes) {
  std::mt19937 random(11);
  std::string noise(bytes, '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  return noise;
}

std::string compress(Codec codec, std::string_view data, size_t write_bytes = 1000, std::optional<int> level = {}) {
  auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto out = open_compressed(codec, sink, level).value();
  for (size_t i = 0; i < data.size(); i += write_bytes) {
    auto part = data.substr(i, write_bytes);
    EXPECT_TRUE(out->Write(part.data(), static_cast<int64_t>(part.size())).ok());
  }
  EXPECT_EQ(out->Tell().ValueOrDie(), static_cast<int64_t>(data.size()));
  EXPECT_TRUE(out->Close().ok());
  EXPECT_FALSE(sink->closed());
  return sink->Finish().ValueOrDie()->ToString();
}

// Hands out at most `most` bytes a read: what a slow network does.
class Trickle : public arrow::io::InputStream {
 public:
  Trickle(std::string data, int64_t most) : data_(std::move(data)), most_(most) {}
  arrow::Status Close() override { return closed_ = true, arrow::Status::OK(); }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return given_; }
  arrow::Result<int64_t> Read(int64_t bytes, void* to) override {
    bytes = std::min({bytes, most_, static_cast<int64_t>(data_.size()) - given_});
    std::memcpy(to, data_.data() + given_, static_cast<size_t>(bytes));
    given_ += bytes;
    return bytes;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override {
    std::string part(static_cast<size_t>(std::min(bytes, most_)), '\0');
    ARROW_ASSIGN_OR_RAISE(int64_t read, Read(bytes, part.data()));
    part.resize(static_cast<size_t>(read));
    return arrow::Buffer::FromString(std::move(part));
  }

 private:
  std::string data_;
  int64_t most_;
  int64_t given_ = 0;
  bool closed_ = false;
};

arrow::Result<std::string> decompress(Codec codec, std::string data, int64_t read_bytes = 4096) {
  auto in = open_decompressed(codec, std::make_shared<Trickle>(std::move(data), read_bytes)).value();
  std::string all;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(auto part, in->Read(read_bytes));
    if (part->size() == 0) break;
    all += part->ToString();
  }
  EXPECT_EQ(in->Tell().ValueOrDie(), static_cast<int64_t>(all.size()));
  return all;
}

TEST(Codec, IsToldByExtension) {
  EXPECT_EQ(codec_of_extension("a/b.csv.gz"), Codec::gzip);
  EXPECT_EQ(codec_of_extension("B.JSON.ZST"), Codec::zstd);
  EXPECT_EQ(codec_of_extension("a.lz4"), Codec::lz4);
  EXPECT_EQ(codec_of_extension("a.bz2"), Codec::bzip2);
  EXPECT_EQ(codec_of_extension("a.snappy"), Codec::snappy);
  EXPECT_EQ(codec_of_extension("a.gz.csv"), Codec::none);
  EXPECT_EQ(codec_of_extension(""), Codec::none);
  EXPECT_EQ(strip_extension("a.csv.gz"), "a.csv");
  EXPECT_EQ(strip_extension("a.csv"), "a.csv");
  for (Codec codec : kCodecs) {
    EXPECT_EQ(codec_of_extension("x" + std::string(extension_of(codec))), codec);
    EXPECT_EQ(parse_codec(to_string(codec)).value(), codec);
  }
  EXPECT_EQ(parse_codec("gzipp").error().fault, Fault::user);
}

TEST(Codec, EveryCodecGivesBackWhatWasWritten) {
  for (Codec codec : kCodecs) {
    for (const auto& data : {std::string(), std::string("x"), text_of(70'000), noise_of(300'000), text_of(3'000'000)}) {
      auto packed = compress(codec, data, 65'000);
      EXPECT_EQ(decompress(codec, packed, 100'000).ValueOrDie(), data) << to_string(codec) << data.size();
    }
    auto data = text_of(50'000);
    EXPECT_EQ(decompress(codec, compress(codec, data, 7), 3).ValueOrDie(), data) << to_string(codec);
  }
}

TEST(Codec, SeveralMembersOrFramesAreReadToTheEnd) {
  for (Codec codec : kCodecs) {
    auto a = text_of(1000);
    auto b = noise_of(90'000);
    auto packed = compress(codec, a) + compress(codec, "") + compress(codec, b);
    EXPECT_EQ(decompress(codec, packed).ValueOrDie(), a + b) << to_string(codec);
    EXPECT_EQ(decompress(codec, packed, 1).ValueOrDie(), a + b) << to_string(codec);
  }
}

TEST(Codec, DataCutAtAnyLengthIsAnError) {
  auto data = text_of(3000);
  for (Codec codec : {Codec::gzip, Codec::zstd, Codec::lz4, Codec::bzip2}) {
    auto packed = compress(codec, data);
    for (size_t length = 0; length < packed.size(); ++length) {
      auto status = decompress(codec, packed.substr(0, length)).status();
      ASSERT_TRUE(status.IsInvalid()) << to_string(codec) << " cut to " << length;
      EXPECT_NE(status.message().find("truncated " + std::string(to_string(codec)) + " data"), std::string::npos)
          << status.message();
    }
    auto two = packed + packed;
    for (size_t length = packed.size() + 1; length < two.size(); ++length) {
      ASSERT_FALSE(decompress(codec, two.substr(0, length)).ok()) << to_string(codec) << " cut to " << length;
    }
  }
}

TEST(Codec, SnappyCutInsideAChunkIsAnErrorAndBetweenChunksIsItsEnd) {
  auto data = noise_of(100'000);
  auto packed = compress(Codec::snappy, data);
  const size_t identifier = 10;
  const size_t first_chunk = 8 + 65536;
  for (size_t length : {size_t{0}, size_t{1}, identifier - 1, identifier + 1, identifier + 5, identifier + 300,
                        identifier + first_chunk - 1, identifier + first_chunk + 1, packed.size() - 1}) {
    auto status = decompress(Codec::snappy, packed.substr(0, length)).status();
    EXPECT_NE(status.message().find("truncated snappy data"), std::string::npos) << length << status.message();
  }
  auto first = decompress(Codec::snappy, packed.substr(0, identifier + first_chunk)).ValueOrDie();
  EXPECT_EQ(first, data.substr(0, 65536));
}

TEST(Codec, AFlippedBitIsNeverReadAsOtherData) {
  auto data = text_of(3000);
  for (Codec codec : kCodecs) {
    auto packed = compress(codec, data);
    for (size_t i = 0; i < packed.size(); ++i) {
      auto damaged = packed;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
      auto result = decompress(codec, damaged);
      // Bits without meaning (gzip's time stamp and system byte, skippable types) may flip; the content may not.
      if (!result.ok()) continue;
      EXPECT_EQ(*result, data) << to_string(codec) << " byte " << i;
    }
  }
}

TEST(Codec, DataOfAnotherKindIsNamed) {
  for (Codec codec : kCodecs) {
    auto status = decompress(codec, "id,name\n1,a\n2,b and some more text\n").status();
    EXPECT_NE(status.message().find("this is not "), std::string::npos) << status.message();
  }
}

TEST(Codec, BytesBehindAGzipMemberMayOnlyBeZeroes) {
  auto packed = compress(Codec::gzip, "hello");
  EXPECT_EQ(decompress(Codec::gzip, packed + std::string(1000, '\0'), 64).ValueOrDie(), "hello");
  auto status = decompress(Codec::gzip, packed + "garbage").status();
  EXPECT_NE(status.message().find("follow member 1"), std::string::npos) << status.message();
  EXPECT_FALSE(decompress(Codec::gzip, packed + std::string(3, '\0') + packed).ok());
}

TEST(Codec, FlushedDataCanBeReadBeforeTheEnd) {
  for (Codec codec : {Codec::gzip, Codec::zstd, Codec::snappy, Codec::lz4}) {
    auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
    auto out = open_compressed(codec, sink).value();
    ASSERT_TRUE(out->Write("hello").ok());
    ASSERT_TRUE(out->Flush().ok());
    auto in = open_decompressed(codec, std::make_shared<arrow::io::BufferReader>(sink->Finish().ValueOrDie())).value();
    EXPECT_EQ(in->Read(5).ValueOrDie()->ToString(), "hello") << to_string(codec);
  }
}

TEST(Codec, LevelsAreChecked) {
  auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  EXPECT_EQ(open_compressed(Codec::gzip, sink, 10).error().what, "gzip has compression levels 1 to 9, not 10");
  EXPECT_EQ(open_compressed(Codec::snappy, sink, 1).error().what,
            "compression 'snappy' has no levels; leave the level out");
  auto data = text_of(200'000);
  EXPECT_LT(compress(Codec::zstd, data, 1000, 19).size(), compress(Codec::zstd, data, 1000, 1).size());
}

TEST(Codec, TheStandardToolsReadWhatIsWritten) {
  const std::pair<Codec, std::string> kTools[] = {
      {Codec::gzip, "gzip"}, {Codec::bzip2, "bzip2"}, {Codec::zstd, "zstd"}, {Codec::lz4, "lz4"}};
  auto data = text_of(400'000);
  std::string folder = ::testing::TempDir() + "sluice_codec_test";
  int tried = 0;
  for (const auto& [codec, tool] : kTools) {
    if (std::system(("command -v " + tool + " >/dev/null 2>&1").c_str()) != 0) continue;
    ++tried;
    std::ofstream(folder + ".packed", std::ios::binary) << compress(codec, data);
    ASSERT_EQ(std::system((tool + " -dc < " + folder + ".packed > " + folder + ".plain").c_str()), 0);
    std::ifstream plain(folder + ".plain", std::ios::binary);
    EXPECT_TRUE(std::string(std::istreambuf_iterator<char>(plain), {}) == data) << tool;
    ASSERT_EQ(std::system((tool + " -c < " + folder + ".plain > " + folder + ".packed").c_str()), 0);
    std::ifstream packed(folder + ".packed", std::ios::binary);
    EXPECT_TRUE(decompress(codec, std::string(std::istreambuf_iterator<char>(packed), {})).ValueOrDie() == data)
        << tool;
  }
  EXPECT_GE(tried, 1) << "gzip is part of every Debian";
}

TEST(Crc32c, MatchesTheKnownValues) {  // RFC 3720, B.4
  std::string zeroes(32, '\0');
  auto bytes = [](std::string_view text) { return Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size()); };
  EXPECT_EQ(crc32c(bytes(zeroes)), 0x8a9136aaU);
  EXPECT_EQ(crc32c(bytes("123456789")), 0xe3069283U);
}

}  // namespace
}  // namespace sluice
