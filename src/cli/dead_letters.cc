#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/dead_letter_files.h"
#include "cli/replay.h"

namespace sluice {
namespace {

constexpr size_t kReasonWidth = 100;
constexpr size_t kPayloadWidth = 60;

// Columns of a terminal, counting code points.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// On one line, cut to that many code points.
std::string excerpt(std::string text, size_t width) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  if (width_of(text) <= width) return text;
  size_t at = 0;
  for (size_t points = 0; at < text.size(); ++at) {
    if ((text[at] & 0xC0) != 0x80 && points++ == width - 1) break;
  }
  return text.substr(0, at) + "…";
}

void print_table(const std::vector<DeadLetter>& rows) {
  std::vector<std::array<std::string, 4>> lines = {{"at", "position", "reason", "payload"}};
  for (const auto& row : rows) {
    lines.push_back({format_utc(row.at), row.position.empty() ? row.split : row.position,
                     excerpt(row.reason, kReasonWidth), excerpt(row.payload, kPayloadWidth)});
  }
  std::array<size_t, 4> widths{};
  for (const auto& line : lines) {
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], width_of(line[i]));
  }
  for (const auto& line : lines) {
    std::string out;
    for (size_t i = 0; i < widths.size(); ++i) {
      out += line[i];
      if (i + 1 < widths.size()) out += std::string(widths[i] - width_of(line[i]), ' ') + "  ";
    }
    std::printf("%s\n", out.c_str());
  }
}

nlohmann::json message_of(const DeadLetter& row) {
  if (row.message.empty()) return nullptr;
  auto json = nlohmann::json::parse(row.message, nullptr, false);
  return json.is_discarded() ? nlohmann::json(row.message) : json;
}

void print_json(const std::vector<DeadLetter>& rows) {
  nlohmann::json all = nlohmann::json::array();
  for (const auto& row : rows) {
    all.push_back({{"pipeline", row.pipeline},
                   {"at", format_utc(row.at)},
                   {"reason", row.reason},
                   {"position", row.position},
                   {"split", row.split},
                   {"payload", row.payload},
                   {"stage", row.stage},
                   {"message", message_of(row)}});
  }
  std::printf("%s\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

Result<int> list(Session& session, const PipelineRecord& record, const OptionValues& options) {
  Context context = session.context();
  auto location = TRY(dead_letter_location(session.registry(), record));
  const auto limit = static_cast<size_t>(options.integer("limit"));
  std::vector<DeadLetter> shown;
  bool more = false;
  bool unread = false;
  for (const auto& file : TRY(dead_letter_files(context, location))) {
    if (shown.size() > limit) break;
    auto rows = read_dead_letters(context, location, file);
    if (!rows.ok()) {
      if (!is_the_files_fault(rows.error())) return std::move(rows).error();
      std::fprintf(stderr, "warning: %s is left out: %s\n", file.path.c_str(), rows.error().message().c_str());
      unread = true;
      continue;
    }
    for (auto& row : *rows) {
      if (is_of(row, record.name) && shown.size() <= limit) shown.push_back(std::move(row));
    }
  }
  if (shown.size() > limit) {
    more = true;
    shown.resize(limit);
  }
  if (options.text("output") == "json") {
    print_json(shown);
  } else if (shown.empty()) {
    std::printf("%s has no dead letters in %s\n", record.name.c_str(), location.text.c_str());
  } else {
    print_table(shown);
  }
  if (more) std::fprintf(stderr, "there are more; --limit shows more than %zu\n", limit);
  return unread ? kExitFailed : kExitDone;
}

Result<int> replay(Session& session, const PipelineRecord& record, const std::string& sql_file) {
  session.watch_signals();
  auto summary = TRY(replay_dead_letters(session, record, sql_file));
  for (const auto& left : summary.left) {
    std::fprintf(stderr, "%s stays: %s\n", left.path.c_str(), left.reason.c_str());
  }
  if (summary.dead_letters == 0 && summary.left.empty()) {
    std::printf("%s: there are no dead letters to replay\n", record.name.c_str());
    return kExitDone;
  }
  std::printf("%s: %lld dead letters replayed%s, %lld rows delivered, %lld to the dead letters again\n",
              record.name.c_str(), static_cast<long long>(summary.dead_letters),
              summary.resumed ? " (going on with a replay that had been stopped)" : "",
              static_cast<long long>(summary.rows), static_cast<long long>(summary.dead_rows));
  return summary.left.empty() ? kExitDone : kExitFailed;
}

Result<int> dead_letters(Session& session, const Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  const std::string& name = arguments[1];
  constexpr std::array<std::string_view, 2> actions = {"list", "replay"};
  if (std::find(actions.begin(), actions.end(), arguments[0]) == actions.end()) {
    return complain_of_usage(user_error("'{}' is neither list nor replay", arguments[0]));
  }
  if (arguments[0] == "list" && arguments.size() > 2) {
    return complain_of_usage(user_error("list takes a pipeline's name only"));
  }
  auto record = TRY(TRY(session.coordinator())->load(name));
  if (!record.has_value()) return user_error("there is no pipeline '{}' in {}", name, session.state_location());
  if (arguments[0] == "list") return list(session, *record, invocation.options);
  return replay(session, *record, arguments.size() > 2 ? arguments[2] : std::string());
}

}  // namespace

Command dead_letters_command() {
  return Command{
      .name = "dead-letters",
      .arguments = "list NAME | replay NAME [FILE.sql]",
      .summary = "Shows the rows that a pipeline could not deliver, or sends them through it once more.",
      .details =
          "replay runs the payloads through the pipeline's SQL as it stands in FILE.sql (or, without one, as it was\n"
          "recorded) into the same sink, and then removes the dead letters. What fails again becomes a new dead "
          "letter.\n"
          "A replay that was killed goes on when it is started again.",
      .options = {OptionSpec{.name = "limit",
                             .kind = OptionKind::integer,
                             .default_value = "100",
                             .doc = "How many to list.",
                             .min = 1},
                  OptionSpec{.name = "output",
                             .kind = OptionKind::choice,
                             .default_value = "table",
                             .doc = "For people or for programs.",
                             .choices = {"table", "json"}}},
      .arguments_min = 2,
      .arguments_max = 3,
      .run = dead_letters,
  };
}

}  // namespace sluice
