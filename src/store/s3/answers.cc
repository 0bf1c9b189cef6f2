#include "store/s3/answers.h"

#include <time.h>

#include <charconv>

#include "net/xml.h"

namespace sluice::s3 {
namespace {

Result<int64_t> parse_size(const std::string& text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    return transient("the service lists an object with the size '{}'", text);
  }
  return value;
}

Error unexpected_root(std::string_view wanted, const net::XmlElement& root) {
  return transient("the service answers with <{}> instead of <{}>", root.name, wanted);
}

}  // namespace

ErrorAnswer parse_error(std::string_view body) {
  ErrorAnswer answer;
  auto document = net::parse_xml(body);
  if (!document.ok() || document->name != "Error") return answer;
  answer.code = document->child_text("Code");
  answer.message = document->child_text("Message");
  answer.region = document->child_text("Region");
  while (answer.message.ends_with('.')) answer.message.pop_back();
  return answer;
}

Result<Listing> parse_listing(std::string_view body) {
  auto document = TRY(net::parse_xml(body));
  if (document.name != "ListBucketResult") return unexpected_root("ListBucketResult", document);
  Listing listing;
  for (auto& element : document.children) {
    if (element.name == "Contents") {
      ListedObject object;
      object.key = element.child_text("Key");
      if (object.key.empty()) return transient("the service lists an object without a key");
      object.bytes = TRY(parse_size(element.child_text("Size")));
      object.etag = without_quotes(element.child_text("ETag"));
      object.modified = TRY(parse_time(element.child_text("LastModified")));
      listing.objects.push_back(std::move(object));
    } else if (element.name == "CommonPrefixes") {
      listing.folders.push_back(element.child_text("Prefix"));
    }
  }
  if (document.child_text("IsTruncated") == "true") {
    listing.continuation = document.child_text("NextContinuationToken");
    if (listing.continuation.empty()) return transient("the service cuts a listing without saying how it goes on");
  }
  return listing;
}

Result<std::string> parse_upload_id(std::string_view body) {
  auto document = TRY(net::parse_xml(body));
  if (document.name != "InitiateMultipartUploadResult")
    return unexpected_root("InitiateMultipartUploadResult", document);
  auto id = document.child_text("UploadId");
  if (id.empty()) return transient("the service begins an upload without an id");
  return id;
}

Result<UploadListing> parse_uploads(std::string_view body) {
  auto document = TRY(net::parse_xml(body));
  if (document.name != "ListMultipartUploadsResult") return unexpected_root("ListMultipartUploadsResult", document);
  UploadListing listing;
  for (const auto& element : document.children) {
    if (element.name != "Upload") continue;
    listing.uploads.push_back({element.child_text("Key"), element.child_text("UploadId")});
    if (listing.uploads.back().id.empty()) return transient("the service lists an upload without an id");
  }
  if (document.child_text("IsTruncated") == "true") {
    listing.next_key = document.child_text("NextKeyMarker");
    listing.next_id = document.child_text("NextUploadIdMarker");
    if (listing.next_key.empty()) return transient("the service cuts a listing without saying how it goes on");
  }
  return listing;
}

std::string without_quotes(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

Result<WallTime> parse_time(const std::string& text) {
  tm parts = {};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (end == nullptr) end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S", &parts);
  if (end == nullptr) return transient("the service gives an object the time '{}'", text);
  auto time = std::chrono::sys_seconds(std::chrono::seconds(::timegm(&parts)));
  int64_t micros = 0;
  if (*end == '.') {
    int64_t unit = 100'000;
    for (++end; *end >= '0' && *end <= '9'; ++end, unit /= 10) micros += (*end - '0') * unit;
  }
  return WallTime(time) + std::chrono::microseconds(micros);
}

}  // namespace sluice::s3
