// A sink that takes everything and keeps nothing: for measuring what reading and SQL cost. Epochs are cut and committed
// as for any sink, so that the source hears how far it may let go; positions are not kept.
#pragma once

#include "port/registry.h"

namespace sluice {

ConnectorDescriptor null_connector();

}  // namespace sluice
