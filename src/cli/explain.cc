#include <cstdio>

#include <arrow/type.h>

#include "cli/commands.h"
#include "cli/sql_input.h"
#include "cli/terminal_sink.h"
#include "flow/pipeline.h"

namespace sluice {
namespace {

void print_schema(const char* title, const arrow::Schema& schema) {
  std::printf("  %s:\n", title);
  for (const auto& field : schema.fields()) {
    std::printf("    %s %s\n", field->name().c_str(), type_name(*field->type()).c_str());
  }
}

void print_pushdown(const ReadRequest& request, const Pushed& pushed) {
  if (request.columns.has_value()) {
    std::string columns;
    for (const auto& path : *request.columns) columns += (columns.empty() ? "" : ", ") + to_string(path);
    std::printf("  columns: %s%s\n", columns.c_str(), pushed.columns ? " (only these are read)" : " (all are read)");
  }
  for (size_t i = 0; i < request.filter.size(); ++i) {
    const bool exact = i < pushed.filter_exact.size() && pushed.filter_exact[i];
    std::printf("  filter: %s (%s)\n", to_string(request.filter[i]).c_str(),
                exact ? "applied by the reader" : "applied after reading");
  }
  if (request.limit.has_value()) {
    std::printf("  limit: %lld (%s)\n", static_cast<long long>(*request.limit),
                pushed.limit ? "applied by the reader" : "counted after reading, which then stops");
  }
  for (const auto& note : pushed.notes) std::printf("  %s\n", note.c_str());
}

Result<void> explain_plan(Session& session, PipelinePlan plan) {
  Context context = session.context(plan.name);
  std::unique_ptr<Sink> terminal;
  if (!plan.sink.has_value()) terminal = TRY(terminal_sink(context, "table", stdout));
  auto pipeline = TRY(Pipeline::open(context, std::move(plan), std::move(terminal)));
  const PipelinePlan& opened = pipeline->plan();
  std::printf("%s\n  read: %s\n", opened.name.c_str(), opened.source.text.c_str());
  print_pushdown(opened.request, pipeline->pushed());
  for (size_t i = 0; i < opened.more_sources.size(); ++i) {
    std::printf("  read: %s\n", opened.more_sources[i].text.c_str());
    print_pushdown(opened.more_requests[i], pipeline->pushed(i + 1));
  }
  print_schema("source", *pipeline->source_schema());
  std::string what = opened.rows != nullptr    ? opened.rows->describe()
                     : opened.query != nullptr ? opened.query->describe()
                                               : "rows pass through as they are";
  while (what.ends_with('\n')) what.pop_back();
  for (size_t at = what.find('\n'); at != std::string::npos; at = what.find('\n', at + 1)) what.insert(at + 1, "    ");
  std::printf("  transform: %s\n", what.c_str());
  print_schema("result", *pipeline->output_schema());
  std::printf("  write: %s\n", opened.sink.has_value() ? opened.sink->text.c_str() : "the terminal");
  std::printf("  delivery: %s\n", pipeline->guarantee().to_string().c_str());
  return {};
}

Result<int> explain(Session& session, const Invocation& invocation) {
  for (auto& plan : TRY(plan_input(session, invocation))) TRY(explain_plan(session, std::move(plan)));
  return kExitDone;
}

}  // namespace

Command explain_command() {
  return Command{
      .name = "explain",
      .arguments = "FILE… | -e SQL",
      .summary = "Shows how statements would run: what is pushed into the readers, what runs above them, the schemas.",
      .options = {OptionSpec{.name = "execute", .doc = "SQL text instead of files (also -e)."}},
      .arguments_max = 1000,
      .takes_variables = true,
      .run = explain,
  };
}

}  // namespace sluice
