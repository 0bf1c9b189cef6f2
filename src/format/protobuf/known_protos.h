// The .proto files that everybody may import without having them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::protobuf {

// Their messages and fields as protobuf.dev/reference/protobuf/google.protobuf and Confluent's documentation define
// them; comments and options of other languages are left out.
std::optional<std::string_view> known_proto(std::string_view name);

}  // namespace sluice::protobuf
