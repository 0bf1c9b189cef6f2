// Signed requests to an S3 service, tried again where that can help, with every failure as one sentence.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "net/backoff.h"
#include "net/credentials.h"
#include "net/http_client.h"
#include "net/url.h"
#include "port/context.h"
#include "store/s3/answers.h"
#include "store/s3/settings.h"

namespace sluice::s3 {

// "bucket/key" as the store's paths are; the key may be empty.
struct Address {
  std::string bucket;
  std::string key;
  [[nodiscard]] std::string path() const { return key.empty() ? bucket : bucket + "/" + key; }
  [[nodiscard]] std::string url() const { return "s3://" + path(); }  // for people
};
Address address_of(std::string_view path);

struct Request {
  std::string method = "GET";
  Address address;
  net::QueryParameters query;
  net::HttpHeaders headers;
  std::string_view body;                         // views: kept by the caller until the answer is there
  std::span<uint8_t> into;                       // for the body of a successful answer
  std::string_view doing = "read";               // a verb before the address, for errors
  std::string_view permission = "s3:GetObject";  // what an access rule has to allow
  std::string_view root;  // unless empty: the element that a body with status 200 has to be, else it was not done
  Millis once_within{0};  // unless 0: no second try, and given up after this
  std::string about;      // names the place in errors instead of the address, e.g. a listing's prefix
};

struct Answer {
  net::HttpAnswer http;
  ErrorAnswer error;  // of answers that are not ok
  std::string unfit;  // why the body of a successful answer is none
  int tries = 1;      // earlier ones may have been carried out, too, and only their answers lost
  [[nodiscard]] bool ok() const { return http.ok() && error.code.empty() && unfit.empty(); }
  [[nodiscard]] bool is(std::string_view code) const { return error.code == code; }
};

// Thread-safe.
class Client {
 public:
  // A request whose first try is under way.
  struct Pending {
    Request request;
    net::Credentials credentials;
    net::HttpClient::Call call;
  };

  static Result<std::unique_ptr<Client>> create(Settings settings, net::Environment environment);

  // Errors: no connection, "internal error", "slow down" after all tries (Fault::transient); access denied (refused);
  // no such bucket, wrong credentials, region or clock (user). Everything else the service answers, such as NoSuchKey
  // or a failed condition, is the caller's to judge.
  Result<Answer> send(Context& context, const Request& request);
  Result<Pending> start(Context& context, Request request);
  // Waits for the first try, and tries again from here where that can help.
  Result<Answer> finish(Context& context, Pending pending);

  [[nodiscard]] const Settings& settings() const { return settings_; }
  // Tells services apart in what is kept on the disk: "https://localhost:9000", "aws".
  [[nodiscard]] std::string service() const;

 private:
  struct Tries;  // of one request
  Client(Settings settings, net::Environment environment, std::unique_ptr<net::HttpClient> http);
  Result<net::HttpRequest> build(const Request& request, const net::Credentials& credentials, Context& context);
  std::string url_of(const Request& request, const std::string& region) const;
  std::string region_of(const std::string& bucket);
  Result<Answer> go_on(Context& context, const Request& request, Result<net::HttpAnswer> first,
                       net::Credentials credentials);
  // Empty: try again.
  std::optional<Result<Answer>> judge(Context& context, const Request& request, Result<net::HttpAnswer> outcome,
                                      Tries* tries);
  bool follow_region(const Request& request, const Answer& answer);
  Result<void> learn_code(Context& context, const Request& request, Answer* answer);

  const Settings settings_;
  const std::unique_ptr<net::HttpClient> http_;
  net::CredentialChain credentials_;
  std::mutex mutex_;
  std::map<std::string, std::string> regions_;  // of buckets that turned out to be elsewhere
  std::atomic<uint64_t> seed_;
};

// What the service answered is nothing that the caller expected.
Error unexpected(const Request& request, const Answer& answer);

}  // namespace sluice::s3
