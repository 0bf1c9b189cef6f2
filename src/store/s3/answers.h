// What S3 answers with, read from its XML.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace sluice::s3 {

struct ErrorAnswer {
  std::string code;  // "NoSuchKey"; empty when the answer is not S3's XML
  std::string message;
  std::string region;  // where the bucket is, when that is the problem
};
// Never fails: what is no error document has no code.
ErrorAnswer parse_error(std::string_view body);

struct ListedObject {
  std::string key;
  int64_t bytes = 0;
  std::string etag;  // without quotes
  WallTime modified;
};
struct Listing {
  std::vector<ListedObject> objects;
  std::vector<std::string> folders;  // common prefixes, with their final '/'
  std::string continuation;          // empty: this was the last page
};
Result<Listing> parse_listing(std::string_view body);

Result<std::string> parse_upload_id(std::string_view body);

struct ListedUpload {
  std::string key;
  std::string id;
};
struct UploadListing {
  std::vector<ListedUpload> uploads;
  std::string next_key;  // both empty: this was the last page
  std::string next_id;
};
Result<UploadListing> parse_uploads(std::string_view body);

// "abc" → abc; weak tags lose their W/.
std::string without_quotes(std::string_view etag);
// Both forms that S3 uses: "2026-01-31T23:59:59.000Z" and "Sat, 31 Jan 2026 23:59:59 GMT".
Result<WallTime> parse_time(const std::string& text);

}  // namespace sluice::s3
