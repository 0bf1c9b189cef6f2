#include "net/credentials.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "net/test_expect.h"
#include "net/test_server.h"

namespace sluice::net {
namespace {

class CredentialTest : public testing::Test {
 protected:
  CredentialTest() {
    env_["HOME"] = folder_.path();
    env_["AWS_EC2_METADATA_DISABLED"] = "true";
  }
  Environment environment() const {
    return [this](const std::string& name) -> std::optional<std::string> {
      auto found = env_.find(name);
      if (found == env_.end()) return std::nullopt;
      return found->second;
    };
  }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(folder_.file(".aws"));
    std::ofstream(folder_.file(name)) << text;
  }
  Result<Credentials> find(CredentialOptions options = {}) {
    return CredentialChain(std::move(options), environment(), *http_).get(context_);
  }

  ScratchFolder folder_;
  TestContext context_;
  std::map<std::string, std::string> env_;
  std::unique_ptr<HttpClient> http_ = value_of(HttpClient::create({}));
};

TEST_F(CredentialTest, OptionsComeBeforeTheEnvironmentAndThatBeforeProfiles) {
  write(".aws/credentials", "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
  EXPECT_EQ(value_of(find()).access_key_id, "FILE");
  env_["AWS_ACCESS_KEY_ID"] = "ENV";
  env_["AWS_SECRET_ACCESS_KEY"] = "s";
  env_["AWS_SESSION_TOKEN"] = "t";
  EXPECT_EQ(value_of(find()).access_key_id, "ENV");
  EXPECT_EQ(value_of(find()).session_token.reveal(), "t");
  EXPECT_EQ(value_of(find({"GIVEN", Secret("s"), Secret(), ""})).access_key_id, "GIVEN");
}

TEST_F(CredentialTest, ProfilesComeFromBothFiles) {
  write(".aws/config", "[default]\nregion=eu-west-1\n[profile dev]\nregion = eu-north-1\ns3 =\n  region = no\n# c\n");
  write(".aws/credentials", "[dev]\naws_access_key_id=DEV\naws_secret_access_key=s=1\naws_session_token = t\n");
  env_["AWS_PROFILE"] = "dev";
  auto found = value_of(find());
  EXPECT_EQ(found.access_key_id, "DEV");
  EXPECT_EQ(found.secret_access_key.reveal(), "s=1");
  EXPECT_EQ(value_of(configured_region(environment(), "")), "eu-north-1");
  EXPECT_EQ(value_of(configured_region(environment(), "default")), "eu-west-1");
  env_["AWS_DEFAULT_REGION"] = "us-west-2";
  EXPECT_EQ(value_of(configured_region(environment(), "")), "us-west-2");
  env_["AWS_PROFILE"] = "missing";
  expect_error(find(), Fault::user, "'missing'");
}

TEST_F(CredentialTest, HalfOfACredentialIsAnError) {
  expect_error(find({"GIVEN", Secret(), Secret(), ""}), Fault::user, "together");
  env_["AWS_ACCESS_KEY_ID"] = "ENV";
  expect_error(find(), Fault::user, "AWS_SECRET_ACCESS_KEY is not");
}

TEST_F(CredentialTest, WhatSluiceCannotDoIsSaid) {
  write(".aws/config", "[profile a]\nrole_arn = r\nsource_profile = b\n[profile c]\ncredential_process = x\n");
  expect_error(find({.profile = "a"}), Fault::user, "role_arn");
  expect_error(find({.profile = "c"}), Fault::user, "credential_process");
}

TEST_F(CredentialTest, NoneAtAllSaysWhatToDo) { expect_error(find(), Fault::user, "AWS_ACCESS_KEY_ID"); }

TEST_F(CredentialTest, AWebIdentityIsTradedAtSts) {
  TestServer sts([](const SeenRequest&) {
    return ServerReply{
        200,
        "<AssumeRoleWithWebIdentityResponse xmlns='x'><AssumeRoleWithWebIdentityResult><Credentials>"
        "<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>",
        {}};
  });
  write("token", "jwt.of.mine\n");
  env_["AWS_WEB_IDENTITY_TOKEN_FILE"] = folder_.file("token");
  expect_error(find(), Fault::user, "AWS_ROLE_ARN");
  env_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/x";
  env_["AWS_ENDPOINT_URL_STS"] = sts.url();
  auto found = value_of(find());
  EXPECT_EQ(found.access_key_id, "ASIA");
  EXPECT_TRUE(found.expires.has_value());
  EXPECT_NE(sts.seen()[0].body.find("WebIdentityToken=jwt.of.mine"), std::string::npos);
  EXPECT_NE(sts.seen()[0].body.find("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx"), std::string::npos);
}

TEST_F(CredentialTest, AProfileMayNameAWebIdentity) {
  TestServer sts([](const SeenRequest&) {
    return ServerReply{
        200,
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
        "<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>",
        {}};
  });
  write("token", "jwt.of.the.pod");
  write(".aws/config", fmt::format("[profile pod]\nrole_arn = arn:x\nweb_identity_token_file = {}\n"
                                   "role_session_name = night\n",
                                   folder_.file("token")));
  env_["AWS_ENDPOINT_URL_STS"] = sts.url();
  auto found = value_of(find({.profile = "pod"}));
  EXPECT_EQ(found.access_key_id, "ASIA");
  EXPECT_EQ(found.session_token.reveal(), "t");
  EXPECT_NE(sts.seen()[0].body.find("WebIdentityToken=jwt.of.the.pod"), std::string::npos);
  EXPECT_NE(sts.seen()[0].body.find("RoleSessionName=night"), std::string::npos);
}

TEST_F(CredentialTest, StsSayingNoIsFinalAndQuoted) {
  TestServer sts([](const SeenRequest&) {
    return ServerReply{
        403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>", {}};
  });
  write("token", "secret-jwt");
  env_["AWS_WEB_IDENTITY_TOKEN_FILE"] = folder_.file("token");
  env_["AWS_ROLE_ARN"] = "r";
  env_["AWS_ENDPOINT_URL_STS"] = sts.url();
  auto found = find();
  expect_error(found, Fault::refused, "AccessDenied");
  EXPECT_EQ(found.error().message().find("secret-jwt"), std::string::npos);
  EXPECT_EQ(sts.seen().size(), 1U);
}

TEST_F(CredentialTest, AContainerIsAskedWithItsToken) {
  TestServer agent([](const SeenRequest& request) {
    if (!request.has("authorization: sesame")) return ServerReply{401, "", {}};
    return ServerReply{
        200, R"({"AccessKeyId":"C","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"})", {}};
  });
  env_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = agent.url("/creds");
  expect_error(find(), Fault::refused, "401");
  env_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "sesame";
  EXPECT_EQ(value_of(find()).access_key_id, "C");
  for (const char* far : {"http://credentials.example.com/role", "http://169.254.170.200/role", "no url"}) {
    env_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = far;
    expect_error(find(), Fault::user, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  }
  env_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = agent.url("/creds");
  // The file goes before it: its token is renewed.
  write("token", "stale\n");
  env_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = folder_.file("token");
  expect_error(find(), Fault::refused, "401");
  write("token", "sesame\n");
  env_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "stale";
  EXPECT_EQ(value_of(find()).access_key_id, "C");
}

TEST_F(CredentialTest, AnInstanceIsAskedByImdsTwoAndAgainBeforeItsCredentialsExpire) {
  std::atomic<int> given{0};
  TestServer imds([&](const SeenRequest& request) {
    if (request.method == "PUT") return ServerReply{200, "imds-token", {}};
    if (!request.has("x-aws-ec2-metadata-token: imds-token")) return ServerReply{401, "", {}};
    if (request.target.ends_with("/security-credentials/")) return ServerReply{200, "my-role", {}};
    auto expires = given.fetch_add(1) == 0 ? system_clock().wall() + std::chrono::minutes(2)
                                           : system_clock().wall() + std::chrono::hours(2);
    return ServerReply{200,
                       fmt::format(R"({{"AccessKeyId":"I{}","SecretAccessKey":"s","Token":"t","Expiration":"{}"}})",
                                   given.load(), format_utc(expires)),
                       {}};
  });
  env_.erase("AWS_EC2_METADATA_DISABLED");
  env_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = imds.url("/");
  CredentialChain chain({}, environment(), *http_);
  EXPECT_EQ(value_of(chain.get(context_)).access_key_id, "I1");
  auto second = value_of(chain.get(context_));
  EXPECT_EQ(second.access_key_id, "I2");
  EXPECT_EQ(value_of(chain.get(context_)).access_key_id, "I2");
  EXPECT_TRUE(chain.expire(second));
  EXPECT_EQ(value_of(chain.get(context_)).access_key_id, "I3");
}

}  // namespace
}  // namespace sluice::net
