#include "codec/encoding.h"

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using namespace std::string_literals;

std::shared_ptr<Utf8Stream> open(const std::string& encoding, std::string bytes, std::string_view head = {},
                                 bool growing = false) {
  auto in = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::move(bytes)));
  return open_encoded(normal_encoding(encoding).value(), {in, head, growing}).value();
}

std::string text(const std::string& encoding, std::string bytes, std::string_view head = {}) {
  return open(encoding, std::move(bytes), head)->Read(1 << 20).ValueOrDie()->ToString();
}

TEST(Encoding, NamesAreNormalised) {
  EXPECT_EQ(normal_encoding("UTF8").value(), "utf-8");
  EXPECT_EQ(normal_encoding("utf_8").value(), "utf-8");
  EXPECT_EQ(normal_encoding("ISO-8859-1").value(), "latin1");
  EXPECT_EQ(normal_encoding("Windows-1252").value(), "windows-1252");
  EXPECT_EQ(normal_encoding("klingon").error().fault, Fault::user);
  EXPECT_EQ(normal_encoding("latin2//TRANSLIT").error().fault, Fault::user);
  EXPECT_EQ(normal_encoding("iso-2022-jp").error().fault, Fault::user);
}

TEST(Encoding, TextBecomesUtf8) {
  EXPECT_EQ(text("latin1", "Z\xfcrich,\xe9\n"), "Zürich,é\n");
  EXPECT_EQ(text("windows-1252", "\x80 5"), "€ 5");
  EXPECT_EQ(text("utf-16", "\xff\xfeh\0\xac\x20"s), "\xef\xbb\xbfh€");
  EXPECT_EQ(text("utf-16", "\xfe\xff\0h\x20\xac"s), "\xef\xbb\xbfh€");
  EXPECT_EQ(text("utf-16", "h\0i\0"s), "hi");
  EXPECT_EQ(text("utf-16", "\0h\0i"s, "\xfe\xff\0a"s), "hi");
  EXPECT_EQ(text("utf-16le", "\x3d\xd8\x00\xde"s), "😀");
  EXPECT_EQ(text("shift_jis", "\x83\x65"), "テ");
}

TEST(Encoding, CharactersSplitBetweenReadsSurvive) {
  std::string encoded;
  std::string expected;
  for (int i = 0; i < 100'000; ++i) {
    encoded += "\xac\x20x\0\x3d\xd8\x00\xde"s;
    expected += "€x😀";
  }
  encoded.insert(0, "y\0"s);
  auto in = open("utf-16le", encoded);
  std::string all;
  while (true) {
    auto part = in->Read(777).ValueOrDie()->ToString();
    if (part.empty()) break;
    all += part;
  }
  EXPECT_TRUE(all == "y" + expected);
}

TEST(Encoding, OffsetsLeadBackIntoTheEncodedInput) {
  auto latin = open("latin1", std::string(200'000, '\xe9') + "abc");
  ASSERT_EQ(latin->Read(1 << 20).ValueOrDie()->size(), 400'003);
  EXPECT_EQ(latin->encoded_offset(0).ValueOrDie(), 0);
  EXPECT_EQ(latin->encoded_offset(10).ValueOrDie(), 5);
  EXPECT_EQ(latin->encoded_offset(399'998).ValueOrDie(), 199'999);
  EXPECT_EQ(latin->encoded_offset(400'001).ValueOrDie(), 200'001);
  EXPECT_FALSE(latin->encoded_offset(400'004).ok());

  auto wide = open("utf-16",
                   "\xff\xfe"
                   "a\0\xac\x20\n\0\x3d\xd8\x00\xde\n\0"s);
  ASSERT_EQ(wide->Read(100).ValueOrDie()->size(), 13);
  EXPECT_EQ(wide->encoded_offset(8).ValueOrDie(), 8);    // behind "\ufeffa€\n"
  EXPECT_EQ(wide->encoded_offset(13).ValueOrDie(), 14);  // behind "😀\n"
}

TEST(Encoding, InvalidBytesAreNamedByOffset) {
  auto in = open("shift_jis", "ok\xff\xff");
  EXPECT_EQ(in->Read(2).ValueOrDie()->ToString(), "ok");
  auto status = in->Read(1).status();
  EXPECT_EQ(status.message(), "byte 2 is not valid shift-jis; set `encoding` to the file's");
}

TEST(Encoding, AnEndInsideACharacterIsAnErrorUnlessTheFileGrows) {
  EXPECT_FALSE(open("utf-16le", "h\0i"s)->Read(10).ok());
  EXPECT_EQ(open("utf-16le", "h\0i"s, {}, true)->Read(10).ValueOrDie()->ToString(), "h");
}

}  // namespace
}  // namespace sluice
