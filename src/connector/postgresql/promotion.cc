#include "connector/postgresql/promotion.h"

#include <algorithm>
#include <charconv>

namespace sluice::postgresql {

using postgres::lsn_text;

// https://www.postgresql.org/docs/current/protocol-replication.html
Result<SystemIdentity> identify_system(Connection& replication) {
  auto rows = TRY(replication.query("IDENTIFY_SYSTEM"));
  return SystemIdentity{std::string(rows.text(0, 0)), rows.integer(0, 1)};
}

Result<void> check_identity(const SourceSettings& settings, const StreamIdentity& then, const StreamIdentity& now,
                            const std::set<std::string>& publications) {
  const std::string& where = settings.target.where;
  if (then.system != now.system) {
    return refused(
        "{}: this is another server than the one that pipeline '{}' followed (system identifier {}, was {}); 'sluice "
        "reset' the pipeline to copy the tables from here",
        where, settings.pipeline, now.system, then.system);
  }
  if (now.timeline < then.timeline) {
    return refused(
        "{}: the server's timeline went back from {} to {}: it was restored from a backup, and what was delivered "
        "may not have happened there; 'sluice reset' the pipeline to copy the tables again",
        where, then.timeline, now.timeline);
  }
  if (!publications.contains(then.publication)) {
    return refused(
        "{}: publication '{}' was changed since this pipeline last ran, or one of its tables was made anew, so that "
        "changes may be missing; 'sluice reset' the pipeline to copy the tables again",
        where, settings.publication);
  }
  return {};
}

Result<ChangePlace> furthest_place(const StreamPosition& stream, const Positions& durable) {
  ChangePlace furthest = stream.place;
  for (const auto& [table, place] : stream.ahead) furthest = std::max(furthest, place);
  for (const auto& [split, position] : durable) {
    if (split == kStreamSplit) continue;
    const auto piece = TRY(ChunkPosition::parse(split, position));
    furthest = std::max(furthest, ChangePlace{piece.log_end, 0});
  }
  return furthest;
}

// Lines of "parent timeline, where it was left, why" (src/backend/access/transam/timeline.c).
std::optional<Lsn> left_at(std::string_view history, int64_t timeline) {
  while (!history.empty()) {
    const size_t end = std::min(history.find('\n'), history.size());
    const std::string_view line = history.substr(0, end);
    history.remove_prefix(std::min(end + 1, history.size()));
    int64_t parent = 0;
    const auto [behind, failed] = std::from_chars(line.data(), line.data() + line.size(), parent);
    if (failed != std::errc() || parent != timeline) continue;
    const std::string_view rest = line.substr(static_cast<size_t>(behind - line.data()));
    const size_t begin = std::min(rest.find_first_not_of(" \t"), rest.size());
    auto lsn = postgres::parse_lsn(rest.substr(begin, rest.find_first_of(" \t", begin) - begin));
    if (lsn.ok()) return lsn.value();
  }
  return std::nullopt;
}

Result<void> check_history(const Context& context, Connection& replication, int64_t then, int64_t now,
                           const ChangePlace& furthest) {
  auto rows = TRY(replication.query(fmt::format("TIMELINE_HISTORY {}", now)).while_doing("asking for its history"));
  const auto fork = left_at(rows.text(0, 1), then);
  if (!fork) {
    return refused(
        "{}: the server's timeline {} did not come from timeline {}, which this pipeline followed, so that what was "
        "delivered may not have happened there; empty the target, and 'sluice reset' the pipeline to copy the tables "
        "again",
        replication.where(), now, then);
  }
  // The change at {fork, 1} is one of a transaction whose commit begins there.
  if (furthest > ChangePlace{*fork, 0}) {
    return refused(
        "{}: the server was promoted at {} (timeline {} to {}) and this pipeline had delivered changes up to {} by "
        "then: those between never happened there; empty the target, and 'sluice reset' the pipeline to copy the "
        "tables again, or go on with a server that has them",
        replication.where(), lsn_text(*fork), then, now, lsn_text(furthest.lsn));
  }
  context.log.info("the server was promoted behind everything that was delivered",
                   {{"timeline", now}, {"promoted_at", lsn_text(*fork)}, {"delivered", lsn_text(furthest.lsn)}});
  return {};
}

}  // namespace sluice::postgresql
