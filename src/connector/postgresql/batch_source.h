// Tables, or a query, read once: pieces of one exported snapshot side by side, each a COPY in binary.
#pragma once

#include <memory>

#include "connector/postgresql/settings.h"
#include "port/source.h"

namespace sluice::postgresql {

Result<std::unique_ptr<Source>> create_batch_source(SourceSettings settings);

}  // namespace sluice::postgresql
