#include "gateway/config.h"

#include <map>

#include <gtest/gtest.h>

namespace sluice {
namespace {

using Variables = std::map<std::string, std::string>;

Result<ServeConfig> parse(const std::string& text, const Variables& variables = {}, const RawOptions& flags = {}) {
  return parse_config(text, "sluice.yaml", flags, [&](const std::string& name) -> std::optional<std::string> {
    auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

std::string complaint(const std::string& text, const Variables& variables = {}) {
  auto config = parse(text, variables);
  return config.ok() ? "accepted" : config.error().what;
}

TEST(Config, AnEmptyFileMeansTheDefaults) {
  auto config = parse("");
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->options.integer("port"), 8001);
  EXPECT_EQ(config->options.text("listen"), "127.0.0.1");
  EXPECT_EQ(config->options.bytes("memory"), 1 << 30);
  EXPECT_EQ(config->options.text("log.level"), "info");
  EXPECT_FALSE(config->options.is_given("state"));
}

TEST(Config, AnEmptyVariableIsUnset) {
  auto config = parse("port: 4000\n", {{"SLUICE_PORT", ""}, {"SLUICE_LOG_LEVEL", ""}, {"SLUICE_STATE", ""}});
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->options.integer("port"), 4000);
  EXPECT_EQ(config->options.text("log.level"), "info");
  EXPECT_FALSE(config->options.is_given("state"));
}

TEST(Config, KeysInsideMappingsAndSchedulesAreRead) {
  auto config = parse(
      "port: 4000\nlog: {level: warn, format: json}\npipelines: jobs/\n"
      "schedules:\n  nightly: {pipeline: copy_orders, cron: \"0 3 * * *\"}\n");
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->options.integer("port"), 4000);
  EXPECT_EQ(config->options.text("log.format"), "json");
  EXPECT_EQ(config->options.text("pipelines"), "jobs/");
  ASSERT_EQ(config->schedules.size(), 1u);
  EXPECT_EQ(config->schedules[0].pipeline, "copy_orders");
  EXPECT_EQ(config->schedules[0].cron.text(), "0 3 * * *");
  EXPECT_EQ(config->schedules[0].where, "sluice.yaml:5:3");
}

TEST(Config, AFlagWinsOverTheEnvironmentAndThatOverTheFile) {
  const std::string file = "port: 1\nlisten: 127.0.0.2\nlog: {level: warn}\n";
  const Variables variables = {{"SLUICE_PORT", "2"}, {"SLUICE_LOG_LEVEL", "debug"}};
  EXPECT_EQ(parse(file)->options.integer("port"), 1);
  EXPECT_EQ(parse(file, variables)->options.integer("port"), 2);
  EXPECT_EQ(parse(file, variables)->options.text("log.level"), "debug");
  EXPECT_EQ(parse(file, variables)->options.text("listen"), "127.0.0.2");
  EXPECT_EQ(parse(file, variables, {{"port", {"3", "--port"}}})->options.integer("port"), 3);
}

TEST(Config, VariablesAreReplacedAndSecretsAreNotPrinted) {
  auto config = parse("admin_token: ${ADMIN}\nlisten: $${x}\n", {{"ADMIN", "s3cret"}});
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->options.secret("admin_token").reveal(), "s3cret");
  EXPECT_EQ(config->options.text("listen"), "${x}");
  EXPECT_EQ(config->options.render_given().find("s3cret"), std::string::npos);
  EXPECT_EQ(complaint("port: 1\nadmin_token: ${ADMIN}\n"),
            "sluice.yaml:2:14: the environment variable 'ADMIN' is not set");
  EXPECT_EQ(complaint("admin_token: ${ADMIN\n"),
            "sluice.yaml:1:14: '${' begins a variable and needs a name and '}'; write $${ for the two characters");
}

TEST(Config, AnUnknownKeyIsAnErrorWithItsLineAndTheNearestName) {
  EXPECT_EQ(complaint("port: 1\nlissten: 0.0.0.0\n"), "sluice.yaml:2:1: unknown key 'lissten'; did you mean 'listen'?");
  EXPECT_EQ(complaint("log:\n  levle: info\n"), "sluice.yaml:2:3: unknown key 'levle'; did you mean 'level'?");
  EXPECT_EQ(complaint("log:\n  zzz: info\n"), "sluice.yaml:2:3: unknown key 'zzz'; there are format, level");
  EXPECT_EQ(complaint("schedules: {n: {pipline: a, cron: '* * * * *'}}\n"),
            "sluice.yaml:1:17: unknown key 'pipline'; did you mean 'pipeline'?");
}

TEST(Config, AWrongValueIsAnErrorWithItsLine) {
  EXPECT_EQ(complaint("\nport: many\n"),
            "sluice.yaml:2:1: option 'port' of sluice serve is a whole number, not 'many'");
  EXPECT_EQ(complaint("log: {level: loud}\n").substr(0, 51), "sluice.yaml:1:7: option 'log.level' of sluice serve");
  EXPECT_EQ(complaint("port: [1, 2]\n"), "sluice.yaml:1:7: 'port' takes one value, not a list");
  EXPECT_EQ(complaint("log: info\n"), "sluice.yaml:1:6: 'log' is a mapping of level, format");
  EXPECT_EQ(complaint("port: 1\nport: 2\n"), "sluice.yaml:2:1: 'port' is there twice");
  EXPECT_EQ(complaint("schedules:\n  n: {pipeline: a, cron: '0 25 * * *'}\n"),
            "sluice.yaml:2:26: the hour field takes 0 to 23, not '25'");
  EXPECT_EQ(complaint("schedules:\n  n: {pipeline: a}\n"), "sluice.yaml:2:3: the schedule 'n' needs a cron");
}

TEST(Config, WhatIsNotYamlIsAnErrorWithItsLine) {
  EXPECT_EQ(complaint("port: 1\nlog: {level: info\n").substr(0, 14), "sluice.yaml:3:");
  EXPECT_EQ(complaint("- a\n- b\n"), "sluice.yaml:1:1: the file is a mapping of keys such as 'port: 8001'");
}

TEST(Config, WhatALaterVersionHonoursIsRefused) {
  for (std::string key : {"gateway", "lake", "clickhouse", "tables", "views"}) {
    EXPECT_EQ(complaint("port: 1\n" + key + ": x\n"),
              "sluice.yaml:2:1: '" + key + "' is not available yet; leave it out");
  }
}

}  // namespace
}  // namespace sluice
