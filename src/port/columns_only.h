// The plan of formats that read just the wanted columns and leave every filter to others.
#pragma once

#include "port/format.h"

namespace sluice {

Result<Format::Planned> plan_columns_only(const SchemaPtr& schema, const ReadRequest& request);

}  // namespace sluice
