// google.protobuf.Struct, Value and ListValue as the JSON that they stand for.
#pragma once

#include <string>
#include <string_view>

#include "batch/growing_bytes.h"

namespace sluice::protobuf {

// `message`: the full name of one of the three. False: the bytes are not one.
bool append_json_value(std::string_view message, ByteSpan bytes, std::string& out);

}  // namespace sluice::protobuf
