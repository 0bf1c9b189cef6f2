#include "connector/file/layout.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>

#include <arrow/api.h>

#include "connector/file/hive.h"
#include "options/option.h"

namespace sluice::file {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"HivePartitioned", "DateHourPartitioned", "DatePartitioned",
                                                    "CollectionBased", "Flat"};

constexpr int64_t kMicrosPerDay = 86'400'000'000;
// The years 0 to 9999: what four digits can say.
constexpr int64_t kFirstDay = -719'528;
constexpr int64_t kLastDay = 2'932'896;

// Rounds towards the past, also before 1970.
int64_t floor_divided(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

}  // namespace

std::span<const std::string_view> key_strategy_names() { return kNames; }

KeyStrategy parse_key_strategy(std::string_view name) {
  auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return KeyStrategy::none;
  return static_cast<KeyStrategy>(found - kNames.begin() + 1);
}

// Table names may hold anything; what separates folders or hides files does not get into a name.
std::string file_safe(std::string_view name) {
  std::string out;
  for (char c : name) {
    bool plain = static_cast<unsigned char>(c) >= 0x80 || std::isalnum(static_cast<unsigned char>(c)) || c == '-' ||
                 c == '_' || c == '.';
    out += plain ? c : '_';
  }
  out.erase(0, std::min(out.find_first_not_of("._"), out.size()));
  size_t end = std::min<size_t>(out.size(), 100);
  while (end > 0 && end < out.size() && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80)
    --end;  // whole characters
  out.resize(end);
  return out.empty() ? "data" : out;
}

int64_t Layout::bucket_of(WallTime time) const {
  if (!dated()) return 0;
  auto hours = std::chrono::floor<std::chrono::hours>(time).time_since_epoch().count();
  return strategy == KeyStrategy::date_partitioned ? floor_divided(hours, 24) : hours;
}

std::string Layout::date_folder(int64_t bucket) const {
  if (!dated()) return {};
  bool daily = strategy == KeyStrategy::date_partitioned;
  auto days = daily ? bucket : floor_divided(bucket, 24);
  auto hour = daily ? 0 : bucket - days * 24;
  std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  auto year = static_cast<int>(date.year());
  auto month = static_cast<unsigned>(date.month());
  auto day = static_cast<unsigned>(date.day());
  switch (strategy) {
    case KeyStrategy::hive_partitioned:
      return fmt::format("year={:04}/month={:02}/day={:02}/hour={:02}", year, month, day, hour);
    case KeyStrategy::date_hour_partitioned:
      return fmt::format("{:04}/{:02}/{:02}/{:02}", year, month, day, hour);
    default:
      return fmt::format("{:04}/{:02}/{:02}", year, month, day);
  }
}

std::string Layout::path(std::string_view collection, std::string_view folders, WallTime timestamp,
                         std::string_view suffix) const {
  auto safe = file_safe(collection);
  auto slash = folders.empty() ? "" : "/";
  auto ms = std::chrono::floor<Millis>(timestamp).time_since_epoch().count();
  switch (strategy) {
    case KeyStrategy::none:
      return fmt::format("{}{}{}-{}", folders, slash, safe, suffix);
    case KeyStrategy::hive_partitioned:
      return fmt::format("{}/{}{}{}-{}",
                         partition_folder("collection", collection.empty() ? safe : std::string(collection)), folders,
                         slash, ms, suffix);
    case KeyStrategy::date_hour_partitioned:
    case KeyStrategy::date_partitioned:
    case KeyStrategy::collection_based:
      return fmt::format("{}/{}{}{}-{}", safe, folders, slash, ms, suffix);
    case KeyStrategy::flat:
      return fmt::format("{}_{}-{}", safe, ms, suffix);
  }
  return {};
}

Result<WallTime> Layout::timestamp_of(const arrow::RecordBatch& batch, int64_t row, WallTime arrival) const {
  if (time_column.empty()) return arrival;
  auto column = TRY(TimeColumn::find(*batch.schema(), time_column));
  return TRY(column.at(*batch.column(column.index()), row)).value_or(arrival);
}

Result<TimeColumn> TimeColumn::find(const arrow::Schema& schema, const std::string& name) {
  TimeColumn column;
  column.name_ = name;
  column.index_ = schema.GetFieldIndex(name);
  if (column.index_ < 0) {
    std::vector<std::string_view> names;
    for (const auto& field : schema.fields()) names.push_back(field->name());
    auto near = nearest(name, names);
    return user_error("time_column names '{}', and there is no such column{}", name,
                      near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near));
  }
  const auto& type = *schema.field(column.index_)->type();
  switch (type.id()) {
    case arrow::Type::DATE32:
      column.is_date32_ = true;
      column.times_ = kMicrosPerDay;
      return column;
    case arrow::Type::DATE64:
      column.times_ = 1000;
      return column;
    case arrow::Type::TIMESTAMP:
      switch (static_cast<const arrow::TimestampType&>(type).unit()) {
        case arrow::TimeUnit::SECOND:
          column.times_ = 1'000'000;
          break;
        case arrow::TimeUnit::MILLI:
          column.times_ = 1000;
          break;
        case arrow::TimeUnit::MICRO:
          break;
        case arrow::TimeUnit::NANO:
          column.per_ = 1000;
          break;
      }
      return column;
    default:
      return user_error(
          "time_column names '{}' of type {}; it has to be a TIMESTAMP or DATE: cast it in the SELECT, numbers with "
          "make_timestamp(microseconds)",
          name, type_name(type));
  }
}

Result<std::optional<WallTime>> TimeColumn::at(const arrow::Array& column, int64_t row) const {
  if (column.IsNull(row)) return std::optional<WallTime>();
  int64_t value = is_date32_ ? column.data()->GetValues<int32_t>(1)[row] : column.data()->GetValues<int64_t>(1)[row];
  auto days = floor_divided(value, kMicrosPerDay / times_ * per_);
  if (days < kFirstDay || days > kLastDay) {
    return user_error(
        "column '{}' holds a time outside of the years 0 to 9999, which names no folder; filter such "
        "rows, or give them another time",
        name_);
  }
  return std::optional(WallTime(std::chrono::microseconds(floor_divided(value, per_) * times_)));
}

}  // namespace sluice::file
