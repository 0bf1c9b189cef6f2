#include "store/s3/client.h"

#include <algorithm>
#include <charconv>
#include <random>

#include "net/sigv4.h"
#include "net/xml.h"
#include "store/s3/faults.h"

namespace sluice::s3 {
namespace {

// Of an empty body: most requests have none.
const std::string& empty_hash() {
  static const std::string hash = net::sha256_hex({});
  return hash;
}

// Names that fit into a host name and under the certificate's wildcard.
bool fits_host_name(std::string_view bucket) {
  return bucket.size() >= 3 && std::all_of(bucket.begin(), bucket.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

Millis asked_for(const net::HttpAnswer& answer) {
  auto text = answer.header("retry-after");
  int64_t seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::chrono::seconds(std::clamp<int64_t>(seconds, 0, 30));
}

// Empty: nothing.
std::string what_is_unfit(std::string_view body, std::string_view root) {
  auto document = net::parse_xml(body);
  if (!document.ok()) return document.error().what;
  return document->name == root ? ""
                                : fmt::format("the service answers with <{}> instead of <{}>", document->name, root);
}

Answer read_answer(const Request& request, net::HttpAnswer http) {
  Answer answer;
  if (!http.ok()) {
    answer.error = parse_error(http.body);
  } else if (!request.root.empty()) {
    // CompleteMultipartUpload may fail after its 200 was sent, and blanks meanwhile: the body says so.
    answer.error = parse_error(http.body);
    if (answer.error.code.empty()) answer.unfit = what_is_unfit(http.body, request.root);
  }
  if (!http.ok() && answer.error.region.empty()) answer.error.region = http.header("x-amz-bucket-region");
  answer.http = std::move(http);
  return answer;
}

}  // namespace

struct Client::Tries {
  net::Backoff backoff;
  net::Credentials credentials;
  int sent = 1;
  bool renewed = false;
  bool moved = false;
};

Address address_of(std::string_view path) {
  auto slash = std::min(path.find('/'), path.size());
  Address address{std::string(path.substr(0, slash)), {}};
  if (slash < path.size()) address.key = path.substr(slash + 1);
  return address;
}

Result<std::unique_ptr<Client>> Client::create(Settings settings, net::Environment environment) {
  net::HttpOptions options;
  options.ca_file = settings.ca_file;
  options.stall_timeout = settings.stall_timeout;
  auto http = TRY(net::HttpClient::create(std::move(options)));
  return std::unique_ptr<Client>(new Client(std::move(settings), std::move(environment), std::move(http)));
}

Client::Client(Settings settings, net::Environment environment, std::unique_ptr<net::HttpClient> http)
    : settings_(std::move(settings)),
      http_(std::move(http)),
      credentials_(settings_.credentials, std::move(environment), *http_),
      seed_(std::random_device()()) {}

std::string Client::service() const {
  return settings_.endpoint.has_value() ? settings_.endpoint->scheme + "://" + settings_.endpoint->authority : "aws";
}

std::string Client::region_of(const std::string& bucket) {
  std::lock_guard lock(mutex_);
  auto found = regions_.find(bucket);
  return found == regions_.end() ? settings_.region : found->second;
}

std::string Client::url_of(const Request& request, const std::string& region) const {
  std::string scheme = "https";
  std::string authority = "s3." + region + (region.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com");
  std::string base;
  if (settings_.endpoint.has_value()) {
    scheme = settings_.endpoint->scheme;
    authority = settings_.endpoint->authority;
    base = settings_.endpoint->path;
  }
  const auto& bucket = request.address.bucket;
  bool in_host = !settings_.path_style && fits_host_name(bucket);
  std::string url = scheme + "://";
  if (in_host) url += bucket + ".";
  url += authority + base + "/";
  if (!in_host) url += bucket + (request.address.key.empty() ? "" : "/");
  url += net::percent_encode(request.address.key, /*keep_slashes=*/true);
  if (!request.query.empty()) url += "?" + net::render_query(request.query);
  return url;
}

Result<net::HttpRequest> Client::build(const Request& request, const net::Credentials& credentials, Context& context) {
  std::string region = region_of(request.address.bucket);
  net::HttpRequest http;
  http.method = request.method;
  http.url = url_of(request, region);
  http.headers = request.headers;
  http.body = request.body;
  http.into = request.into;
  http.time_max = request.once_within;
  if (!settings_.expected_owner.empty()) {
    http.headers.emplace_back("x-amz-expected-bucket-owner", settings_.expected_owner);
  }
  if (settings_.anonymous) return http;
  bool encrypted = http.url.starts_with("https://");
  std::string hash = request.body.empty() ? empty_hash()
                     : encrypted          ? std::string(net::kUnsignedPayload)
                                          : net::sha256_hex(request.body);
  TRY(net::sign(credentials, {region, "s3"}, context.clock.wall(), hash, &http));
  return http;
}

Result<Client::Pending> Client::start(Context& context, Request request) {
  Pending pending;
  if (!settings_.anonymous) pending.credentials = TRY(credentials_.get(context));
  pending.request = std::move(request);
  pending.call = http_->start(TRY(build(pending.request, pending.credentials, context)));
  return pending;
}

Result<Answer> Client::finish(Context& context, Pending pending) {
  auto first = pending.call.wait(context.stop);
  return go_on(context, pending.request, std::move(first), std::move(pending.credentials));
}

Result<Answer> Client::send(Context& context, const Request& request) {
  return finish(context, TRY(start(context, request)));
}

Result<Answer> Client::go_on(Context& context, const Request& request, Result<net::HttpAnswer> outcome,
                             net::Credentials credentials) {
  net::RetryLimits limits;
  limits.retries_max = settings_.retries_max;
  Tries tries{net::Backoff(limits, seed_.fetch_add(1), context.clock.steady()), std::move(credentials)};
  for (;;) {
    auto verdict = judge(context, request, std::move(outcome), &tries);
    if (verdict.has_value()) {
      if (verdict->ok()) verdict->value().tries = tries.sent;
      return std::move(*verdict);
    }
    ++tries.sent;
    outcome = http_->send(TRY(build(request, tries.credentials, context)), context.stop);
  }
}

std::optional<Result<Answer>> Client::judge(Context& context, const Request& request, Result<net::HttpAnswer> outcome,
                                            Tries* tries) {
  if (!outcome.ok() && outcome.error().fault != Fault::transient) return std::move(outcome).error();
  std::optional<Answer> answer;
  std::optional<net::Trouble> trouble = net::Trouble::failed;
  Millis pause_least{0};
  std::string why;
  if (!outcome.ok()) {
    why = outcome.error().message();
  } else {
    pause_least = asked_for(outcome.value());
    answer = read_answer(request, std::move(outcome).value());
    if (answer->ok()) return std::move(*answer);
    if (auto learnt = learn_code(context, request, &*answer); !learnt.ok()) return std::move(learnt).error();
    if (is_expired(*answer) && !tries->renewed && credentials_.expire(tries->credentials)) {
      tries->renewed = true;
      auto renewed = credentials_.get(context);
      if (!renewed.ok()) return std::move(renewed).error();
      tries->credentials = std::move(renewed).value();
      return std::nullopt;
    }
    if (!tries->moved && follow_region(request, *answer)) {
      tries->moved = true;
      return std::nullopt;
    }
    if (auto final = final_error(request, *answer, settings_, tries->credentials, context.clock.wall())) {
      return std::move(*final);
    }
    trouble = trouble_of(*answer);
    if (!trouble.has_value()) return std::move(*answer);
    why = describe(*answer);
  }
  bool once = request.once_within.count() > 0;
  auto pause = once ? std::nullopt : tries->backoff.next(*trouble, context.clock.steady());
  if (!pause.has_value()) {
    int count = tries->backoff.tries() + 1;
    return transient("cannot {} {}: {}{}", request.doing, place_of(request), why,
                     count == 1 ? "" : fmt::format(" (tried {} times)", count));
  }
  context.log.debug("S3 request is tried again", {{"place", place_of(request)}, {"pause_ms", pause->count()}});
  if (!context.clock.sleep(std::max(*pause, pause_least), context.stop)) return cancelled();
  return std::nullopt;
}

// HEAD has no body to say why: a one-byte GET of the same object has.
Result<void> Client::learn_code(Context& context, const Request& request, Answer* answer) {
  int status = answer->http.status;
  if (request.method != "HEAD" || (status != 400 && status != 403)) return {};
  Request again = request;
  again.method = "GET";
  again.headers.emplace_back("Range", "bytes=0-0");
  net::Credentials credentials;
  if (!settings_.anonymous) credentials = TRY(credentials_.get(context));
  auto got = http_->send(TRY(build(again, credentials, context)), context.stop);
  if (!got.ok()) return {};  // what is known has to do
  auto more = read_answer(again, std::move(got).value());
  if (more.http.status == status) answer->error = std::move(more.error);
  return {};
}

bool Client::follow_region(const Request& request, const Answer& answer) {
  const auto& region = answer.error.region;
  if (!is_elsewhere(answer) || region.empty() || settings_.region_given) return false;
  std::lock_guard lock(mutex_);
  regions_[request.address.bucket] = region;
  return true;
}

}  // namespace sluice::s3
