// Topics read once: from the positions to the ends as they are at the start, without a group.
#pragma once

#include <memory>

#include "connector/kafka/source_settings.h"
#include "port/source.h"

namespace sluice::kafka {

std::unique_ptr<Source> create_bounded_source(SourceSettings settings);

}  // namespace sluice::kafka
