// Topics as a sink. The decision "this epoch happened" is the cluster's own: one transaction holds the rows and the
// positions, so that a lost state store doubles nothing (docs/decisions/0008-kafka-transactions.md).
#pragma once

#include <memory>

#include "port/registry.h"

namespace sluice::kafka {

Result<std::unique_ptr<Sink>> create_sink(const Registry& registry, const ConnectorRequest& request);

}  // namespace sluice::kafka
