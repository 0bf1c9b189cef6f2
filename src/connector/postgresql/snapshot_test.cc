#include "connector/postgresql/snapshot.h"

#include <gtest/gtest.h>

#include "connector/postgresql/promotion.h"
#include "connector/postgresql/spill.h"

namespace sluice::postgresql {
namespace {

Key key(int64_t value) { return {KeyValue(value)}; }

KeyRange range(std::optional<int64_t> from, std::optional<int64_t> to) {
  KeyRange out;
  if (from) out.from = key(*from);
  if (to) out.to = key(*to);
  return out;
}

std::string missing(const TableCoverage& coverage) {
  std::string out;
  for (const auto& gap : coverage.missing()) out += text_of(gap);
  return out;
}

TEST(XidSnapshot, SeesWhatHadEndedWhenItWasTaken) {
  const auto snapshot = XidSnapshot::parse("100:110:102,105").value();
  EXPECT_TRUE(snapshot.sees(99));
  EXPECT_TRUE(snapshot.sees(101));
  EXPECT_FALSE(snapshot.sees(102));
  EXPECT_FALSE(snapshot.sees(105));
  EXPECT_TRUE(snapshot.sees(109));
  EXPECT_FALSE(snapshot.sees(110));
  EXPECT_FALSE(XidSnapshot::parse("100").ok());
}

TEST(XidSnapshot, KnowsIdsThatHaveWrapped) {
  // 4294967296 is the first id of the second round: on the wire it is 0.
  const auto snapshot = XidSnapshot::parse("4294967290:4294967300:4294967298").value();
  EXPECT_TRUE(snapshot.sees(4294967289U));
  EXPECT_TRUE(snapshot.sees(0));
  EXPECT_FALSE(snapshot.sees(2));
  EXPECT_FALSE(snapshot.sees(4));
}

TEST(TableCoverage, WhatIsMissingIsTheComplementOfWhatIsDelivered) {
  TableCoverage coverage;
  EXPECT_EQ(missing(coverage), "[..]");
  ASSERT_TRUE(coverage.add({"t", range(10, 20), "", 0, false}).ok());
  EXPECT_EQ(missing(coverage), "[..10)[20..]");
  ChunkPosition half{"t", range({}, 5), "", 0, false};
  half.range.to_inclusive = true;
  ASSERT_TRUE(coverage.add(half).ok());
  EXPECT_EQ(missing(coverage), "(5..10)[20..]");
  ChunkPosition rest{"t", range(5, 10), "", 0, false};
  rest.range.from_exclusive = true;
  ASSERT_TRUE(coverage.add(rest).ok());
  ASSERT_TRUE(coverage.add({"t", range(20, {}), "", 0, false}).ok());
  EXPECT_EQ(missing(coverage), "");
}

TEST(TableCoverage, AChangeIsJudgedByThePieceThatItsKeyIsIn) {
  TableCoverage coverage;
  ASSERT_TRUE(coverage.add({"t", range({}, 10), "", 0, false}).ok());               // the slot's own snapshot
  ASSERT_TRUE(coverage.add({"t", range(10, {}), "100:100:", 0x2000, false}).ok());  // a later one
  const auto seen = Committed{99, 0x1000};
  const auto later = Committed{100, 0x1000};
  EXPECT_TRUE(coverage.sees(seen));
  EXPECT_FALSE(coverage.sees(later));
  EXPECT_FALSE(coverage.holds(key(9), seen));
  EXPECT_TRUE(coverage.holds(key(10), seen));
  EXPECT_FALSE(coverage.holds(key(10), later));
  EXPECT_FALSE(coverage.all_see(seen));
}

TEST(TableCoverage, HoldsNothingThatCommittedBehindTheSnapshotHoweverOftenIdsCameAgain) {
  TableCoverage coverage;
  ASSERT_TRUE(coverage.add({"t", range({}, 10), "100:100:", 0x2000, false}).ok());
  ASSERT_TRUE(coverage.add({"t", range(10, {}), "200:200:", 0x3000, false}).ok());
  // 2^31 transactions on, ids look like earlier ones.
  for (const uint32_t xid : {99U, 2147483848U, 4294967295U}) {
    const auto of_today = Committed{xid, 0x3000};
    EXPECT_FALSE(coverage.sees(of_today));
    EXPECT_FALSE(coverage.holds(key(10), of_today));
    EXPECT_FALSE(coverage.all_see(of_today));
    EXPECT_TRUE(coverage.holds(key(10), {xid, 0x2FFF}));
    EXPECT_FALSE(coverage.holds(key(9), {xid, 0x2FFF}));
  }
}

TEST(TableCoverage, PiecesByKeyNeedItWhileChangesMayBeInThem) {
  TableCoverage whole;
  ASSERT_TRUE(whole.add({"t", range({}, {}), "100:100:", 0x2000, false}).ok());
  EXPECT_FALSE(whole.needs_key(0x1000));
  TableCoverage pieces;
  ASSERT_TRUE(pieces.add({"t", range({}, 10), "", 0, false}).ok());
  EXPECT_TRUE(pieces.needs_key(0x3000));  // the rest is to be read
  ASSERT_TRUE(pieces.add({"t", range(10, {}), "100:100:", 0x2000, false}).ok());
  EXPECT_TRUE(pieces.needs_key(0x1000));
  EXPECT_FALSE(pieces.needs_key(0x2000));
}

TEST(SortedKey, IsOneThatEveryChangeCarries) {
  Table table;
  for (const char* name : {"id", "code"}) {
    postgres::Column column;
    column.name = name;
    column.type.kind = postgres::Kind::int4;
    column.in_key = column.name == "id";
    table.columns.push_back(column);
  }
  table.identity_columns = {"code"};
  EXPECT_FALSE(SortedKey::of(table, false).has_value());
  EXPECT_TRUE(SortedKey::of(table, true).has_value());
  table.identity_columns = {"id"};
  EXPECT_EQ(SortedKey::of(table, false).value().column_list(), "\"id\"");
}

TEST(StreamPosition, IsReadAsItIsWritten) {
  StreamPosition position;
  position.place = {0x16B374D848, 3};
  position.ahead["public.a"] = {0x16B374D848, 7};
  position.emptied = {"public.b"};
  position.dropped["public.a"] = {"x"};
  position.identity = {"123", 1, "abc"};
  const auto again = StreamPosition::parse(position.token()).value();
  EXPECT_EQ(again.token(), position.token());
  EXPECT_EQ(again.ahead, position.ahead);
  EXPECT_EQ(StreamPosition::parse({"16/B374D848"}).value().place.lsn, 0x16B374D848U);
  EXPECT_FALSE(StreamPosition::parse({"{}"}).ok());
}

TEST(Promotion, SaysWhereATimelineWasLeft) {
  constexpr std::string_view kHistory =
      "1\t0/3000148\tno recovery target specified\n\n2\t16/B374D848\tbefore 2026-01-31 00:00:00\n";
  EXPECT_EQ(left_at(kHistory, 1), 0x3000148U);
  EXPECT_EQ(left_at(kHistory, 2), 0x16B374D848U);
  EXPECT_EQ(left_at(kHistory, 3), std::nullopt);
  EXPECT_EQ(left_at("", 1), std::nullopt);
}

TEST(Promotion, CountsEverythingThatWasDelivered) {
  StreamPosition stream;
  stream.place = {100, 0};
  EXPECT_EQ(furthest_place(stream, {}).value(), (ChangePlace{100, 0}));
  stream.ahead["public.a"] = {100, 7};
  EXPECT_EQ(furthest_place(stream, {}).value(), (ChangePlace{100, 7}));
  // A piece that was copied later, under a snapshot of its own.
  ChunkPosition piece{"public.a", range(1, 2), "5:5:", 200, false};
  const Positions durable = {{SplitId(kStreamSplit), stream.token()}, {"public.a [1..2)", piece.token()}};
  EXPECT_EQ(furthest_place(stream, durable).value(), (ChangePlace{200, 0}));
}

TEST(TransactionSpill, GivesBackInOrderWhatItTookAlsoFromDisk) {
  for (const size_t memory : {size_t{1} << 20, size_t{64}}) {
    TransactionSpill spill(memory, {});
    for (uint32_t i = 0; i < 1000; ++i) ASSERT_TRUE(spill.add(i % 3, std::string(i, 'x')).ok());
    spill.abort(1);
    uint32_t count = 0;
    while (auto record = spill.next().value()) {
      EXPECT_EQ(record->subxid, count % 3);
      EXPECT_EQ(record->message.size(), count);
      EXPECT_EQ(spill.is_aborted(record->subxid), count % 3 == 1);
      ++count;
    }
    EXPECT_EQ(count, 1000U);
  }
}

}  // namespace
}  // namespace sluice::postgresql
