// Hive's folder names: …/day=2026-01-01/city=Z%C3%BCrich/… ↔ columns.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arrow/type_fwd.h>

#include "batch/schema.h"
#include "port/pushdown.h"

namespace sluice::file {

// The folder name of NULL.
inline constexpr std::string_view kNullPartition = "__HIVE_DEFAULT_PARTITION__";

// "name=value", escaped as Hive does it (%XX for what file systems or readers would stumble over). nullopt is NULL.
std::string partition_folder(std::string_view column, const std::optional<std::string>& value);

// The key=value folders of a path, in order, unescaped; nullopt is NULL. The file's own name is not looked at.
std::vector<std::pair<std::string, std::optional<std::string>>> partition_values(std::string_view path);

// The columns that paths carry beside their files. Types: BIGINT or DATE when every value is one, else VARCHAR.
class PartitionColumns {
 public:
  // Empty when the paths have no keys. Paths whose keys differ: an error with `required`, else empty, too. `folders`
  // (paths that end in '/') may lack keys; their values count for the types.
  static Result<PartitionColumns> infer(const std::vector<std::string>& paths, bool required,
                                        const std::vector<std::string>& folders = {});

  [[nodiscard]] bool empty() const { return fields_.empty(); }
  [[nodiscard]] const std::vector<std::shared_ptr<arrow::Field>>& fields() const { return fields_; }
  [[nodiscard]] std::optional<size_t> index_of(std::string_view name) const;
  // One scalar per field. The error names path, column and value that does not fit its type.
  Result<std::vector<std::shared_ptr<arrow::Scalar>>> values(const std::string& path) const;

 private:
  std::vector<std::shared_ptr<arrow::Field>> fields_;
};

// Does the value satisfy the predicate? nullopt when the two types cannot be compared here: nothing can be pruned then.
std::optional<bool> satisfies(const arrow::Scalar& value, const Predicate& predicate);

}  // namespace sluice::file
