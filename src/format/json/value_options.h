// Options about values: files and payloads of JSON have the same.
#pragma once

#include <vector>

#include "format/json/encoder.h"
#include "options/option.h"

namespace sluice::json {

std::vector<OptionSpec> value_options();
bool refuse_unknown(const OptionValues& options);
bool recognise_timestamps(const OptionValues& options);
EncodeOptions encode_options(const OptionValues& options);

}  // namespace sluice::json
