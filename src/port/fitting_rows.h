// Rows that do not fit the schema they are wanted in, told from those that do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "port/event.h"

namespace sluice {

// `rows` in `schema`; `first` is the first one's number in `file`. A row that does not fit is an error or, with
// `rejects`, one of them; types of which no value fits are an error always.
Result<BatchPtr> fitting_rows(const BatchPtr& rows, const SchemaPtr& schema, const std::string& file, int64_t first,
                              std::vector<Reject>* rejects);

}  // namespace sluice
