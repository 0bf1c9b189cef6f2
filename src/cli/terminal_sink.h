// Prints rows: a bare SELECT, `preview`. As an aligned table for people, or as NDJSON or CSV for pipes.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "port/sink.h"

namespace sluice {

// `style`: table | json | csv. The widths of a table's columns come from its first batch. `out` outlives the sink.
Result<std::unique_ptr<Sink>> terminal_sink(Context& context, const std::string& style, std::FILE* out);

}  // namespace sluice
