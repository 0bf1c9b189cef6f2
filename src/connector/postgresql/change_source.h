// The changes of one or several tables by logical replication, after a snapshot of what is there.
#pragma once

#include <memory>

#include "connector/postgresql/settings.h"
#include "port/source.h"

namespace sluice::postgresql {

Result<std::unique_ptr<Source>> create_change_source(SourceSettings settings);

}  // namespace sluice::postgresql
