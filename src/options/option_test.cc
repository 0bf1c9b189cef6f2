#include "options/option.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "options/redact.h"

namespace sluice {
namespace {

const std::vector<OptionSpec>& specs() {
  static const std::vector<OptionSpec> kSpecs = {
      {.name = "watch",
       .kind = OptionKind::boolean,
       .default_value = "false",
       .doc = "Watches.",
       .scope = OptionScope::source},
      {.name = "slot", .doc = "The slot."},
      {.name = "compression",
       .kind = OptionKind::choice,
       .doc = "How to compress.",
       .scope = OptionScope::sink,
       .choices = {"none", "gzip", "zstd"}},
      {.name = "batch_rows",
       .kind = OptionKind::integer,
       .default_value = "1000",
       .doc = "Rows.",
       .min = 1,
       .max = 1'000'000},
      {.name = "rotate_bytes", .kind = OptionKind::bytes, .default_value = "64MB", .doc = "Size.", .min = 1 << 20},
      {.name = "timeout",
       .kind = OptionKind::duration,
       .default_value = "10s",
       .doc = "Time.",
       .min = 1'000,
       .max = 3'600'000},
      {.name = "partition_by", .kind = OptionKind::list, .doc = "Columns."},
      {.name = "secret_access_key", .kind = OptionKind::secret, .doc = "The secret."},
      {.name = "rdkafka.", .doc = "Passed on.", .open_prefix = true},
  };
  return kSpecs;
}

Result<OptionValues> parse(const std::map<std::string, std::string>& given, OptionScope side = OptionScope::source,
                           const std::string& where = "a.sql:3:12") {
  RawOptions raw;
  for (const auto& [name, value] : given) raw[name] = {value, where};
  return OptionValues::parse("file", specs(), side, raw);
}
std::string error_of(const std::map<std::string, std::string>& given, OptionScope side = OptionScope::source) {
  auto result = parse(given, side);
  if (result.ok()) return "no error";
  EXPECT_EQ(result.error().fault, Fault::user);
  return result.error().what;
}

TEST(OptionValuesTest, DefaultsAreReadLikeWrittenValues) {
  auto values = parse({}).value();
  EXPECT_FALSE(values.boolean("watch"));
  EXPECT_EQ(values.integer("batch_rows"), 1000);
  EXPECT_EQ(values.bytes("rotate_bytes"), 64 << 20);
  EXPECT_EQ(values.duration("timeout"), Millis(10'000));
  EXPECT_TRUE(values.has("watch"));
  EXPECT_FALSE(values.is_given("watch"));
  EXPECT_EQ(values.where("watch"), "");
}

TEST(OptionValuesTest, WithoutValueAndDefaultAnOptionIsUnset) {
  auto values = parse({}).value();
  EXPECT_FALSE(values.has("slot"));
  EXPECT_EQ(values.text("slot"), "");
  EXPECT_TRUE(values.list("partition_by").empty());
  EXPECT_TRUE(values.secret("secret_access_key").empty());
  EXPECT_TRUE(values.prefixed("rdkafka.").empty());
  EXPECT_FALSE(values.has("rdkafka."));
}

TEST(OptionValuesTest, WrittenValuesWinAndRememberTheirPlace) {
  auto values = parse({{"watch", "yes"}, {"slot", "my slot"}, {"timeout", "1m"}}).value();
  EXPECT_TRUE(values.boolean("watch"));
  EXPECT_TRUE(values.is_given("watch"));
  EXPECT_EQ(values.where("watch"), "a.sql:3:12");
  EXPECT_EQ(values.text("slot"), "my slot");
  EXPECT_EQ(values.duration("timeout"), Millis(60'000));
}

TEST(OptionValuesTest, AnEmptyTextIsAValue) {
  auto values = parse({{"slot", ""}}).value();
  EXPECT_TRUE(values.has("slot"));
  EXPECT_TRUE(values.is_given("slot"));
}

TEST(OptionValuesTest, AnUnknownNameSuggestsTheNearestOne) {
  RawOptions raw{{"slto", {"x", "orders.sql:3:12"}}};
  auto result = OptionValues::parse("postgresql", specs(), OptionScope::source, raw);
  EXPECT_EQ(result.error().what, "orders.sql:3:12: unknown option 'slto' for postgresql; did you mean 'slot'?");
}

TEST(OptionValuesTest, AnUnknownNameWithoutANearOneListsThoseOfThisSide) {
  EXPECT_EQ(error_of({{"colour", "red"}}),
            "a.sql:3:12: unknown option 'colour' for file; it has batch_rows, partition_by, rdkafka., rotate_bytes, "
            "secret_access_key, slot, timeout, watch");
  auto none = OptionValues::parse("text", {}, OptionScope::both, {{"x", {"1", ""}}});
  EXPECT_EQ(none.error().what, "unknown option 'x' for text, which has none");
}

TEST(OptionValuesTest, AnOptionOfTheOtherSideIsSaidToBeOne) {
  EXPECT_EQ(error_of({{"compression", "gzip"}}),
            "a.sql:3:12: 'compression' is an option of the file sink, not of the source");
  EXPECT_EQ(error_of({{"watch", "true"}}, OptionScope::sink),
            "a.sql:3:12: 'watch' is an option of the file source, not of the sink");
  EXPECT_TRUE(parse({{"watch", "true"}, {"compression", "gzip"}}, OptionScope::both).ok());
}

TEST(OptionValuesTest, ABadValueSaysWhatIsExpected) {
  EXPECT_EQ(error_of({{"watch", "maybe"}}), "a.sql:3:12: option 'watch' of file is true or false, not 'maybe'");
  EXPECT_EQ(error_of({{"batch_rows", "many"}}),
            "a.sql:3:12: option 'batch_rows' of file is a whole number, not 'many'");
  EXPECT_EQ(error_of({{"rotate_bytes", "big"}}),
            "a.sql:3:12: option 'rotate_bytes' of file is a size such as 64MB, not 'big'");
  EXPECT_EQ(error_of({{"timeout", "soon"}}),
            "a.sql:3:12: option 'timeout' of file is a time such as 500ms, 10s or 5m, not 'soon'");
  EXPECT_EQ(error_of({{"partition_by", "a,,b"}}),
            "a.sql:3:12: option 'partition_by' of file is a list such as a, b (an element is empty), not 'a,,b'");
}

TEST(OptionValuesTest, RangesAreToldInTheOptionsUnit) {
  EXPECT_EQ(error_of({{"batch_rows", "0"}}),
            "a.sql:3:12: option 'batch_rows' of file is between 1 and 1000000, not '0'");
  EXPECT_EQ(error_of({{"rotate_bytes", "1000"}}),
            "a.sql:3:12: option 'rotate_bytes' of file is at least 1 MB, not '1000'");
  EXPECT_EQ(error_of({{"timeout", "2h"}}), "a.sql:3:12: option 'timeout' of file is between 1s and 1h, not '2h'");
  EXPECT_TRUE(parse({{"timeout", "1h"}, {"batch_rows", "1"}}).ok());
}

TEST(OptionValuesTest, AChoiceIsCaseSensitiveAndListsWhatThereIs) {
  EXPECT_EQ(error_of({{"compression", "GZIP"}}, OptionScope::sink),
            "a.sql:3:12: option 'compression' of file is one of none, gzip, zstd, not 'GZIP'; did you mean 'gzip'?");
  EXPECT_EQ(error_of({{"compression", "rar"}}, OptionScope::sink),
            "a.sql:3:12: option 'compression' of file is one of none, gzip, zstd, not 'rar'");
  EXPECT_EQ(parse({{"compression", "zstd"}}, OptionScope::sink).value().text("compression"), "zstd");
}

TEST(OptionValuesTest, AMissingRequiredOptionIsNamedWithItsMeaning) {
  const std::vector<OptionSpec> required = {{.name = "table", .doc = "The table to read.", .required = true}};
  auto result = OptionValues::parse("postgresql", required, OptionScope::source, {});
  EXPECT_EQ(result.error().what, "postgresql needs the option 'table': The table to read.");
  EXPECT_TRUE(OptionValues::parse("postgresql", required, OptionScope::source, {{"table", {"t", ""}}}).ok());
}

TEST(OptionValuesTest, ARequiredOptionOfTheOtherSideIsNotMissed) {
  const std::vector<OptionSpec> required = {
      {.name = "table", .doc = "The table.", .scope = OptionScope::sink, .required = true}};
  EXPECT_TRUE(OptionValues::parse("postgresql", required, OptionScope::source, {}).ok());
}

TEST(OptionValuesTest, OptionsOfTheOtherSideHaveTheirDefaults) {
  auto values = parse({}, OptionScope::sink).value();
  EXPECT_TRUE(values.has("watch"));
  EXPECT_FALSE(values.boolean("watch"));
  EXPECT_FALSE(values.is_given("watch"));
  EXPECT_FALSE(parse({}, OptionScope::source).value().has("compression"));
}

TEST(OptionValuesTest, OneNameMayBeDeclaredForEachSideOnItsOwn) {
  const std::vector<OptionSpec> both = {{.name = "mode",
                                         .kind = OptionKind::choice,
                                         .default_value = "a",
                                         .doc = "M.",
                                         .scope = OptionScope::source,
                                         .choices = {"a"}},
                                        {.name = "mode",
                                         .kind = OptionKind::choice,
                                         .default_value = "b",
                                         .doc = "M.",
                                         .scope = OptionScope::sink,
                                         .choices = {"b"}}};
  EXPECT_EQ(OptionValues::parse("x", both, OptionScope::source, {}).value().text("mode"), "a");
  EXPECT_EQ(OptionValues::parse("x", both, OptionScope::sink, {}).value().text("mode"), "b");
}

TEST(OptionValuesTest, ListsTakeCommasBracketsAndQuotes) {
  using List = std::vector<std::string>;
  const auto list = [](const std::string& text) {
    return parse({{"partition_by", text}}).value().list("partition_by");
  };
  EXPECT_EQ(list("a, b,c"), (List{"a", "b", "c"}));
  EXPECT_EQ(list("['a', 'b']"), (List{"a", "b"}));
  EXPECT_EQ(list("[a, b]"), (List{"a", "b"}));
  EXPECT_EQ(list("'a, b', \"c\"\"d\", 'it''s', ''"), (List{"a, b", "c\"d", "it's", ""}));
  EXPECT_EQ(list(""), List{});
  EXPECT_EQ(list("[]"), List{});
  EXPECT_EQ(list(" one word "), List{"one word"});
}

TEST(OptionValuesTest, BrokenListsAreRefused) {
  for (const char* text : {"a,", ",a", "'a", "'a' b", "[a,]", "[,]"}) {
    EXPECT_FALSE(parse({{"partition_by", text}}).ok()) << text;
  }
}

TEST(OptionValuesTest, AnOpenPrefixCollectsWhatBeginsWithIt) {
  auto values = parse({{"rdkafka.linger.ms", "5"}, {"rdkafka.acks", "all"}}).value();
  EXPECT_EQ(values.prefixed("rdkafka."), (std::map<std::string, std::string>{{"acks", "all"}, {"linger.ms", "5"}}));
  EXPECT_TRUE(values.has("rdkafka."));
  EXPECT_FALSE(parse({{"rdkafka.", "5"}}).ok());
}

TEST(OptionValuesTest, SecretsComeFromTheEnvironmentOrAFile) {
  ::setenv("SLUICE_OPTION_TEST", "from env", 1);
  EXPECT_EQ(parse({{"secret_access_key", "env:SLUICE_OPTION_TEST"}}).value().secret("secret_access_key").reveal(),
            "from env");
  const auto path = std::filesystem::temp_directory_path() / ("sluice_option_test_" + std::to_string(::getpid()));
  std::ofstream(path) << "from file\r\n";
  EXPECT_EQ(parse({{"secret_access_key", "file:" + path.string()}}).value().secret("secret_access_key").reveal(),
            "from file");
  std::filesystem::remove(path);
  EXPECT_EQ(parse({{"secret_access_key", "plain"}}).value().secret("secret_access_key").reveal(), "plain");
}

TEST(OptionValuesTest, AMissingSecretNamesTheOptionAndNeverTheValue) {
  EXPECT_EQ(error_of({{"secret_access_key", "env:HUNTER2"}}),
            "a.sql:3:12: option 'secret_access_key' of file names an environment variable that is not set");
  EXPECT_EQ(error_of({{"secret_access_key", "file:/hunter2"}}),
            "a.sql:3:12: option 'secret_access_key' of file names a file that cannot be read: No such file or "
            "directory");
  EXPECT_EQ(error_of({{"secret_access_key", "file:/tmp"}}),
            "a.sql:3:12: option 'secret_access_key' of file names a file that cannot be read: Is a directory");
}

TEST(OptionValuesTest, RenderingShowsWhatWasGivenSortedAndWithoutSecrets) {
  auto values = parse({{"watch", "true"},
                       {"slot", "two words"},
                       {"secret_access_key", "hunter2"},
                       {"rdkafka.sasl.password", "hunter2"},
                       {"rdkafka.acks", "all"}})
                    .value();
  EXPECT_EQ(values.render_given(),
            "rdkafka.acks=all, rdkafka.sasl.password=***, secret_access_key=***, slot='two words', watch=true");
  EXPECT_EQ(parse({}).value().render_given(), "");
}

TEST(OptionValuesTest, RenderingHidesPasswordsInsideUrls) {
  EXPECT_EQ(parse({{"slot", "http://me:hunter2@registry:8081/x"}}).value().render_given(),
            "slot=http://me:***@registry:8081/x");
}

TEST(OptionValuesDeathTest, AskingForWhatWasNotDeclaredIsOurBug) {
  auto values = parse({}).value();
  EXPECT_DEATH((void)values.text("nothing"), "option 'nothing' was declared");
  EXPECT_DEATH((void)values.boolean("slot"), "option 'slot' is asked for as the kind");
  EXPECT_DEATH((void)values.prefixed("slot"), "internal error");
}

TEST(OptionValuesTest, ADefaultThatDoesNotParseIsOurBug) {
  const std::vector<OptionSpec> wrong = {
      {.name = "n", .kind = OptionKind::integer, .default_value = "ten", .doc = "N."}};
  EXPECT_EQ(OptionValues::parse("x", wrong, OptionScope::both, {}).error().fault, Fault::bug);
}

TEST(RedactTest, SecretsAreKnownByTheirNames) {
  for (const char* name : {"password", "sasl.password", "SECRET", "secret_access_key", "access_key_id", "api_key",
                           "session_token", "ssl.key.location", "aws_credentials", "Authorization"}) {
    EXPECT_TRUE(looks_secret(name)) << name;
  }
  for (const char* name : {"key_strategy", "primary_key", "key", "table", "region", "header"}) {
    EXPECT_FALSE(looks_secret(name)) << name;
  }
}

TEST(RedactTest, PasswordsInUrlsAreRemovedHoweverTheyAreWritten) {
  EXPECT_EQ(redact_urls("http://registry:8081"), "http://registry:8081");
  EXPECT_EQ(redact_urls("http://me@registry"), "http://me@registry");
  EXPECT_EQ(redact_urls("http://me:pw@registry"), "http://me:***@registry");
  EXPECT_EQ(redact_urls("http://me:p@w/x@registry"), "http://me:***@registry");
  EXPECT_EQ(redact_urls("a http://u:p@x and s3://v:q@y"), "a http://u:***@x and s3://v:***@y");
  EXPECT_EQ(redact_urls("http://u:p@x,http://v:q@y"), "http://u:***@x,http://v:***@y");
  EXPECT_EQ(redact_urls(""), "");
}

}  // namespace
}  // namespace sluice
