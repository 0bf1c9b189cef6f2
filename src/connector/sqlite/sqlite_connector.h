// sqlite('shop.db?table=orders'): a table of an SQLite file, as a source and as an exactly-once sink.
#pragma once

#include "port/registry.h"

namespace sluice {

ConnectorDescriptor sqlite_connector();

}  // namespace sluice
