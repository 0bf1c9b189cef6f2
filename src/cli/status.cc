#include <cstdio>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/location_input.h"
#include "cli/session.h"
#include "port/lag.h"

namespace sluice {
namespace {

std::string state_of(const PipelineRecord& record) {
  if (record.lease.has_value()) return "running";
  if (!record.last_error.empty()) return "failed";
  if (record.finished) return "finished";
  return "stopped";
}

// How far the source is ahead, where it can tell; why not, where it cannot be asked.
struct SeenLag {
  std::optional<Lag> lag;
  std::string problem;
};

SeenLag lag_of(Session& session, const PipelineRecord& record) {
  SeenLag seen;
  if (record.kind != "stream" || record.source.empty()) return seen;
  auto look = [&]() -> Result<void> {
    auto endpoint = TRY(endpoint_of_location(record.source, record.name));
    endpoint.request.streaming = true;
    auto source = TRY(session.registry().create_source(endpoint.request));
    auto* reports = dynamic_cast<ReportsLag*>(source.get());
    if (reports == nullptr) return {};
    Context context = session.context(record.name);
    seen.lag = TRY(reports->lag(context, record.positions));
    return {};
  };
  if (auto looked = look(); !looked.ok()) seen.problem = looked.error().message();
  return seen;
}

// Names of files need not be UTF-8, and JSON has to be.
void print_shown(const nlohmann::json& shown) {
  std::printf("%s\n", shown.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

nlohmann::json to_json(const SeenLag& seen) {
  nlohmann::json out = nlohmann::json::object();
  if (!seen.problem.empty()) out["error"] = seen.problem;
  if (!seen.lag.has_value()) return out;
  if (seen.lag->bytes.has_value()) out["bytes"] = *seen.lag->bytes;
  if (seen.lag->messages.has_value()) out["messages"] = *seen.lag->messages;
  if (seen.lag->time.has_value()) out["seconds"] = static_cast<double>(seen.lag->time->count()) / 1000;
  for (const auto& [split, messages] : seen.lag->splits) out["splits"][split] = messages;
  return out;
}

void print_lag(const SeenLag& seen) {
  if (!seen.problem.empty()) std::printf("  behind: not known: %s\n", seen.problem.c_str());
  if (!seen.lag.has_value()) return;
  std::vector<std::string> parts;
  if (seen.lag->messages.has_value()) parts.push_back(fmt::format("{} messages", *seen.lag->messages));
  if (seen.lag->bytes.has_value()) parts.push_back(format_bytes(*seen.lag->bytes));
  if (seen.lag->time.has_value()) parts.push_back(format_duration(*seen.lag->time));
  if (!parts.empty()) std::printf("  behind: %s\n", fmt::format("{}", fmt::join(parts, ", ")).c_str());
}

nlohmann::json to_json(const PipelineRecord& record) {
  nlohmann::json positions = nlohmann::json::object();
  for (const auto& [split, position] : record.positions) positions[split] = position.token;
  nlohmann::json out = {{"name", record.name},
                        {"kind", record.kind},
                        {"state", state_of(record)},
                        {"source", record.source},
                        {"sink", record.sink},
                        {"epoch", record.last_epoch},
                        {"rows", record.rows_delivered},
                        {"dead_rows", record.rows_dead},
                        {"bytes", record.bytes_delivered},
                        {"undecided_intents", record.intents.size()},
                        {"positions", std::move(positions)},
                        {"updated", format_utc(record.updated)}};
  if (record.lease.has_value()) out["owner"] = record.lease->owner;
  for (const auto& member : record.members) out["members"].push_back(member.owner);
  if (!record.last_error.empty()) out["error"] = record.last_error;
  return out;
}

// Also those of which nothing is delivered yet but something waits.
void print_splits(const PipelineRecord& record, const SeenLag& seen) {
  std::printf("  positions: %zu splits\n", record.positions.size());
  std::map<SplitId, std::string> lines;
  for (const auto& [split, position] : record.positions) lines[split] = position.token;
  if (seen.lag.has_value()) {
    for (const auto& [split, messages] : seen.lag->splits) {
      std::string& line = lines.try_emplace(split, "nothing delivered").first->second;
      line += fmt::format(", {} messages behind", messages);
    }
  }
  constexpr size_t shown = 20;
  size_t count = 0;
  for (const auto& [split, line] : lines) {
    if (++count > shown) {
      std::printf("    … (--output json shows all)\n");
      break;
    }
    std::printf("    %s: %s\n", split.c_str(), line.c_str());
  }
}

void print_details(const PipelineRecord& record, const SeenLag& lag) {
  std::printf("%s (%s): %s\n  from: %s\n  into: %s\n", record.name.c_str(), record.kind.c_str(),
              state_of(record).c_str(), record.source.c_str(), record.sink.c_str());
  std::printf("  delivered: %lld rows, %s, epoch %llu\n", static_cast<long long>(record.rows_delivered),
              format_bytes(record.bytes_delivered).c_str(), static_cast<unsigned long long>(record.last_epoch));
  if (record.rows_dead > 0) std::printf("  dead letters: %lld\n", static_cast<long long>(record.rows_dead));
  if (record.lease.has_value() && record.members.empty()) std::printf("  owner: %s\n", record.lease->owner.c_str());
  for (const auto& member : record.members) std::printf("  member: %s\n", member.owner.c_str());
  print_lag(lag);
  if (!record.last_error.empty()) std::printf("  error: %s\n", record.last_error.c_str());
  if (!record.intents.empty()) {
    std::printf("  decided but not finished: %zu epochs; the next run completes them\n", record.intents.size());
  }
  print_splits(record, lag);
}

Result<int> status(Session& session, const Invocation& invocation) {
  Coordinator* coordinator = TRY(session.coordinator());
  const bool json = invocation.options.text("output") == "json";
  if (invocation.arguments.empty()) {
    auto records = TRY(coordinator->list());
    if (json) {
      nlohmann::json all = nlohmann::json::array();
      for (const auto& record : records) all.push_back(to_json(record));
      print_shown(all);
      return kExitDone;
    }
    if (records.empty()) std::printf("no pipelines in %s\n", session.state_location().c_str());
    for (const auto& record : records) {
      std::printf("%-24s %-7s %-9s %12lld rows  epoch %llu  %s\n", record.name.c_str(), record.kind.c_str(),
                  state_of(record).c_str(), static_cast<long long>(record.rows_delivered),
                  static_cast<unsigned long long>(record.last_epoch), format_utc(record.updated).c_str());
    }
    return kExitDone;
  }
  auto record = TRY(coordinator->load(invocation.arguments[0]));
  if (!record.has_value()) {
    return user_error("there is no pipeline '{}' in {}", invocation.arguments[0], session.state_location());
  }
  const SeenLag lag = lag_of(session, *record);
  if (json) {
    auto shown = to_json(*record);
    if (auto behind = to_json(lag); !behind.empty()) shown["lag"] = std::move(behind);
    print_shown(shown);
  } else {
    print_details(*record, lag);
  }
  return kExitDone;
}

}  // namespace

Command status_command() {
  return Command{
      .name = "status",
      .arguments = "[NAME]",
      .summary = "Shows the pipelines of the state store, or one with its positions.",
      .options = {OptionSpec{.name = "output",
                             .kind = OptionKind::choice,
                             .default_value = "table",
                             .doc = "For people or for programs.",
                             .choices = {"table", "json"}}},
      .arguments_max = 1,
      .run = status,
  };
}

}  // namespace sluice
