// Tables of a PostgreSQL database as a sink. The decision "this epoch happened" is the database's own: one transaction
// holds the rows and the positions, so that a lost state store doubles nothing.
#pragma once

#include <memory>

#include "port/registry.h"

namespace sluice::postgresql {

Result<std::unique_ptr<Sink>> create_sink(const Registry& registry, const ConnectorRequest& request);

}  // namespace sluice::postgresql
