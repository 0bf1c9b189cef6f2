#include <filesystem>

#include <gtest/gtest.h>

#include <arrow/scalar.h>

#include "port/plan.h"
#include "port/registry.h"

namespace sluice {
namespace {

Registry small_registry() {
  Registry registry;
  ConnectorDescriptor file;
  file.name = "file";
  file.schemes = {"file"};
  registry.add(file);
  ConnectorDescriptor postgresql;
  postgresql.name = "postgresql";
  postgresql.schemes = {"postgresql", "postgres"};
  registry.add(postgresql);
  FormatDescriptor csv;
  csv.name = "csv";
  csv.extensions = {".csv"};
  registry.add(csv);
  return registry;
}

TEST(RegistryTest, AnUnknownConnectorIsAnErrorWithTheNearestName) {
  auto registry = small_registry();
  auto found = registry.connector("postgresq");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().fault, Fault::user);
  EXPECT_EQ(found.error().what, "unknown connector 'postgresq'; did you mean 'postgresql'?");
}

TEST(RegistryTest, ANameFarFromAllListsWhatThereIs) {
  EXPECT_EQ(small_registry().connector("mainframe").error().what,
            "unknown connector 'mainframe'; there are: file, postgresql");
}

TEST(RegistryTest, AConnectorIsFoundByEachOfItsSchemes) {
  auto registry = small_registry();
  EXPECT_EQ(registry.connector_of_scheme("postgres").value()->name, "postgresql");
}

TEST(RegistryTest, AConnectorWithoutASourceSaysThatItCanOnlyBeWrittenTo) {
  auto registry = small_registry();
  ConnectorRequest request;
  request.location.scheme = "file";
  request.where = "a.sql:1:15";
  EXPECT_EQ(registry.create_source(request).error().what, "a.sql:1:15: file can only be written to");
  EXPECT_EQ(registry.create_sink(request).error().what, "a.sql:1:15: file can only be read from");
}

TEST(RegistryTest, AFormatIsFoundByTheEndOfAPath) {
  auto registry = small_registry();
  EXPECT_EQ(registry.format_of_extension("data/a.csv")->name, "csv");
  EXPECT_EQ(registry.format_of_extension("data/a.csv.gz"), nullptr);
}

TEST(PushdownTest, PredicatesPrintAsTheirUserWouldWriteThem) {
  Predicate equal{{"user", "City"}, Predicate::Op::eq, {arrow::MakeScalar("Rome")}};
  EXPECT_EQ(to_string(equal), "user.\"City\" = 'Rome'");
  Predicate in{{"n"}, Predicate::Op::in, {arrow::MakeScalar(int64_t{1}), arrow::MakeScalar(int64_t{2})}};
  EXPECT_EQ(to_string(in), "n IN (1, 2)");
  EXPECT_EQ(to_string(Predicate{{"n"}, Predicate::Op::is_not_null, {}}), "n IS NOT NULL");
}

TEST(EndpointTest, AUriHoldsAllOptionsAndNoSecret) {
  Endpoint endpoint;
  endpoint.request.location = parse_location("postgresql://me:hunter2@db:5433/shop?table=orders").value();
  endpoint.request.options["access_key"] = {"hunter3", "a.sql:1:1"};
  endpoint.request.options["cdc"] = {"true", "a.sql:1:1"};
  auto uri = endpoint.uri();
  EXPECT_NE(uri.find("table=orders"), std::string::npos) << uri;
  EXPECT_NE(uri.find("cdc=true"), std::string::npos) << uri;
  EXPECT_EQ(uri.find("hunter"), std::string::npos) << uri;
}

TEST(EndpointTest, ALastingUriIsTheSamePlaceFromEverywhere) {
  Endpoint endpoint;
  for (const char* local : {"file://./out/?format=csv", "file://./out/?format=parquet"}) {
    endpoint.request.location = parse_location(local).value();
    const auto uri = endpoint.lasting_uri();
    EXPECT_EQ(uri.substr(0, 8), "file:///") << uri;
    EXPECT_EQ(parse_location(uri)->path, std::filesystem::current_path().string() + "/out/") << uri;
  }
  for (const char* elsewhere : {"file:///out/", "sqlite:///a.db?table=t", "s3://bucket/out/", "kafka://broker/topic"}) {
    endpoint.request.location = parse_location(elsewhere).value();
    EXPECT_EQ(endpoint.lasting_uri(), endpoint.uri());
  }
}

}  // namespace
}  // namespace sluice
