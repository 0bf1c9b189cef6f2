#include "flow/same_place.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(SamePlaceTest, WhoAsksAndHowTheConnectionIsMadeIsNoOtherSource) {
  const std::string table = "postgresql://me:***@db:5432/shop?table=orders";
  for (const char* other :
       {"postgresql://db:5432/shop?table=orders", "postgresql://you@db:5432/shop?table=orders",
        "postgresql://me:***@db:5432/shop?table=orders&ssl_mode=verify-full&sslrootcert=ca.pem&connect_timeout=5s",
        "postgresql://db:5432/shop?application_name=x&table=orders&rate_limit=10"}) {
    EXPECT_EQ(same_source(table, other), SamePlace::yes) << other;
  }
  for (const char* other :
       {"postgresql://me:***@db:5432/shop?table=items", "postgresql://me:***@other:5432/shop?table=orders",
        "postgresql://me:***@db:5432/stage?table=orders", "postgresql://me:***@db:5432/shop?table=orders&where=a>1",
        "sqlite://shop?table=orders"}) {
    EXPECT_EQ(same_source(table, other), SamePlace::no) << other;
  }
  EXPECT_EQ(same_source("s3://b/k/*?access_key_id=a", "s3://b/k/*?profile=p&max_retries=3"), SamePlace::yes);
  // Buckets of one name are many, and so are servers.
  EXPECT_EQ(same_source("s3://b/k/*", "s3://b/k/*?endpoint_url=http://x:9000"), SamePlace::no);
}

TEST(SamePlaceTest, ClustersAreKnownByTheirBrokers) {
  const std::string topic = "kafka://a:9092,b:9092/orders";
  EXPECT_EQ(same_source(topic, "kafka://me@b:9092,c:9092/orders?security_protocol=sasl_ssl&rdkafka.debug=broker"),
            SamePlace::yes);
  EXPECT_EQ(same_source(topic, "kafka://c:9092/orders"), SamePlace::unknown);
  EXPECT_EQ(same_source(topic, "kafka://a:9092/items"), SamePlace::no);
  EXPECT_EQ(same_source(topic, "kafka://a:9092/orders?group_id=other"), SamePlace::no);
}

TEST(SamePlaceTest, ATargetIsThePlaceAndTheTableInIt) {
  const std::string table = "postgresql://me:***@db/shop?table=orders";
  EXPECT_TRUE(same_target(table, "postgresql://you@db/shop?table=orders&mode=append&ssl_mode=require"));
  EXPECT_FALSE(same_target(table, "postgresql://me@db/shop?table=items"));
  EXPECT_FALSE(same_target(table, "file://out/"));
  EXPECT_TRUE(same_target("file:///data/out/?format=json", "file:///data/out/?format=csv"));
  EXPECT_FALSE(same_target("file:///data/out/", "file:///data/other/"));
}

}  // namespace
}  // namespace sluice
