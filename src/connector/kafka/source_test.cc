#include <gtest/gtest.h>

#include <arrow/type.h>

#include "connector/kafka/cluster_view.h"
#include "connector/kafka/new_fields.h"
#include "connector/kafka/partition.h"
#include "connector/kafka/source_settings.h"

namespace sluice::kafka {
namespace {

TEST(KafkaSource, SplitsAndPositionsAreReadBackAsTheyWereWritten) {
  const TopicPartition partition{"shop.orders", 12};
  EXPECT_EQ(split_of(partition), "shop.orders/12");
  EXPECT_EQ(partition_of("shop.orders/12").value(), partition);
  EXPECT_EQ(offset_of("t/0", position_of(1207)).value(), 1207);
  for (const char* text : {"orders", "orders/", "orders/x", "/1", "orders/-1"}) {
    EXPECT_FALSE(partition_of(text).ok()) << text;
  }
  for (const char* text : {"", "-1", "7x"}) EXPECT_FALSE(offset_of("t/0", {text}).ok()) << text;
}

TEST(KafkaSource, ABeginningIsAWordOrATime) {
  EXPECT_EQ(parse_beginning("earliest").value().kind, Beginning::Kind::earliest);
  EXPECT_EQ(parse_beginning("latest").value().kind, Beginning::Kind::latest);
  for (const char* text : {"2023-11-14T22:13:20Z", "2023-11-14 22:13:20", "1700000000000"}) {
    const auto beginning = parse_beginning(text);
    ASSERT_TRUE(beginning.ok()) << text;
    EXPECT_EQ(beginning.value().time_ms, 1'700'000'000'000) << text;
  }
  EXPECT_FALSE(parse_beginning("yesterday").ok());
}

TEST(KafkaSource, AnOffsetOutsideOfThePartitionIsAnErrorThatSaysWhatIsMissing) {
  SourceSettings settings;
  settings.pipeline = "orders";
  const TopicPartition partition{"t", 3};
  EXPECT_TRUE(check_offset(settings, partition, 5, {5, 10}).ok());
  EXPECT_TRUE(check_offset(settings, partition, 10, {5, 10}).ok());
  const auto gone = check_offset(settings, partition, 2, {5, 10});
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().fault, Fault::refused);
  EXPECT_NE(gone.error().what.find("retention removed 3 messages"), std::string::npos);
  const auto anew = check_offset(settings, partition, 11, {5, 10});
  ASSERT_FALSE(anew.ok());
  EXPECT_NE(anew.error().what.find("made anew"), std::string::npos);
}

TEST(KafkaSource, AMessageIsNamedByItsPlace) {
  const auto message = message_of("shop.orders/3@1207");
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message.value().partition, (TopicPartition{"shop.orders", 3}));
  EXPECT_EQ(message.value().offset, 1207);
  for (const char* text : {"orders/3", "orders@1", "orders/3@", "orders/3@-1"}) {
    EXPECT_FALSE(message_of(text).ok()) << text;
  }
}

TEST(KafkaSource, NewFieldsStandBehindTheOthersWhichKeepTheirTypes) {
  const auto columns = [](const char* text) { return parse_columns(text).value(); };
  const auto known =
      columns("id DOUBLE, at VARCHAR, user STRUCT(name VARCHAR), tags STRUCT(a INT)[], m MAP(VARCHAR, INT)");
  EXPECT_EQ(with_new_fields(known, *columns("at TIMESTAMP, id BIGINT, user STRUCT(name VARCHAR), tags VARCHAR[]")),
            known);
  const auto wider = with_new_fields(
      known, *columns("x DATE, id BIGINT, user STRUCT(age INT, name VARCHAR), tags STRUCT(b STRUCT(c INT))[]"));
  EXPECT_TRUE(wider->Equals(
      *columns("id DOUBLE, at VARCHAR, user STRUCT(name VARCHAR, age INT), tags STRUCT(a INT, b STRUCT(c INT))[], "
               "m MAP(VARCHAR, INT), x DATE")))
      << wider->ToString();
  // What was null so far is text.
  const auto null = with_new_fields(known, *arrow::schema({arrow::field("n", arrow::list(arrow::null()))}));
  EXPECT_TRUE(null->field(known->num_fields())->type()->Equals(arrow::list(arrow::utf8())));
}

}  // namespace
}  // namespace sluice::kafka
