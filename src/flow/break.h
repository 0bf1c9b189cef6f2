// Why reading stops in the middle of a run and begins anew from the durable positions, without the process ending.
#pragma once

#include <optional>
#include <vector>

#include "port/source.h"

namespace sluice {

// What came together before everybody had stopped. A schema change or TRUNCATE that was met by a second reader is not
// kept: its position is not durable, so that reader meets it again.
struct Break {
  std::optional<SchemaChange> schema_change;
  std::optional<Truncate> truncate;
  std::vector<SplitId> revoked;
  std::vector<SplitId> lost;
  // A shared pipeline's: splits came that another process may have read. How far it came is looked up first.
  bool handed_over = false;
};

}  // namespace sluice
