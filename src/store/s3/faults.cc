#include "store/s3/faults.h"

#include <algorithm>
#include <array>

namespace sluice::s3 {
namespace {

template <size_t N>
bool one_of(std::string_view code, const std::array<std::string_view, N>& codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

constexpr std::array<std::string_view, 7> kThrottled = {
    "SlowDown",        "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded",
    "TooManyRequests", "SlowDownRead"};
// RequestTimeout: our body did not arrive in time. OperationAborted and ConditionalRequestConflict: somebody else was
// changing the same name just then.
constexpr std::array<std::string_view, 6> kFailed = {"InternalError",  "RequestTimeout", "OperationAborted",
                                                     "IncompleteBody", "BadDigest",      "ConditionalRequestConflict"};
constexpr std::array<std::string_view, 5> kUnknownKey = {"InvalidAccessKeyId", "XAdminUserNotFound", "NotSignedUp",
                                                         "InvalidClientTokenId", "InvalidToken"};
constexpr std::array<std::string_view, 4> kDenied = {"AccessDenied", "AllAccessDisabled", "AccountProblem",
                                                     "AccessForbidden"};

Error skewed(const Answer& answer, WallTime now) {
  auto server = parse_time(std::string(answer.http.header("date")));
  std::string by;
  if (server.ok()) {
    auto minutes = std::chrono::duration_cast<std::chrono::minutes>(now - *server).count();
    by = fmt::format(" (by {} minutes)", minutes < 0 ? -minutes : minutes);
  }
  return user_error("this machine's clock differs too much from the S3 service's{}: set it right", by);
}

Error elsewhere(const Request& request, const Answer& answer, const Settings& settings) {
  const auto& region = answer.error.region;
  if (region.empty()) {
    return user_error("the bucket {} is not in the region {} ({}); give its region", request.address.bucket,
                      settings.region, answer.error.code);
  }
  return user_error("the bucket {} is in the region {}, not {}: give region := '{}'", request.address.bucket, region,
                    settings.region, region);
}

}  // namespace

std::string place_of(const Request& request) { return request.about.empty() ? request.address.url() : request.about; }

std::string describe(const Answer& answer) {
  if (!answer.unfit.empty()) return answer.unfit;
  if (answer.error.code.empty()) return fmt::format("the service answers with status {}", answer.http.status);
  if (answer.error.message.empty()) return fmt::format("the service answers {}", answer.error.code);
  return fmt::format("the service answers {} ({})", answer.error.code, answer.error.message);
}

Error unexpected(const Request& request, const Answer& answer) {
  return refused("cannot {} {}: {}", request.doing, place_of(request), describe(answer));
}

bool is_expired(const Answer& answer) { return answer.is("ExpiredToken") || answer.is("TokenRefreshRequired"); }

bool is_elsewhere(const Answer& answer) {
  int status = answer.http.status;
  return status == 301 || status == 307 || answer.is("AuthorizationHeaderMalformed") ||
         answer.is("IllegalLocationConstraintException") || (status == 400 && !answer.error.region.empty());
}

std::optional<net::Trouble> trouble_of(const Answer& answer) {
  int status = answer.http.status;
  if (status == 503 || status == 429 || one_of(answer.error.code, kThrottled)) return net::Trouble::throttled;
  if (!answer.unfit.empty()) return net::Trouble::failed;
  bool failed = status == 500 || status == 502 || status == 504 || status == 408;
  if (failed || one_of(answer.error.code, kFailed)) return net::Trouble::failed;
  return std::nullopt;
}

std::optional<Error> final_error(const Request& request, const Answer& answer, const Settings& settings,
                                 const net::Credentials& credentials, WallTime now) {
  const auto& code = answer.error.code;
  if (code == "RequestTimeTooSkewed") return skewed(answer, now);
  if (is_expired(answer)) {
    return user_error("the AWS credentials from {} have expired: renew them", credentials.origin);
  }
  if (is_elsewhere(answer)) return elsewhere(request, answer, settings);
  if (code == "SignatureDoesNotMatch") {
    return user_error("cannot {} {}: the secret access key from {} does not belong to its access key id", request.doing,
                      place_of(request), credentials.origin);
  }
  if (one_of(code, kUnknownKey)) {
    return user_error("cannot {} {}: the service does not know the access key from {}", request.doing,
                      place_of(request), credentials.origin);
  }
  if (code == "NoSuchBucket") return user_error("the bucket {} does not exist", request.address.bucket);
  if (answer.http.status == 403 || one_of(code, kDenied)) {
    std::string who = settings.anonymous ? "without credentials" : "with the credentials from " + credentials.origin;
    return refused("cannot {} {}: access denied {}; {} has to be allowed", request.doing, place_of(request), who,
                   request.permission);
  }
  return std::nullopt;
}

}  // namespace sluice::s3
