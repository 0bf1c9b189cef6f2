// Signatures that AWS publishes: "Create a signed AWS API request" (IAM) and "Signature Calculations for the
// Authorization Header" (S3).
#include "net/sigv4.h"

#include <gtest/gtest.h>

#include "net/test_expect.h"
#include "net/url.h"

namespace sluice::net {
namespace {

using namespace std::chrono_literals;

std::string header_of(const HttpRequest& request, const std::string& wanted) {
  for (const auto& [name, value] : request.headers) {
    if (name == wanted) return value;
  }
  return "(missing)";
}

std::string signature_of(const HttpRequest& request) {
  auto header = header_of(request, "Authorization");
  return header.substr(header.find("Signature=") + 10);
}

const WallTime kMay2013 = std::chrono::sys_days(2013y / 5 / 24);
const Credentials kS3Example{"AKIAIOSFODNN7EXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), Secret(),
                             std::nullopt, "the example"};

std::string s3_signature(HttpRequest request) {
  auto hash = sha256_hex(request.body);
  expect_ok(sign(kS3Example, {"us-east-1", "s3"}, kMay2013, hash, &request));
  return signature_of(request);
}

TEST(SigV4, TheIamExampleHasItsPublishedSignature) {
  HttpRequest request;
  request.url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
  Credentials credentials{"AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Secret(), std::nullopt,
                          ""};
  WallTime when = std::chrono::sys_days(2015y / 8 / 30) + 12h + 36min;
  expect_ok(sign(credentials, {"us-east-1", "iam"}, when, sha256_hex(""), &request));
  EXPECT_EQ(header_of(request, "Authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

TEST(SigV4, TheS3ExamplesHaveTheirPublishedSignatures) {
  HttpRequest get;
  get.url = "https://examplebucket.s3.amazonaws.com/test.txt";
  get.headers = {{"Range", "bytes=0-9"}};
  EXPECT_EQ(s3_signature(get), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");

  HttpRequest put;
  put.method = "PUT";
  put.url = "https://examplebucket.s3.amazonaws.com/" + percent_encode("test$file.text", true);
  put.headers = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
  put.body = "Welcome to Amazon S3.";
  EXPECT_EQ(s3_signature(put), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");

  HttpRequest lifecycle;
  lifecycle.url = "https://examplebucket.s3.amazonaws.com/?" + render_query({{"lifecycle", ""}});
  EXPECT_EQ(s3_signature(lifecycle), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");

  HttpRequest list;
  list.url = "https://examplebucket.s3.amazonaws.com/?" + render_query({{"prefix", "J"}, {"max-keys", "2"}});
  EXPECT_EQ(s3_signature(list), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4, SigningAgainReplacesTheFormerSignature) {
  HttpRequest request;
  request.url = "https://examplebucket.s3.amazonaws.com/test.txt";
  request.headers = {{"Range", "bytes=0-9"}};
  for (int i = 0; i < 2; ++i) expect_ok(sign(kS3Example, {"us-east-1", "s3"}, kMay2013, sha256_hex(""), &request));
  EXPECT_EQ(signature_of(request), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(request.headers.size(), 5U);
}

TEST(Url, KeysAreEncodedAsAwsWantsThem) {
  EXPECT_EQ(percent_encode("a b/ü+~", true), "a%20b/%C3%BC%2B~");
  EXPECT_EQ(percent_encode("a/b"), "a%2Fb");
  EXPECT_EQ(render_query({{"prefix", "a=b"}, {"list-type", "2"}, {"A", "x"}}), "A=x&list-type=2&prefix=a%3Db");
}

TEST(Url, IsTakenApart) {
  auto url = value_of(parse_url("http://[::1]:9000/base?x=1"));
  EXPECT_EQ(url.authority, "[::1]:9000");
  EXPECT_EQ(url.host, "[::1]");
  EXPECT_EQ(url.path, "/base");
  EXPECT_EQ(url.query, "x=1");
  expect_error(parse_url("ftp://a"), Fault::user, "http://");
  expect_error(parse_url("https://"), Fault::user, "no host");
  expect_error(parse_url("https://a:b/"), Fault::user, "port");
  auto secret = parse_url("https://me:hunter2@host/");
  expect_error(secret, Fault::user, "user and password");
  EXPECT_EQ(secret.error().message().find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace sluice::net
