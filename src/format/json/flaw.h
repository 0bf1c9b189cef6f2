// What a parser stopped at, in words.
#pragma once

#include <string>

#include "format/json/parse.h"

namespace sluice::json {

class Columns;

// Where the record lies: what can be done about it depends on that.
enum class Carrier { file, payload };

// One sentence without place. `data_end`: the end of the bytes that parse.stopped_at points into.
std::string describe_flaw(const Parse& parse, const Columns& columns, const Parser& parser, const char* data_end,
                          Carrier carrier);
// The JSON value that begins where the parser stopped.
std::string value_excerpt(const Parse& parse, const Parser& parser, const char* data_end);

}  // namespace sluice::json
