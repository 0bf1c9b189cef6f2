#include "net/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/ascii.h"
#include "net/url.h"

namespace sluice::net {
namespace {

using Digest = std::array<unsigned char, 32>;

std::string_view bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string hex(const Digest& digest) {
  std::string out;
  for (unsigned char byte : digest) out += fmt::format("{:02x}", byte);
  return out;
}

Digest sha256(std::string_view bytes) {
  Digest digest{};
  CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
  return digest;
}

Digest hmac(std::string_view key, std::string_view text) {
  Digest digest{};
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), nullptr) != nullptr);
  return digest;
}

// Runs of spaces count as one in the signature.
std::string squeezed(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == ' ' && (out.empty() || out.back() == ' ')) continue;
    out += c;
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

// 20150830T123600Z
std::string amz_date(WallTime now) {
  auto day = std::chrono::floor<std::chrono::days>(now);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(now - day));
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
                     time.minutes().count(), time.seconds().count());
}

void set_header(HttpHeaders* headers, std::string_view name, std::string value) {
  std::erase_if(*headers, [&](const auto& header) { return ascii_lower(header.first) == ascii_lower(name); });
  headers->emplace_back(name, std::move(value));
}

}  // namespace

std::string sha256_hex(std::string_view bytes) { return hex(sha256(bytes)); }

Result<void> sign(const Credentials& credentials, const SigningScope& scope, WallTime now,
                  std::string_view payload_hash, HttpRequest* request) {
  auto url = TRY(parse_url(request->url));
  const std::string date = amz_date(now);
  auto& headers = request->headers;
  std::erase_if(headers, [](const auto& header) { return ascii_lower(header.first) == "authorization"; });
  set_header(&headers, "Host", url.authority);
  set_header(&headers, "X-Amz-Date", date);
  if (!credentials.session_token.empty()) {
    set_header(&headers, "X-Amz-Security-Token", credentials.session_token.reveal());
  }
  if (scope.service == "s3") set_header(&headers, "X-Amz-Content-Sha256", std::string(payload_hash));

  std::map<std::string, std::string> sorted;
  for (const auto& [name, value] : headers) sorted.emplace(ascii_lower(name), squeezed(value));
  std::string names;
  std::string lines;
  for (const auto& [name, value] : sorted) {
    names += (names.empty() ? "" : ";") + name;
    lines += name + ":" + value + "\n";
  }
  // S3 signs the path as it is sent; other services would encode it twice, but all of theirs here are "/".
  std::string canonical =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request->method, url.path, url.query, lines, names, payload_hash);
  std::string place = fmt::format("{}/{}/{}/aws4_request", date.substr(0, 8), scope.region, scope.service);
  std::string to_sign = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", date, place, sha256_hex(canonical));

  auto key = hmac("AWS4" + credentials.secret_access_key.reveal(), date.substr(0, 8));
  for (std::string_view part : {scope.region, scope.service, std::string_view("aws4_request")}) {
    key = hmac(bytes_of(key), part);
  }
  headers.emplace_back("Authorization",
                       fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                                   credentials.access_key_id, place, names, hex(hmac(bytes_of(key), to_sign))));
  return {};
}

}  // namespace sluice::net
