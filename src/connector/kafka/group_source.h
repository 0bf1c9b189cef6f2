// Topics followed as a member of a consumer group.
#pragma once

#include <memory>

#include "connector/kafka/source_settings.h"
#include "port/source.h"

namespace sluice::kafka {

std::unique_ptr<Source> create_group_source(SourceSettings settings);

}  // namespace sluice::kafka
