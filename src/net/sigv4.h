// AWS Signature Version 4 in the Authorization header.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "net/credentials.h"
#include "net/http.h"

namespace sluice::net {

std::string sha256_hex(std::string_view bytes);

// What S3 takes instead of a body's hash; only over TLS, which guards the bytes then.
constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

struct SigningScope {
  std::string_view region;
  std::string_view service;  // "s3", "sts", "iam"
};

// Adds Host, X-Amz-Date, X-Amz-Security-Token, for s3 X-Amz-Content-Sha256, and Authorization over all headers that
// the request has by then. The URL's query has to be as render_query() makes it. `payload_hash` is the body's
// sha256_hex or kUnsignedPayload. Signing again replaces the former signature.
Result<void> sign(const Credentials& credentials, const SigningScope& scope, WallTime now,
                  std::string_view payload_hash, HttpRequest* request);

}  // namespace sluice::net
