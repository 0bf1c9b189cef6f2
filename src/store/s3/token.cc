#include "store/s3/token.h"

#include <nlohmann/json.hpp>

namespace sluice::s3 {

using nlohmann::json;

std::string render(const Token& token) {
  json text = {{"bucket", token.address.bucket}, {"key", token.address.key},
               {"bytes", token.bytes},           {"if_exists", token.if_exists == IfExists::fail ? "fail" : "replace"},
               {"marker", token.marker},         {"spool", token.spool}};
  if (!token.upload_id.empty()) {
    text["upload_id"] = token.upload_id;
    text["etags"] = token.etags;
  }
  return text.dump();
}

Result<Token> parse_token(const std::string& text) {
  try {
    auto parsed = json::parse(text);
    Token token;
    parsed.at("bucket").get_to(token.address.bucket);
    parsed.at("key").get_to(token.address.key);
    parsed.at("bytes").get_to(token.bytes);
    token.if_exists = parsed.at("if_exists") == "replace" ? IfExists::replace : IfExists::fail;
    parsed.at("marker").get_to(token.marker);
    parsed.at("spool").get_to(token.spool);
    if (parsed.contains("upload_id")) {
      parsed.at("upload_id").get_to(token.upload_id);
      parsed.at("etags").get_to(token.etags);
    }
    return token;
  } catch (const json::exception& e) {
    return refused("the record of an unfinished S3 upload is unreadable: {} in {}", e.what(), text);
  }
}

}  // namespace sluice::s3
