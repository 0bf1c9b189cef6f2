#include <gtest/gtest.h>

#include "connector/kafka/cluster_view.h"
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

}  // namespace
}  // namespace sluice::kafka
