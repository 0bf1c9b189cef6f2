#include "cli/sql_input.h"

#include <fstream>
#include <sstream>

#include "sql/planner.h"

namespace sluice {
namespace {

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) {
    return user_error("cannot read '{}': {}", path,
                      in ? "the file is empty or not a file" : "no such file, or not permitted");
  }
  return std::move(text).str();
}

}  // namespace

Result<std::vector<PipelinePlan>> plan_input(Session& session, const Invocation& invocation) {
  const auto variables = TRY(parse_variables(invocation.variables));
  std::vector<PipelinePlan> plans;
  auto add = [&](const std::string& text, const std::string& name) -> Result<void> {
    Context context = session.context();
    for (auto& plan : TRY(plan_sql(context, text, name, variables))) plans.push_back(std::move(plan));
    return {};
  };
  const bool given = invocation.options.is_given("execute");
  if (given) TRY(add(invocation.options.text("execute"), "-e"));
  for (const auto& path : invocation.arguments) TRY(add(TRY(read_file(path)), path));
  if (plans.empty()) return user_error("there is no statement to run");
  return plans;
}

}  // namespace sluice
