#include "postgres/pgoutput.h"

#include <gtest/gtest.h>

#include "postgres/bytes.h"

namespace sluice::postgres {
namespace {

// A message put together as the server does.
class Bytes {
 public:
  template <typename T>
  Bytes& number(T value) {
    append_be(value, &out_);
    return *this;
  }
  Bytes& text(std::string_view text) {
    out_ += text;
    return *this;
  }
  Bytes& name(std::string_view text) {
    out_ += text;
    out_ += '\0';
    return *this;
  }
  Bytes& value(char form, std::string_view bytes) {
    out_ += form;
    number(static_cast<int32_t>(bytes.size()));
    return text(bytes);
  }
  [[nodiscard]] const std::string& bytes() const { return out_; }

 private:
  std::string out_;
};

template <typename T>
T parsed(const Bytes& bytes, bool streamed = false) {
  auto message = pgoutput::parse(bytes.bytes(), streamed);
  EXPECT_TRUE(message.ok()) << message.error().message();
  return std::get<T>(message.value());
}

TEST(Pgoutput, ATransactionSaysWhereItCommits) {
  const auto begin = parsed<pgoutput::Begin>(Bytes().text("B").number<uint64_t>(7).number<int64_t>(8).number(9U));
  EXPECT_EQ(begin.commit_lsn, 7U);
  EXPECT_EQ(begin.commit_time, 8);
  EXPECT_EQ(begin.xid, 9U);
  const auto commit = parsed<pgoutput::Commit>(
      Bytes().text("C").number<int8_t>(0).number<uint64_t>(7).number<uint64_t>(10).number<int64_t>(8));
  EXPECT_EQ(commit.commit_lsn, 7U);
  EXPECT_EQ(commit.end_lsn, 10U);
}

TEST(Pgoutput, ARelationHasItsColumnsAndItsIdentity) {
  Bytes bytes;
  bytes.text("R").number(5U).name("public").name("orders").text("f").number<int16_t>(1);
  bytes.number<int8_t>(1).name("id").number(23U).number(-1);
  const auto relation = parsed<pgoutput::Relation>(bytes);
  EXPECT_EQ(relation.name, "orders");
  EXPECT_EQ(relation.identity, 'f');
  ASSERT_EQ(relation.columns.size(), 1U);
  EXPECT_TRUE(relation.columns[0].in_key);
  EXPECT_EQ(relation.columns[0].type, 23U);
}

TEST(Pgoutput, AnUpdateHasItsOldRowWhereTheServerSentIt) {
  Bytes bytes;
  bytes.text("U").number(5U).text("K").number<int16_t>(2).value('t', "1").text("n");
  bytes.text("N").number<int16_t>(2).value('b', "xy").text("u");
  auto update = parsed<pgoutput::Update>(bytes);
  EXPECT_EQ(update.carries, pgoutput::Old::key);
  EXPECT_EQ(update.old.next().bytes, "1");
  EXPECT_EQ(update.old.next().form, 'n');
  EXPECT_EQ(update.row.next().bytes, "xy");
  EXPECT_EQ(update.row.next().form, 'u');
}

TEST(Pgoutput, InsideAStreamedBlockAChangeBeginsWithItsTransaction) {
  Bytes bytes;
  bytes.text("D").number(77U).number(5U).text("O").number<int16_t>(1).value('t', "1");
  const auto removed = parsed<pgoutput::Delete>(bytes, true);
  EXPECT_EQ(removed.xid, 77U);
  EXPECT_EQ(removed.carries, pgoutput::Old::full);
}

TEST(Pgoutput, EveryCutOffMessageIsAnError) {
  Bytes bytes;
  bytes.text("I").number(5U).text("N").number<int16_t>(2).value('t', "one").value('b', "two");
  ASSERT_TRUE(pgoutput::parse(bytes.bytes(), false).ok());
  for (size_t size = 0; size < bytes.bytes().size(); ++size) {
    EXPECT_FALSE(pgoutput::parse(std::string_view(bytes.bytes()).substr(0, size), false).ok()) << size;
  }
}

TEST(Pgoutput, APositionIsReadAsItIsWritten) {
  EXPECT_EQ(lsn_text(0x16B374D848), "16/B374D848");
  EXPECT_EQ(parse_lsn("16/B374D848").value(), 0x16B374D848U);
  EXPECT_FALSE(parse_lsn("16").ok());
  EXPECT_FALSE(parse_lsn("16/xyz").ok());
}

}  // namespace
}  // namespace sluice::postgres
