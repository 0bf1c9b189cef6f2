// What an S3 service, or somebody who pretends to be one, answers with.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/xml.h"
#include "store/s3/answers.h"

namespace {

using namespace sluice;

// Every element with its text, so that nothing that was read goes unlooked at.
std::string render(const net::XmlElement& element) {
  std::string out = "<" + element.name + ">" + net::xml_escape(element.text);
  for (const auto& child : element.children) out += render(child);
  return out + "</" + element.name + ">";
}

void check_document(std::string_view text) {
  auto parsed = net::parse_xml(text);
  if (!parsed.ok()) {
    CHECK(parsed.error().fault == Fault::transient);
    return;
  }
  // Written out, it reads back as the same.
  const std::string written = render(parsed.value());
  auto again = net::parse_xml(written);
  if (parsed->name.empty()) return;  // "<a:>": a prefix without a name
  if (written.find("<>") != std::string::npos) return;
  CHECK(again.ok());
  CHECK(render(again.value()) == written);
}

void check_listing(std::string_view text) {
  auto listing = s3::parse_listing(text);
  if (!listing.ok()) {
    CHECK(listing.error().fault == Fault::transient);
    return;
  }
  for (const auto& object : listing->objects) {
    CHECK(!object.key.empty() && object.bytes >= 0);
  }
}

void check_uploads(std::string_view text) {
  auto listing = s3::parse_uploads(text);
  if (!listing.ok()) {
    CHECK(listing.error().fault == Fault::transient);
    return;
  }
  for (const auto& upload : listing->uploads) CHECK(!upload.id.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_document(text);
  check_listing(text);
  check_uploads(text);
  (void)s3::parse_error(text);
  if (auto id = s3::parse_upload_id(text); id.ok()) CHECK(!id.value().empty());
  (void)s3::parse_time(std::string(text.substr(0, 64)));
  return 0;
}
