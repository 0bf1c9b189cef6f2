// Names of unfinished uploads: .sluice-<owner>-<random>.tmp. The owner is written so that it can be read back, because
// after a crash the name is all that is left of an upload.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::local {

// Refused when the owner is too long for a file name.
Result<std::string> temp_name(std::string_view owner, uint64_t random);
// The owner of a temporary file's name; empty for any other name.
std::optional<std::string> owner_of(std::string_view name);

}  // namespace sluice::local
