#include "options/location.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

Location location_of(std::string_view text, std::string_view connector = {}) {
  auto result = parse_location(text, connector);
  if (!result.ok()) {
    ADD_FAILURE() << text << ": " << result.error().what;
    return {};
  }
  return std::move(result).value();
}
std::string error_of(std::string_view text, std::string_view connector = {}) {
  auto result = parse_location(text, connector);
  if (result.ok()) return "no error: " + result.value().redacted();
  EXPECT_EQ(result.error().fault, Fault::user);
  return result.error().what;
}
std::string param(const Location& location, std::string_view name) {
  const auto found = location.params.find(name);
  return found == location.params.end() ? "(absent)" : found->second.value;
}
using Hosts = std::vector<HostPort>;

TEST(FileLocationTest, AbsoluteUrisOfTheSeedAreUnderstood) {
  const Location location = location_of("file:///data/input/*.csv?header=true");
  EXPECT_EQ(location.scheme, "file");
  EXPECT_EQ(location.path, "/data/input/*.csv");
  EXPECT_EQ(param(location, "header"), "true");
  EXPECT_EQ(location.params.find("header")->second.where, "the URI");
  const Location log = location_of("file:///logs/app.log?watch=true&format=json");
  EXPECT_EQ(log.path, "/logs/app.log");
  EXPECT_EQ(param(log, "watch"), "true");
  EXPECT_EQ(param(log, "format"), "json");
}

TEST(FileLocationTest, RelativePathsFollowTheSchemeWithADot) {
  EXPECT_EQ(location_of("file://./lake").path, "./lake");
  EXPECT_EQ(location_of("file://../x/*.csv").path, "../x/*.csv");
  EXPECT_EQ(location_of("file://.").path, ".");
  EXPECT_EQ(location_of("FILE://./lake/").path, "./lake/");
}

TEST(FileLocationTest, PlainPathsAreFiles) {
  for (const char* path : {"/abs/path", "rel/path", "./x", "../x", "x.csv", "a b.csv", "data/[0-9]/{a,b}/**/*.json",
                           "C:/x", "10:30.log", "out/"}) {
    const Location location = location_of(path);
    EXPECT_EQ(location.scheme, "file") << path;
    EXPECT_EQ(location.path, path);
    EXPECT_TRUE(location.hosts.empty());
  }
}

TEST(FileLocationTest, TheConnectorsNameStandsForTheScheme) {
  const Location location = location_of("/data/uploads/*.json?watch=true", "file");
  EXPECT_EQ(location.scheme, "file");
  EXPECT_EQ(location.path, "/data/uploads/*.json");
  EXPECT_EQ(param(location, "watch"), "true");
  EXPECT_EQ(location_of("s3:/x", "file").path, "s3:/x");
}

TEST(FileLocationTest, LocalhostIsThisMachineAndOtherHostsAreNot) {
  EXPECT_EQ(location_of("file://localhost/data/x").path, "/data/x");
  EXPECT_EQ(location_of("file:/data/x").path, "/data/x");
  EXPECT_EQ(error_of("file://host/data/x"),
            "the file location names the host 'host', but only this machine's files can be read; write file:///… for "
            "an absolute path or file://./… for a relative one");
  EXPECT_NE(error_of("file://lake").find("'lake'"), std::string::npos);
}

TEST(FileLocationTest, OnlyValidPercentEncodingsAreDecoded) {
  EXPECT_EQ(location_of("/data/what%3F.csv").path, "/data/what?.csv");
  EXPECT_EQ(location_of("/data/100%.csv").path, "/data/100%.csv");
  EXPECT_EQ(location_of("/data/%zz%4").path, "/data/%zz%4");
  EXPECT_EQ(location_of("/data/a%20b+c").path, "/data/a b+c");
  EXPECT_EQ(error_of("/data/%00"), "the file location holds a zero byte (%00)");
}

TEST(FileLocationTest, AQuestionMarkBeginsTheParameters) {
  EXPECT_EQ(error_of("data/?.csv"),
            "the URI: what follows '?' or '&' is written name=value; a '?' in a path or password is %3F");
  EXPECT_EQ(location_of("data/x.csv?").path, "data/x.csv");
}

TEST(FileLocationTest, EmptyLocationsAreRefused) {
  EXPECT_EQ(error_of(""), "a location is empty");
  EXPECT_EQ(error_of("?a=b"), "a location is empty");
  EXPECT_EQ(error_of("", "kafka"), "a location is empty");
  EXPECT_EQ(error_of("file://localhost"), "the file location names no path");
}

TEST(FileLocationTest, AMistypedSchemeIsNotAFile) {
  EXPECT_EQ(error_of("s3:bucket/key"),
            "a location begins with s3:// ; a file whose name begins with 's3:' is written ./s3:…");
  EXPECT_EQ(location_of("./s3:bucket/key").path, "./s3:bucket/key");
}

TEST(S3LocationTest, TheBucketIsTheHostAndTheKeyThePath) {
  const Location location = location_of("s3://data-lake/events/*.parquet?region=us-west-2");
  EXPECT_EQ(location.scheme, "s3");
  EXPECT_EQ(location.hosts, (Hosts{{"data-lake", 0}}));
  EXPECT_EQ(location.path, "events/*.parquet");
  EXPECT_EQ(param(location, "region"), "us-west-2");
  EXPECT_EQ(location_of("s3://backup/logs/2024-01-*/*.json.gz?compression=gzip").path, "logs/2024-01-*/*.json.gz");
}

TEST(S3LocationTest, WithoutTheSchemeInsideItsConnectors) {
  for (const char* connector : {"s3", "s3queue"}) {
    const Location location = location_of("data-lake/raw/*.parquet", connector);
    EXPECT_EQ(location.scheme, "s3");
    EXPECT_EQ(location.hosts, (Hosts{{"data-lake", 0}}));
    EXPECT_EQ(location.path, "raw/*.parquet");
  }
  EXPECT_EQ(location_of("file:///inbox/", "s3queue").scheme, "file");
  EXPECT_EQ(location_of("s3://b/inbox/", "s3queue").scheme, "s3");
}

TEST(S3LocationTest, KeysKeepTheirSlashes) {
  EXPECT_EQ(location_of("s3://b").path, "");
  EXPECT_EQ(location_of("s3://b/").path, "");
  EXPECT_EQ(location_of("s3://b//k/").path, "/k/");
}

TEST(S3LocationTest, WhatIsNoBucketIsRefused) {
  EXPECT_EQ(error_of("s3:///key"), "the s3 location: the bucket is missing; write s3://bucket/prefix/*.parquet");
  EXPECT_EQ(error_of("s3://b*/key"),
            "the s3 location: 'b*' is not a bucket's name (letters, digits, '.', '-' and '_')");
  const std::string error = error_of("s3://AKIA:hunter2@b/key");
  EXPECT_EQ(error.find("hunter2"), std::string::npos);
  EXPECT_NE(error.find("access_key_id"), std::string::npos);
}

TEST(HostLocationTest, PostgresqlUrisOfTheSeedAreUnderstood) {
  const Location location = location_of("postgresql://user:pass@db.example.com:5432/prod?cdc=true&schema=sales");
  EXPECT_EQ(location.scheme, "postgresql");
  EXPECT_EQ(location.user, "user");
  EXPECT_EQ(location.password.reveal(), "pass");
  EXPECT_EQ(location.hosts, (Hosts{{"db.example.com", 5432}}));
  EXPECT_EQ(location.path, "prod");
  EXPECT_EQ(param(location, "cdc"), "true");
  EXPECT_EQ(param(location, "schema"), "sales");
  const Location bare = location_of("localhost/shop?table=orders&cdc=true", "postgresql");
  EXPECT_EQ(bare.scheme, "postgresql");
  EXPECT_EQ(bare.hosts, (Hosts{{"localhost", 0}}));
  EXPECT_EQ(bare.path, "shop");
  EXPECT_EQ(location_of("postgres://localhost/mydb", "postgresql").scheme, "postgresql");
}

TEST(HostLocationTest, KafkaTakesSeveralBrokers) {
  const Location location = location_of("kafka://broker1:9092,broker2:9093,broker3/orders?format=avro");
  EXPECT_EQ(location.hosts, (Hosts{{"broker1", 9092}, {"broker2", 9093}, {"broker3", 0}}));
  EXPECT_EQ(location.path, "orders");
  EXPECT_EQ(location_of("localhost:9092/orders-events", "kafka").hosts, (Hosts{{"localhost", 9092}}));
}

TEST(HostLocationTest, IcebergAndClickhouseUrisOfTheSeedAreUnderstood) {
  const Location iceberg = location_of("iceberg://rest-catalog/analytics/events?branch=staging");
  EXPECT_EQ(iceberg.hosts, (Hosts{{"rest-catalog", 0}}));
  EXPECT_EQ(iceberg.path, "analytics/events");
  const Location clickhouse =
      location_of("clickhouse://user:pass@ch.example.com:9000/warehouse?table=facts&compression=zstd");
  EXPECT_EQ(clickhouse.hosts, (Hosts{{"ch.example.com", 9000}}));
  EXPECT_EQ(param(clickhouse, "compression"), "zstd");
}

TEST(HostLocationTest, Ipv6AddressesStandInBrackets) {
  EXPECT_EQ(location_of("postgresql://[::1]:5432/db").hosts, (Hosts{{"::1", 5432}}));
  EXPECT_EQ(location_of("[::1]/db", "postgresql").hosts, (Hosts{{"::1", 0}}));
  EXPECT_EQ(location_of("kafka://[2001:db8::1]:9092,b2/t").hosts, (Hosts{{"2001:db8::1", 9092}, {"b2", 0}}));
  EXPECT_EQ(error_of("postgresql://::1/db"),
            "the postgresql location: more than one ':' in a host; an IPv6 address is written [::1]: '::1'");
  EXPECT_EQ(error_of("postgresql://[::1/db"), "the postgresql location: an IPv6 address has no ']': '[::1'");
  EXPECT_EQ(error_of("postgresql://[host]/db"),
            "the postgresql location: not an IPv6 address between [ and ]: '[host]'");
  EXPECT_EQ(error_of("postgresql://[::1]x/db"), "the postgresql location: only a port may follow the ']': '[::1]x'");
}

TEST(HostLocationTest, PortsAndHostsAreChecked) {
  EXPECT_EQ(error_of("kafka://b:0/t"), "the kafka location: a port is a number from 1 to 65535: 'b:0'");
  for (const char* text : {"kafka://b:65536/t", "kafka://b:/t", "kafka://b:x/t", "kafka://b:-1/t", "kafka://b: 1/t",
                           "kafka://,b/t", "kafka://b,/t", "kafka://:9092/t", "kafka://b c/t"}) {
    EXPECT_FALSE(parse_location(text).ok()) << text;
  }
  EXPECT_TRUE(location_of("postgresql:///db").hosts.empty());
  EXPECT_EQ(location_of("postgresql://%2Fvar%2Frun%2Fpg/db").hosts, (Hosts{{"/var/run/pg", 0}}));
}

TEST(HostLocationTest, PasswordsMayBePercentEncodedAndHoldAtSigns) {
  EXPECT_EQ(location_of("postgresql://u:p%40%2F%3F%3A%25@h/d").password.reveal(), "p@/?:%");
  EXPECT_EQ(location_of("postgresql://u:a@b@h/d").password.reveal(), "a@b");
  EXPECT_EQ(location_of("postgresql://u:a:b@h/d").password.reveal(), "a:b");
  EXPECT_EQ(location_of("postgresql://u:a+b@h/d").password.reveal(), "a+b");
  EXPECT_EQ(location_of("postgresql://us%40er@h/d").user, "us@er");
  EXPECT_TRUE(location_of("postgresql://user:@h/d").password.empty());
}

TEST(HostLocationTest, NoErrorRepeatsAPassword) {
  for (const char* text :
       {"postgresql://u:hunter2/x@h/d", "postgresql://u:hunter2?x@h/d", "postgresql://u:hunter2%zz@h/d",
        "postgresql://u:hunter2@h:99999/d", "postgresql://u:hunter2,x@h:1:2/d", "postgresql://u:x?hunter2&y@h/d",
        "s3://u:hunter2@b/k", "s3://u:hunter2/@b/k", "file://u:hunter2@host/k", "file://u:hunter2/@host/k",
        "s3://u:hunter2?@b/k", "u:hunter2@h:x/db"}) {
    for (const char* connector : {"", "postgresql"}) {
      auto result = parse_location(text, connector);
      if (!result.ok()) {
        EXPECT_EQ(result.error().what.find("hunter2"), std::string::npos) << text << ": " << result.error().what;
      }
    }
  }
}

TEST(HostLocationTest, APasswordCutByASlashIsNotTakenForAPortAndAPath) {
  EXPECT_EQ(error_of("postgresql://u:12/hunter2@h/d"),
            "a location has an '@' behind '/': in a password '/' is written %2F and '?' %3F, elsewhere '@' is %40");
  EXPECT_EQ(error_of("u:12?hunter2=x@h/d", "postgresql"),
            "a location has an '@' behind '?': in a password '/' is written %2F and '?' %3F, elsewhere '@' is %40");
  EXPECT_EQ(error_of("postgresql://u:a@b/hunter2@h/d"), error_of("postgresql://u:12/hunter2@h/d"));
  EXPECT_EQ(param(location_of("postgresql://u:p@h?options=a@b"), "options"), "a@b");
  EXPECT_EQ(location_of("kafka://b:9092/t%40x").path, "t@x");
  EXPECT_EQ(location_of("kafka://b/t@x").path, "t@x");
  EXPECT_EQ(param(location_of("kafka://b:9092/t?schema_registry=http://u:p@r"), "schema_registry"), "http://u:p@r");
}

TEST(HostLocationTest, AnotherConnectorsSchemeIsRefused) {
  EXPECT_EQ(error_of("kafka://b/t", "postgresql"),
            "a location of postgresql begins with postgresql://, not with kafka://");
  EXPECT_EQ(location_of("kafka://b/t", "kafka").scheme, "kafka");
}

TEST(ParamsTest, AreDecodedAndAPlusStaysAPlus) {
  const Location location = location_of("kafka://b/t?a=1%2B1&b=x+y&c=%26%3D&url=http://r:8081/?q=1&e=&");
  EXPECT_EQ(param(location, "a"), "1+1");
  EXPECT_EQ(param(location, "b"), "x+y");
  EXPECT_EQ(param(location, "c"), "&=");
  EXPECT_EQ(param(location, "url"), "http://r:8081/?q=1");
  EXPECT_EQ(param(location, "e"), "");
}

TEST(ParamsTest, MistakesAreNamed) {
  EXPECT_EQ(error_of("kafka://b/t?a=1&a=2"), "the URI: parameter 'a' is given twice");
  EXPECT_EQ(error_of("kafka://b/t?a=%zz"),
            "the URI: parameter 'a' holds a '%' without two hex digits after it; a percent sign is written %25");
  EXPECT_EQ(error_of("kafka://b/t?=1"), "the URI: a parameter has no name before its '='");
  EXPECT_EQ(error_of("kafka://b/t?a=%00"), "the URI: parameter 'a' holds a zero byte");
}

TEST(RedactedTest, HidesThePasswordAndSecretLookingParameters) {
  EXPECT_EQ(location_of("postgresql://user:hunter2@db:5432/prod?schema=sales").redacted(),
            "postgresql://user:***@db:5432/prod?schema=sales");
  EXPECT_EQ(location_of("s3://b/k?access_key_id=AKIA&region=eu&secret_access_key=hunter2").redacted(),
            "s3://b/k?access_key_id=***&region=eu&secret_access_key=***");
  EXPECT_EQ(location_of("kafka://b/t?schema_registry=http://me:hunter2@r:8081").redacted(),
            "kafka://b/t?schema_registry=http://me:***@r:8081");
  EXPECT_EQ(location_of("s3://b/k?key_strategy=HivePartitioned").redacted(), "s3://b/k?key_strategy=HivePartitioned");
}

TEST(RedactedTest, WithoutSecretsItIsReadBackAsTheSameLocation) {
  for (const char* text :
       {"file:///data/*.csv?header=true", "./lake", "rel/a b.csv", "../x?a=b", "/100%25%3F.csv",
        "s3://b/k/*.parquet?r=x", "kafka://b1:9092,b2/t?x=%26%25&y=a=b", "postgresql://us%40er@[::1]:5432/db",
        "postgresql:///db", "iceberg://c/n/t", "postgresql://%2Fvar%2Frun/db", "kafka://b/t?a%3Db=1",
        "sqlite://./x.db?table=t", "kafka://a%3Ab,x%3Ay,%5Bz/t", "kafka://[fe80::1%eth0]:1/t",
        "postgresql://h:5432/?table=orders&%40cdc=a%40b"}) {
    const Location once = location_of(text);
    const Location twice = location_of(once.redacted());
    EXPECT_EQ(twice.scheme, once.scheme) << text;
    EXPECT_EQ(twice.user, once.user) << text;
    EXPECT_EQ(twice.hosts, once.hosts) << text;
    EXPECT_EQ(twice.path, once.path) << text;
    EXPECT_EQ(twice.redacted(), once.redacted()) << text;
  }
}

TEST(RedactedTest, ARelativePathOfAnotherPathSchemeGetsADot) {
  EXPECT_EQ(location_of("x.db?table=t", "sqlite").redacted(), "sqlite://./x.db?table=t");
  EXPECT_EQ(location_of("/x.db", "sqlite").redacted(), "sqlite:///x.db");
}

TEST(RedactedTest, ControlCharactersDoNotReachATerminal) {
  EXPECT_EQ(location_of("a%1B[31mb").redacted(), "a%1B[31mb");
  EXPECT_EQ(location_of("a\x1b[31mb").redacted(), "a%1B[31mb");
}

}  // namespace
}  // namespace sluice
