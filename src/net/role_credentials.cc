// Credentials that a service hands out for a role: STS (web identity), a container's agent, an EC2 instance.
#include <cstdio>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "net/credentials.h"
#include "net/url.h"
#include "net/xml.h"

namespace sluice::net {
namespace {

using nlohmann::json;

Result<std::string> read_small_file(const std::string& path, std::string_view what) {
  std::ifstream in(path);
  if (!in) return user_error("{} {} cannot be read", what, path);
  std::stringstream text;
  text << in.rdbuf();
  std::string out = text.str();
  while (out.ends_with('\n') || out.ends_with('\r')) out.pop_back();
  return out;
}

// "2026-01-31T23:59:59Z"
Result<WallTime> parse_time(const std::string& text, std::string_view who) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (std::sscanf(text.c_str(), "%d-%u-%uT%d:%d:%d", &year, &month, &day, &hour, &minute, &second) != 6) {
    return transient("{} answers with an expiry that is no time: '{}'", who, text);
  }
  std::chrono::sys_days date = std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
  return WallTime(date + std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second));
}

// Asks a few times: these services are near, and what they refuse they say at once.
Result<HttpAnswer> ask(HttpClient& http, const HttpRequest& request, Context& context, int tries = 3) {
  for (int i = 1;; ++i) {
    auto answer = http.send(request, context.stop);
    bool again = answer.ok() ? answer->status >= 500 : answer.error().fault == Fault::transient;
    if (!again || i >= tries) return answer;
    if (!context.clock.sleep(Millis(200 * i), context.stop)) return cancelled();
  }
}

// What the container agent and the instance's metadata service answer with.
Result<Credentials> parse_role_answer(const std::string& body, std::string origin) {
  try {
    auto parsed = json::parse(body);
    Credentials credentials;
    parsed.at("AccessKeyId").get_to(credentials.access_key_id);
    credentials.secret_access_key = Secret(parsed.at("SecretAccessKey").get<std::string>());
    credentials.session_token = Secret(parsed.value("Token", ""));
    if (parsed.contains("Expiration")) {
      credentials.expires = TRY(parse_time(parsed.at("Expiration").get<std::string>(), origin));
    }
    credentials.origin = std::move(origin);
    return credentials;
  } catch (const json::exception&) {  // its text would repeat the secret
    return transient("{} answers with something that is no credentials", origin);
  }
}

// The token goes along: unencrypted to this machine only, and to where ECS and EKS have their agents.
Result<void> check_agent(const std::string& url) {
  auto parsed = parse_url(url);
  if (!parsed.ok()) return user_error("AWS_CONTAINER_CREDENTIALS_FULL_URI: {}", parsed.error().what);
  const auto& host = parsed->host;
  const bool loopback = host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
  const bool near = loopback || host == "localhost" || host == "[::1]" || host == "169.254.170.2" ||
                    host == "169.254.170.23" || host == "[fd00:ec2::23]";
  if (parsed->scheme == "https" || near) return {};
  return user_error(
      "AWS_CONTAINER_CREDENTIALS_FULL_URI names {} by http; credentials come by https, or from this machine, "
      "169.254.170.2 or 169.254.170.23",
      host);
}

}  // namespace

Result<Credentials> assume_web_identity(const WebIdentity& identity, const Environment& environment, HttpClient& http,
                                        Context& context) {
  const std::string origin = fmt::format("the web identity for {}", identity.role_arn);
  auto token = TRY(read_small_file(identity.token_file, "the web identity token"));
  auto region = TRY(configured_region(environment, {}));
  std::string url = region.empty() ? "https://sts.amazonaws.com" : fmt::format("https://sts.{}.amazonaws.com", region);
  for (const char* name : {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"}) {
    if (auto given = environment(name)) url = *given;
  }
  while (url.ends_with('/')) url.pop_back();
  std::string body =
      render_query({{"Action", "AssumeRoleWithWebIdentity"},
                    {"Version", "2011-06-15"},
                    {"RoleArn", identity.role_arn},
                    {"RoleSessionName", identity.session_name.empty() ? "sluice" : identity.session_name},
                    {"WebIdentityToken", token}});
  HttpRequest request;
  request.method = "POST";
  request.url = url + "/";
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  request.body = body;
  auto answer = TRY(ask(http, request, context));
  auto document = parse_xml(answer.body);
  if (!answer.ok()) {
    const auto* error = document.ok() ? document->child("Error") : nullptr;
    std::string why = error == nullptr ? fmt::format("status {}", answer.status)
                                       : error->child_text("Code") + ": " + error->child_text("Message");
    return make_error(answer.status >= 500 ? Fault::transient : Fault::refused, "STS at {} refuses {} ({})", url,
                      origin, why);
  }
  if (!document.ok()) return std::move(document).error();
  const auto* result = document->child("AssumeRoleWithWebIdentityResult");
  const auto* found = result == nullptr ? nullptr : result->child("Credentials");
  if (found == nullptr) return transient("STS at {} answers without credentials", url);
  Credentials credentials;
  credentials.access_key_id = found->child_text("AccessKeyId");
  credentials.secret_access_key = Secret(found->child_text("SecretAccessKey"));
  credentials.session_token = Secret(found->child_text("SessionToken"));
  credentials.expires = TRY(parse_time(found->child_text("Expiration"), "STS"));
  credentials.origin = origin;
  return credentials;
}

MaybeCredentials credentials_of_web_identity(const Environment& environment, HttpClient& http, Context& context) {
  auto file = environment("AWS_WEB_IDENTITY_TOKEN_FILE");
  auto role = environment("AWS_ROLE_ARN");
  if (!file.has_value()) return std::nullopt;
  if (!role.has_value()) return user_error("AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not");
  WebIdentity identity{*file, *role, environment("AWS_ROLE_SESSION_NAME").value_or("")};
  return std::optional(TRY(assume_web_identity(identity, environment, http, context)));
}

// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
MaybeCredentials credentials_of_container(const Environment& environment, HttpClient& http, Context& context) {
  HttpRequest request;
  if (auto relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")) {
    request.url = "http://169.254.170.2" + *relative;
  } else if (auto full = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
    request.url = *full;
    TRY(check_agent(request.url));
  } else {
    return std::nullopt;
  }
  if (auto file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    request.headers.emplace_back("Authorization", TRY(read_small_file(*file, "the container's authorization token")));
  } else if (auto token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN")) {
    request.headers.emplace_back("Authorization", *token);
  }
  request.bypass_proxy = true;
  request.time_max = Millis(5'000);
  auto answer = TRY(ask(http, request, context).while_doing("asking for the container's credentials"));
  if (!answer.ok()) {
    return make_error(answer.status >= 500 ? Fault::transient : Fault::refused,
                      "the container's credentials at {} are refused with status {}", request.url, answer.status);
  }
  return std::optional(TRY(parse_role_answer(answer.body, "the container's role")));
}

// IMDSv2: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
MaybeCredentials credentials_of_instance(const Environment& environment, HttpClient& http, Context& context) {
  auto disabled = environment("AWS_EC2_METADATA_DISABLED");
  if (disabled.has_value() && (*disabled == "true" || *disabled == "1")) return std::nullopt;
  std::string base = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or("http://169.254.169.254");
  while (base.ends_with('/')) base.pop_back();
  HttpRequest request;
  request.bypass_proxy = true;
  request.time_max = Millis(1'000);
  request.method = "PUT";
  request.url = base + "/latest/api/token";
  request.headers = {{"X-aws-ec2-metadata-token-ttl-seconds", "21600"}};
  auto token = ask(http, request, context, 2);
  // No such service means no instance; the chain says then what to do.
  if (!token.ok() && token.error().fault != Fault::cancelled) return std::nullopt;
  if (!token.ok()) return std::move(token).error();
  if (!token->ok()) return std::nullopt;
  request.method = "GET";
  request.headers = {{"X-aws-ec2-metadata-token", token->body}};
  request.url = base + "/latest/meta-data/iam/security-credentials/";
  auto roles = TRY(ask(http, request, context));
  if (!roles.ok() || roles.body.empty()) return std::nullopt;  // an instance without a role
  std::string role = roles.body.substr(0, roles.body.find('\n'));
  request.url += percent_encode(role);
  auto answer = TRY(ask(http, request, context));
  if (!answer.ok()) return transient("the instance's metadata service has no credentials for the role {} now", role);
  return std::optional(TRY(parse_role_answer(answer.body, fmt::format("the instance role {}", role))));
}

}  // namespace sluice::net
