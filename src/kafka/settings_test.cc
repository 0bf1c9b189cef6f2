#include "kafka/settings.h"

#include <gtest/gtest.h>

namespace sluice::kafka {
namespace {

Result<Cluster> cluster(const std::string& location, std::span<const OwnedProperty> owned = {}) {
  auto parsed = parse_location(location);
  if (!parsed.ok()) return parsed.error();
  auto options = OptionValues::parse("kafka", cluster_option_specs(), OptionScope::source, parsed.value().params);
  if (!options.ok()) return options.error();
  return cluster_of(parsed.value(), options.value(), "orders", owned);
}

std::string property(const Cluster& cluster, const std::string& name) {
  for (const auto& one : cluster.properties) {
    if (one.name == name) return one.value.reveal();
  }
  return "(unset)";
}

std::string problem(const std::string& location, std::span<const OwnedProperty> owned = {}) {
  const auto result = cluster(location, owned);
  EXPECT_FALSE(result.ok());
  return result.ok() ? "" : result.error().what;
}

TEST(KafkaSettings, BrokersHaveTheDefaultPortAndErrorsNameThemAll) {
  const auto made = cluster("kafka://b1,b2:9093,[::1]:9094/orders");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(property(made.value(), "bootstrap.servers"), "b1:9092,b2:9093,[::1]:9094");
  EXPECT_EQ(made.value().where, "kafka://b1:9092,b2:9093,[::1]:9094");
  EXPECT_EQ(property(made.value(), "client.id"), "sluice-orders");
}

TEST(KafkaSettings, ALoginOfTheLocationGoesOnlyOverSasl) {
  const auto made = cluster("kafka://app:pw@b1/orders?security_protocol=SASL_SSL&sasl_mechanism=SCRAM-SHA-256");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(property(made.value(), "sasl.username"), "app");
  EXPECT_EQ(property(made.value(), "sasl.password"), "pw");
  EXPECT_EQ(property(made.value(), "ssl.endpoint.identification.algorithm"), "https");
  EXPECT_EQ(made.value().where.find("pw"), std::string::npos);
  EXPECT_NE(problem("kafka://app:pw@b1/orders").find("needs security_protocol"), std::string::npos);
}

TEST(KafkaSettings, APasswordThatWasRedactedIsMissing) {
  EXPECT_NE(problem("kafka://app:***@b1/orders?security_protocol=SASL_SSL").find("password of user 'app' is missing"),
            std::string::npos);
}

TEST(KafkaSettings, OtherPropertiesPassThroughUnlessAnOptionOrSluiceSetsThem) {
  const auto made = cluster("kafka://b1/orders?rdkafka.fetch.wait.max.ms=50");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(property(made.value(), "fetch.wait.max.ms"), "50");
  constexpr OwnedProperty kOwned[] = {{"group.id", "group_id"}, {"isolation.level", ""}};
  EXPECT_NE(problem("kafka://b1/orders?rdkafka.sasl.username=x").find("use username instead"), std::string::npos);
  EXPECT_NE(problem("kafka://b1/orders?rdkafka.group.id=x", kOwned).find("use group_id instead"), std::string::npos);
  EXPECT_NE(problem("kafka://b1/orders?rdkafka.isolation.level=x", kOwned).find("cannot be changed"),
            std::string::npos);
}

TEST(KafkaSettings, CertificatesNeedTls) {
  EXPECT_NE(problem("kafka://b1/orders?ca_file=ca.crt").find("security_protocol := 'SSL'"), std::string::npos);
  EXPECT_NE(problem("kafka://b1/orders?security_protocol=SSL&cert_file=c.crt").find("given together"),
            std::string::npos);
}

TEST(KafkaSettings, TopicNamesAreThoseThatKafkaTakes) {
  EXPECT_TRUE(check_topic_name("here", "shop.orders_v2-eu").ok());
  for (const char* name : {"", ".", "a/b", "größe"}) EXPECT_FALSE(check_topic_name("here", name).ok()) << name;
  EXPECT_FALSE(check_topic_name("here", std::string(250, 'a')).ok());
}

}  // namespace
}  // namespace sluice::kafka
