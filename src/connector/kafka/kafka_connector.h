// kafka('localhost:9092/orders'): topics as a source, once or followed in a group, and as an exactly-once sink.
#pragma once

#include "port/registry.h"

namespace sluice {

ConnectorDescriptor kafka_connector();

}  // namespace sluice
