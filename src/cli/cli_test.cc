#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command.h"
#include "cli/progress.h"
#include "cli/session.h"

namespace sluice {
namespace {

std::vector<std::string> seen_arguments;
std::vector<std::string> seen_variables;
int64_t seen_limit = 0;

std::vector<Command> commands() {
  Command show;
  show.name = "show";
  show.arguments = "FILE…";
  show.summary = "Shows files.";
  show.options = {OptionSpec{.name = "row_limit", .kind = OptionKind::integer, .default_value = "10", .doc = "Rows."},
                  OptionSpec{.name = "all", .kind = OptionKind::boolean, .default_value = "false", .doc = "All."}};
  show.arguments_min = 1;
  show.arguments_max = 2;
  show.takes_variables = true;
  show.run = [](Session&, const Invocation& invocation) -> Result<int> {
    seen_arguments = invocation.arguments;
    seen_variables = invocation.variables;
    seen_limit = invocation.options.integer("row_limit");
    if (invocation.options.boolean("all")) return user_error("all is too much");
    return kExitDone;
  };
  Command broken;
  broken.name = "broken";
  broken.run = [](Session&, const Invocation&) -> Result<int> { throw std::runtime_error("no such thing"); };
  return {show, broken};
}

struct Outcome {
  int code;
  std::string error;
};

Outcome run(const std::vector<std::string>& argv) {
  const Registry registry;
  Session session(registry);
  testing::internal::CaptureStderr();
  int code = run_command_line(session, commands(), argv);
  return {code, testing::internal::GetCapturedStderr()};
}

TEST(CommandLineTest, FlagsMayBeWrittenWithASpaceOrAnEqualsSignAndAnywhere) {
  EXPECT_EQ(run({"show", "--row-limit", "5", "a", "--var", "x=1", "b"}).code, kExitDone);
  EXPECT_EQ(seen_limit, 5);
  EXPECT_EQ(seen_arguments, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(seen_variables, (std::vector<std::string>{"x=1"}));
  EXPECT_EQ(run({"show", "--row-limit=7", "a"}).code, kExitDone);
  EXPECT_EQ(seen_limit, 7);
}

TEST(CommandLineTest, AnExceptionIsAnErrorAndNoCrash) {
  auto outcome = run({"broken"});
  EXPECT_EQ(outcome.code, kExitFailed);
  EXPECT_THAT(outcome.error, testing::AllOf(testing::StartsWith("error: "), testing::HasSubstr("no such thing")));
}

TEST(CommandLineTest, AfterTwoDashesEverythingIsAnArgument) {
  EXPECT_EQ(run({"show", "--", "--all"}).code, kExitDone);
  EXPECT_EQ(seen_arguments, (std::vector<std::string>{"--all"}));
}

TEST(CommandLineTest, MistakesExitWithTwoAndNameWhatWasMeant) {
  EXPECT_EQ(run({"shwo"}).error, "error: unknown command 'shwo'; did you mean 'show'?\n");
  auto flag = run({"show", "--row-limt", "5", "a"});
  EXPECT_EQ(flag.code, kExitUsage);
  EXPECT_EQ(flag.error, "error: unknown flag '--row-limt'; did you mean '--row-limit'?\n");
  EXPECT_EQ(run({"show"}).error, "error: usage: sluice show FILE…\n");
  EXPECT_EQ(run({"show", "--row-limit"}).error, "error: --row-limit needs a value\n");
  EXPECT_EQ(run({"show", "a", "--row-limit", "many"}).code, kExitUsage);
}

TEST(CommandLineTest, AnErrorOfTheCommandExitsWithOne) {
  auto outcome = run({"show", "--all", "a"});
  EXPECT_EQ(outcome.code, kExitFailed);
  EXPECT_EQ(outcome.error, "error: all is too much\n");
}

TEST(CommandLineTest, HelpIsMadeFromTheDeclaration) {
  auto help = render_help(commands()[0]);
  EXPECT_NE(help.find("usage: sluice show FILE…"), std::string::npos);
  EXPECT_NE(help.find("--row-limit VALUE"), std::string::npos);
  EXPECT_NE(help.find("Default: 10."), std::string::npos);
  EXPECT_NE(help.find("--var NAME=VALUE"), std::string::npos);
  EXPECT_NE(help.find("--memory"), std::string::npos);
}

TEST(VariablesTest, AVariableWithoutAValueIsAnError) {
  EXPECT_EQ(parse_variables({"a=1=2"}).value().at("a"), "1=2");
  EXPECT_EQ(parse_variables({"a"}).error().what, "--var is NAME=VALUE, not 'a'");
}

TEST(ProgressTest, ProgressTellsRatesAndTimeLeftWhereTheInputIsBounded) {
  auto text = progress_text(1000, 1 << 20, 4 << 20, 2.0);
  EXPECT_NE(text.find("500 rows/s"), std::string::npos) << text;
  EXPECT_NE(text.find("25%"), std::string::npos) << text;
  EXPECT_NE(text.find("6s left"), std::string::npos) << text;
  EXPECT_EQ(progress_text(1000, 1 << 20, 0, 2.0).find('%'), std::string::npos);
  EXPECT_THAT(progress_text(1000, 999, 1000, 2.0), testing::EndsWith("  99%  1s left"));
  EXPECT_THAT(progress_text(1000, 1000, 1000, 2.0), testing::EndsWith("  100%"));
}

}  // namespace
}  // namespace sluice
