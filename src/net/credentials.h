// Where AWS credentials come from, in the order of the AWS tools.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "net/http_client.h"
#include "port/context.h"

namespace sluice::net {

struct Credentials {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;             // empty for long-term credentials
  std::optional<WallTime> expires;  // unset: never
  std::string origin;               // for errors: "the options", "the profile 'dev'", "the instance role"
};

// getenv(), or a test's own.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

struct CredentialOptions {
  std::string access_key_id;  // given options come first
  Secret secret_access_key;
  Secret session_token;
  std::string profile;  // empty: AWS_PROFILE, else "default"
};

// One place credentials can come from: empty when nothing is set up there, an error when something is and fails.
using MaybeCredentials = Result<std::optional<Credentials>>;

MaybeCredentials credentials_of_environment(const Environment& environment);
MaybeCredentials credentials_of_profile(const Environment& environment, const std::string& profile, HttpClient& http,
                                        Context& context);
MaybeCredentials credentials_of_web_identity(const Environment& environment, HttpClient& http, Context& context);
MaybeCredentials credentials_of_container(const Environment& environment, HttpClient& http, Context& context);
MaybeCredentials credentials_of_instance(const Environment& environment, HttpClient& http, Context& context);

// AssumeRoleWithWebIdentity at STS.
struct WebIdentity {
  std::string token_file;
  std::string role_arn;
  std::string session_name;
};
Result<Credentials> assume_web_identity(const WebIdentity& identity, const Environment& environment, HttpClient& http,
                                        Context& context);

// AWS_REGION, AWS_DEFAULT_REGION, else the profile's; empty when none says.
Result<std::string> configured_region(const Environment& environment, const std::string& profile);

// options > environment > profile files > web identity > container > instance role. Keeps what it found and asks again
// five minutes before it expires. Thread-safe.
class CredentialChain {
 public:
  CredentialChain(CredentialOptions options, Environment environment, HttpClient& http)
      : options_(std::move(options)), environment_(std::move(environment)), http_(http) {}

  // Fault::user when none of them has any.
  Result<Credentials> get(Context& context);
  // The server says that these have expired: the next get() asks again. False when asking again cannot help (they were
  // given as options or in the environment).
  bool expire(const Credentials& credentials);

 private:
  Result<Credentials> find(Context& context);

  const CredentialOptions options_;
  const Environment environment_;
  HttpClient& http_;
  std::mutex mutex_;
  std::optional<Credentials> kept_;
};

}  // namespace sluice::net
