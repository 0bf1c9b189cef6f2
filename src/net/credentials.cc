#include "net/credentials.h"

#include <cstdlib>
#include <sstream>
#include <utility>

#include "net/aws_profile.h"

namespace sluice::net {
namespace {

constexpr auto kRefreshBefore = std::chrono::minutes(5);
constexpr std::string_view kFromOptions = "the options";
constexpr std::string_view kFromEnvironment = "the environment";

bool usable(const std::optional<Credentials>& credentials, WallTime now) {
  return credentials.has_value() && (!credentials->expires.has_value() || now + kRefreshBefore < *credentials->expires);
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
}

MaybeCredentials credentials_of_environment(const Environment& environment) {
  auto id = environment("AWS_ACCESS_KEY_ID");
  auto secret = environment("AWS_SECRET_ACCESS_KEY");
  if (!id.has_value() && !secret.has_value()) return std::nullopt;
  if (!id.has_value() || !secret.has_value()) {
    return user_error("{} is set but {} is not: set both or neither",
                      id.has_value() ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                      id.has_value() ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
  }
  Credentials credentials;
  credentials.access_key_id = *id;
  credentials.secret_access_key = Secret(*secret);
  credentials.session_token = Secret(environment("AWS_SESSION_TOKEN").value_or(""));
  credentials.origin = kFromEnvironment;
  return std::optional(std::move(credentials));
}

MaybeCredentials credentials_of_profile(const Environment& environment, const std::string& name, HttpClient& http,
                                        Context& context) {
  auto profile = TRY(read_profile(environment, name));
  std::string id = profile.get("aws_access_key_id");
  std::string role = profile.get("role_arn");
  if (!role.empty() && !profile.get("web_identity_token_file").empty()) {
    WebIdentity identity{profile.get("web_identity_token_file"), role, profile.get("role_session_name")};
    return std::optional(TRY(assume_web_identity(identity, environment, http, context)));
  }
  if (!role.empty()) {
    return user_error(
        "the AWS profile '{}' assumes a role through another profile (role_arn), which Sluice cannot do; export the "
        "role's credentials, such as by aws configure export-credentials, or name a profile that holds keys",
        profile.name);
  }
  if (!id.empty()) {
    Credentials credentials;
    credentials.access_key_id = id;
    credentials.secret_access_key = Secret(profile.get("aws_secret_access_key"));
    credentials.session_token = Secret(profile.get("aws_session_token"));
    credentials.origin = fmt::format("the profile '{}'", profile.name);
    if (credentials.secret_access_key.empty()) {
      return user_error("the AWS profile '{}' has aws_access_key_id but no aws_secret_access_key", profile.name);
    }
    return std::optional(std::move(credentials));
  }
  for (const char* key : {"credential_process", "sso_session", "sso_start_url"}) {
    if (profile.get(key).empty()) continue;
    return user_error(
        "the AWS profile '{}' gets its credentials by {}, which Sluice cannot do; export them first, such as by aws "
        "configure export-credentials",
        profile.name, key);
  }
  return std::nullopt;
}

Result<std::string> configured_region(const Environment& environment, const std::string& profile) {
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (auto region = environment(name)) return *region;
  }
  auto read = read_profile(environment, profile);
  // A profile that is missing is reported where credentials are looked for.
  return read.ok() ? read->get("region") : std::string();
}

Result<Credentials> CredentialChain::find(Context& context) {
  if (!options_.access_key_id.empty() || !options_.secret_access_key.empty()) {
    if (options_.access_key_id.empty() || options_.secret_access_key.empty()) {
      return user_error("access_key_id and secret_access_key are given together or not at all");
    }
    return Credentials{options_.access_key_id, options_.secret_access_key, options_.session_token, std::nullopt,
                       std::string(kFromOptions)};
  }
  // A profile that was named means that profile, whatever else the environment holds.
  if (options_.profile.empty()) {
    if (auto found = TRY(credentials_of_environment(environment_))) return std::move(*found);
  }
  if (auto found = TRY(credentials_of_profile(environment_, options_.profile, http_, context))) {
    return std::move(*found);
  }
  for (auto* look : {&credentials_of_web_identity, &credentials_of_container, &credentials_of_instance}) {
    if (auto found = TRY(look(environment_, http_, context))) return std::move(*found);
  }
  return user_error(
      "no AWS credentials: give access_key_id and secret_access_key, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
      "or "
      "AWS_PROFILE, run with a role, or say anonymous := true for a public bucket");
}

Result<Credentials> CredentialChain::get(Context& context) {
  std::lock_guard lock(mutex_);
  if (usable(kept_, context.clock.wall())) return *kept_;
  auto found = find(context);
  if (!found.ok()) {
    // Not yet expired ones still work when their renewal fails for now.
    bool valid = kept_.has_value() && kept_->expires.has_value() && context.clock.wall() < *kept_->expires;
    if (valid && found.error().fault == Fault::transient) return *kept_;
    return found;
  }
  kept_ = found.value();
  return found;
}

bool CredentialChain::expire(const Credentials& credentials) {
  std::lock_guard lock(mutex_);
  bool same = kept_.has_value() && kept_->session_token == credentials.session_token &&
              kept_->access_key_id == credentials.access_key_id;
  if (same) kept_.reset();
  return credentials.origin != kFromOptions && credentials.origin != kFromEnvironment;
}

}  // namespace sluice::net
