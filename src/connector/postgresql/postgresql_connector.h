// postgresql('localhost/shop?table=orders'): tables as a source, once or followed, and as an exactly-once sink.
#pragma once

#include "port/registry.h"

namespace sluice {

ConnectorDescriptor postgresql_connector();

}  // namespace sluice
