// JSON in another encoding than UTF-8: any decoder over what such a file says in UTF-8.
#pragma once

#include <memory>
#include <string>

#include "port/format.h"

namespace sluice::json {

// Positions are those of the file. `encoding` as normal_encoding() returned it, not utf-8.
std::unique_ptr<Decoder> decode_encoded(std::string encoding, std::unique_ptr<Decoder> utf8);

// The same of an input that is read from its beginning, without positions.
Result<Input> as_utf8(const std::string& encoding, Input input);

}  // namespace sluice::json
