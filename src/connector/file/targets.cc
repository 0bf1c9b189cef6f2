#include "connector/file/targets.h"

#include <algorithm>

#include "connector/file/gathering.h"

namespace sluice::file {
namespace {

constexpr std::string_view kSchemaHole = "{schema}";
constexpr std::string_view kTableHole = "{table}";

void fill(std::string* text, std::string_view hole, const std::string& with) {
  for (size_t at = text->find(hole); at != std::string::npos; at = text->find(hole, at + with.size())) {
    text->replace(at, hole.size(), with);
  }
}

std::string full_name(const TableId& table) {
  return table.schema.empty() ? table.name : table.schema + "." + table.name;
}

}  // namespace

bool names_tables(std::string_view path) {
  return path.find(kTableHole) != std::string_view::npos || path.find(kSchemaHole) != std::string_view::npos;
}

Result<std::unique_ptr<Targets>> Targets::create(Target pattern) {
  std::unique_ptr<Targets> targets(new Targets(std::move(pattern)));
  Target& common = targets->pattern_;
  if (!names_tables(common.path)) {
    common.gathering = std::make_shared<Gathering>();
    return targets;
  }
  targets->several_ = true;
  common.buffered = std::make_shared<std::atomic<int64_t>>(0);
  // Sweeping looks below the folder before the first of them: the whole disk or every bucket would be too much.
  auto hole = std::min(common.path.find(kSchemaHole), common.path.find(kTableHole));
  auto slash = common.path.rfind('/', hole);
  targets->root_ = slash == std::string::npos ? "" : common.path.substr(0, slash);
  if (targets->root_.empty()) {
    return user_error("{}: a folder has to stand before {{schema}} and {{table}} in {}", common.endpoint->where,
                      common.path);
  }
  return targets;
}

Result<std::string> Targets::path_of(const TableId& table) const {
  std::string path = pattern_.path;
  for (const auto& [hole, name] : {std::pair(kSchemaHole, &table.schema), std::pair(kTableHole, &table.name)}) {
    if (path.find(hole) == std::string::npos) continue;
    if (name->empty()) {
      return user_error("{}: these rows come from no {} that could stand for {} in {}; write the name instead",
                        pattern_.endpoint->where, hole == kTableHole ? "single table" : "schema", hole, pattern_.path);
    }
    fill(&path, hole, file_safe(*name));
  }
  return path;
}

Result<Target*> Targets::of(const TableId& table) {
  if (!several_) return &pattern_;
  std::lock_guard lock(mutex_);
  auto known = targets_.find(table);
  if (known != targets_.end()) return &known->second;
  auto path = TRY(path_of(table));
  auto [place, added] = table_of_.emplace(path, table);
  if (!added) {
    return refused(
        "{}: the tables '{}' and '{}' would both be written to {}; put {{schema}} and {{table}} into the "
        "location, or write them with statements of their own",
        pattern_.endpoint->where, full_name(place->second), full_name(table), path);
  }
  Target target = pattern_;
  target.path = std::move(path);
  target.gathering = std::make_shared<Gathering>();
  return &targets_.emplace(table, std::move(target)).first->second;
}

}  // namespace sluice::file
