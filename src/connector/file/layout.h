// The key layouts of objects below a location: seed 001's five strategies. Dates are UTC; they come from each record's
// time column, or else from the time of arrival.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/clock.h"
#include "batch/schema.h"

namespace sluice::file {

enum class KeyStrategy : uint8_t {
  none,                   // {partition folders}/{collection}-{suffix}
  hive_partitioned,       // collection={name}/year={YYYY}/month={MM}/day={DD}/hour={HH}/{timestamp}-{suffix}
  date_hour_partitioned,  // {collection}/{YYYY}/{MM}/{DD}/{HH}/{timestamp}-{suffix}
  date_partitioned,       // {collection}/{YYYY}/{MM}/{DD}/{timestamp}-{suffix}
  collection_based,       // {collection}/{timestamp}-{suffix}
  flat,                   // {collection}_{timestamp}-{suffix}
};

// In the order of the enum, without none; as users write them.
std::span<const std::string_view> key_strategy_names();
KeyStrategy parse_key_strategy(std::string_view name);

struct Layout {
  KeyStrategy strategy = KeyStrategy::none;
  std::string time_column;  // empty: the time of arrival

  [[nodiscard]] bool dated() const {
    return strategy == KeyStrategy::hive_partitioned || strategy == KeyStrategy::date_hour_partitioned ||
           strategy == KeyStrategy::date_partitioned;
  }
  [[nodiscard]] bool dated_by_record() const { return dated() && !time_column.empty(); }

  // When this row happened: what its time column says, else `arrival`.
  Result<WallTime> timestamp_of(const arrow::RecordBatch& batch, int64_t row, WallTime arrival) const;
  // The folder's number of a time: hours or days since 1970. 0 where the strategy has no dates.
  [[nodiscard]] int64_t bucket_of(WallTime time) const;
  [[nodiscard]] std::string date_folder(int64_t bucket) const;
  // The path below the location, without the extension. `folders`: dates or Hive partitions, may be empty.
  [[nodiscard]] std::string path(std::string_view collection, std::string_view folders, WallTime timestamp,
                                 std::string_view suffix) const;
};

// What stands in for text that is free in a name of a folder or file: never hidden, never more than one level.
std::string file_safe(std::string_view name);

// A column of times (TIMESTAMP of any unit, with or without time zone, or DATE; all are UTC) as wall times.
class TimeColumn {
 public:
  // Fault::user: no such column, or one of another type. The sentence says what to do.
  static Result<TimeColumn> find(const arrow::Schema& schema, const std::string& name);

  // nullopt: NULL. The error names column and value that is not within the years 0 to 9999.
  Result<std::optional<WallTime>> at(const arrow::Array& column, int64_t row) const;
  [[nodiscard]] int index() const { return index_; }

 private:
  int index_ = 0;
  std::string name_;
  // A value times `times` or divided by `per` is microseconds.
  int64_t times_ = 1;
  int64_t per_ = 1;
  bool is_date32_ = false;
};

}  // namespace sluice::file
