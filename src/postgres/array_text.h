// PostgreSQL's array literals: {1,NULL,"a \"b\""}, [0:1]={…} (src/backend/utils/adt/arrayfuncs.c, array_out).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::postgres {

class ArrayText {
 public:
  explicit ArrayText(std::string_view text) : text_(text) {}

  Result<void> open();
  [[nodiscard]] int dimensions() const { return dimensions_; }  // 0: an empty array
  [[nodiscard]] int64_t lower_bound() const { return lower_bound_; }

  struct Item {
    bool is_null = false;
    std::string text;  // without quotes and escapes
  };
  // The elements of a one-dimensional array, then nullopt.
  Result<std::optional<Item>> next();

 private:
  Error bad() const { return user_error("'{}' is no array", text_.substr(0, 100)); }
  std::string_view text_;
  size_t at_ = 0;
  int dimensions_ = 0;
  int64_t lower_bound_ = 1;
  bool first_ = true;
};

}  // namespace sluice::postgres
