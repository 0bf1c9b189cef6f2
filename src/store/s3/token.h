// What publishing takes, as JSON, and how our objects are told from others'.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "port/store.h"
#include "store/s3/client.h"

namespace sluice::s3 {

// {"bucket":…,"key":…,"bytes":…,"if_exists":"fail","marker":…,"spool":…} and for large objects "upload_id", "etags".
struct Token {
  Address address;
  int64_t bytes = 0;
  IfExists if_exists = IfExists::fail;
  std::string marker;     // random; the object bears it as metadata, so that a replayed publish knows its own object
  std::string spool;      // the file in the spool folder: the bytes of a small object, the record of a large one
  std::string upload_id;  // empty: a small object
  std::vector<std::string> etags;  // of the parts, in order
};
std::string render(const Token& token);
Result<Token> parse_token(const std::string& text);

constexpr std::string_view kMarkerHeader = "x-amz-meta-sluice-upload";

}  // namespace sluice::s3
