// The lookup operator: a bounded source read once into memory, and the join of batches with it that keeps their order.
// DuckDB's own join may swap its sides and reorder rows.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "port/plan.h"
#include "sql/lookup_keys.h"

namespace sluice::sql {

// Integer → row, by linear probing in a table at most half full.
class IntegerIndex {
 public:
  void reserve(size_t keys);
  // The slot of the key: its row, or -1 for the caller to fill.
  int32_t& slot(int64_t key);
  [[nodiscard]] int32_t find(int64_t key) const;

 private:
  [[nodiscard]] size_t start(int64_t key) const {
    return static_cast<size_t>(static_cast<uint64_t>(key) * 0x9E3779B97F4A7C15ULL >> shift_);
  }
  struct Entry {
    int64_t key = 0;
    int32_t row = -1;
  };
  std::vector<Entry> entries_;
  int shift_ = 63;
};

// One loaded version of the right side. Immutable; shared by the lanes.
class LookupTable {
 public:
  struct Request {
    const Endpoint* endpoint = nullptr;
    std::vector<ColumnPath> columns;  // needed beside the keys
    bool all_columns = false;
    std::vector<std::string> keys;   // top-level columns of the right side
    std::vector<TypePtr> key_types;  // to compare as; filled from the schemas of both sides
  };
  static Result<std::shared_ptr<const LookupTable>> load(Context& context, const Request& request);

  [[nodiscard]] const BatchPtr& rows() const { return rows_; }
  [[nodiscard]] bool unique() const { return unique_; }

  // Pairs of rows: left[i] of the batch belongs to right[i] of rows(), in the batch's order. right is NULL for an
  // unmatched row that is kept. `identity` says that left is 0, 1, 2, …
  struct Matches {
    std::shared_ptr<arrow::Array> left;
    std::shared_ptr<arrow::Array> right;
    bool identity = false;
  };
  [[nodiscard]] Result<Matches> match(const KeyColumns& keys, int64_t rows, bool keep_unmatched) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return std::hash<std::string_view>{}(key); }
  };
  Result<void> index(const Request& request);
  [[nodiscard]] int32_t find(const KeyColumns& keys, int64_t row, std::string& scratch) const;

  BatchPtr rows_;
  // key → its first row; one integer is by far the most frequent key and has a table of its own
  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> first_;
  IntegerIndex first_of_integer_;
  std::vector<int32_t> next_;  // row → the next one of its key, or -1
  bool unique_ = true;
  Budget::Reservation memory_;
};

// The schema of a bounded endpoint, before it is loaded.
Result<SchemaPtr> lookup_schema(Context& context, const Endpoint& endpoint);

}  // namespace sluice::sql
