#include "net/http_client.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "net/curl_api.h"
#include "net/transfer.h"

namespace sluice::net {

// The requests and the thread that drives them. `mutex` guards everything but what the thread alone uses.
class HttpClient::Impl {
 public:
  Impl(const CurlApi& api, HttpOptions options) : api_(api), options_(std::move(options)), multi_(api.multi_init()) {
    api_.multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(options_.requests_max));
    thread_ = std::jthread([this] { run(); });
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { shut_down(); }

  void shut_down() {
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return;
      stopping_ = true;
    }
    api_.multi_wakeup(multi_);
    thread_.join();
    for (CURL* easy : idle_) api_.easy_cleanup(easy);
    api_.multi_cleanup(multi_);
  }

  std::shared_ptr<Call::Transfer> submit(HttpRequest request);
  // Leaves `transfer` done, whatever it takes; true when it had its answer before.
  void cancel(const std::shared_ptr<Call::Transfer>& transfer);
  Result<HttpAnswer> wait(const std::shared_ptr<Call::Transfer>& transfer, const std::stop_token& stop);
  bool done(const Call::Transfer& transfer);

 private:
  void run();
  void begin_waiting();
  void drop_cancelled();
  void begin(std::shared_ptr<Call::Transfer> transfer);
  void finish(CURL* easy, CURLcode code);
  void settle(const std::shared_ptr<Call::Transfer>& transfer, Result<HttpAnswer> outcome);
  void recycle(CURL* easy);

  const CurlApi& api_;
  const HttpOptions options_;
  CURLM* const multi_;
  std::vector<CURL*> idle_;                                             // the thread's
  std::unordered_map<CURL*, std::shared_ptr<Call::Transfer>> running_;  // the thread's

  std::mutex mutex_;
  std::condition_variable_any settled_;
  std::deque<std::shared_ptr<Call::Transfer>> waiting_;
  std::vector<std::shared_ptr<Call::Transfer>> cancelled_;
  bool stopping_ = false;
  std::jthread thread_;
};

struct HttpClient::Call::Transfer : net::Transfer {
  using net::Transfer::Transfer;
  CURL* easy = nullptr;                       // the thread's; set while it runs
  std::optional<Result<HttpAnswer>> outcome;  // guarded by Impl's mutex
};

std::shared_ptr<HttpClient::Call::Transfer> HttpClient::Impl::submit(HttpRequest request) {
  auto transfer = std::make_shared<Call::Transfer>(std::move(request));
  {
    std::lock_guard lock(mutex_);
    if (stopping_) {
      transfer->outcome = cancelled();
      return transfer;
    }
    waiting_.push_back(transfer);
    api_.multi_wakeup(multi_);  // under the lock: the thread, and with it multi_, is alive then
  }
  return transfer;
}

bool HttpClient::Impl::done(const Call::Transfer& transfer) {
  std::lock_guard lock(mutex_);
  return transfer.outcome.has_value();
}

void HttpClient::Impl::cancel(const std::shared_ptr<Call::Transfer>& transfer) {
  std::unique_lock lock(mutex_);
  if (transfer->outcome.has_value()) return;
  cancelled_.push_back(transfer);
  api_.multi_wakeup(multi_);
  settled_.wait(lock, [&] { return transfer->outcome.has_value(); });
}

Result<HttpAnswer> HttpClient::Impl::wait(const std::shared_ptr<Call::Transfer>& transfer,
                                          const std::stop_token& stop) {
  {
    std::unique_lock lock(mutex_);
    settled_.wait(lock, stop, [&] { return transfer->outcome.has_value(); });
    if (transfer->outcome.has_value()) return std::move(*transfer->outcome);
  }
  cancel(transfer);
  return cancelled();
}

void HttpClient::Impl::settle(const std::shared_ptr<Call::Transfer>& transfer, Result<HttpAnswer> outcome) {
  std::lock_guard lock(mutex_);
  transfer->outcome = std::move(outcome);
  settled_.notify_all();
}

void HttpClient::Impl::run() {
  // A connection that breaks while OpenSSL writes to it raises SIGPIPE in this thread, which is an error code to us.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (stopping_) break;
    }
    drop_cancelled();
    begin_waiting();
    int running = 0;
    api_.multi_perform(multi_, &running);
    int left = 0;
    bool finished = false;
    while (CURLMsg* message = api_.multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      finish(message->easy_handle, message->data.result);
      finished = true;
    }
    if (!finished) api_.multi_poll(multi_, nullptr, 0, 1000, nullptr);
  }
  while (!running_.empty()) {
    auto [easy, transfer] = *running_.begin();
    recycle(easy);
    settle(transfer, cancelled());
  }
  std::lock_guard lock(mutex_);
  for (const auto& transfer : waiting_) transfer->outcome = cancelled();
  waiting_.clear();
  settled_.notify_all();
}

void HttpClient::Impl::begin_waiting() {
  for (;;) {
    std::shared_ptr<Call::Transfer> next;
    {
      std::lock_guard lock(mutex_);
      if (waiting_.empty() || running_.size() >= static_cast<size_t>(options_.requests_max)) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    begin(std::move(next));
  }
}

void HttpClient::Impl::drop_cancelled() {
  std::vector<std::shared_ptr<Call::Transfer>> dropped;
  {
    std::lock_guard lock(mutex_);
    dropped.swap(cancelled_);
    for (const auto& transfer : dropped) std::erase(waiting_, transfer);
  }
  for (const auto& transfer : dropped) {
    if (transfer->easy != nullptr) recycle(transfer->easy);
    if (!done(*transfer)) settle(transfer, cancelled());
  }
}

void HttpClient::Impl::begin(std::shared_ptr<Call::Transfer> transfer) {
  CURL* easy = nullptr;
  if (idle_.empty()) {
    easy = api_.easy_init();
  } else {
    easy = idle_.back();
    idle_.pop_back();
    api_.easy_reset(easy);
  }
  transfer->set_up(api_, easy, options_);
  transfer->easy = easy;
  running_.emplace(easy, transfer);
  api_.multi_add_handle(multi_, easy);
}

void HttpClient::Impl::finish(CURL* easy, CURLcode code) {
  auto transfer = running_.at(easy);
  auto outcome = transfer->outcome_of(api_, code, options_);
  recycle(easy);
  settle(transfer, std::move(outcome));
}

void HttpClient::Impl::recycle(CURL* easy) {
  api_.multi_remove_handle(multi_, easy);
  auto found = running_.find(easy);
  found->second->release(api_);
  found->second->easy = nullptr;
  running_.erase(found);
  idle_.push_back(easy);
}

HttpClient::Call::Call(std::shared_ptr<Impl> impl, std::shared_ptr<Transfer> transfer)
    : impl_(std::move(impl)), transfer_(std::move(transfer)) {}
HttpClient::Call::Call(Call&&) noexcept = default;

HttpClient::Call& HttpClient::Call::operator=(Call&& other) noexcept {
  std::swap(impl_, other.impl_);
  std::swap(transfer_, other.transfer_);
  return *this;
}

HttpClient::Call::~Call() {
  if (transfer_ != nullptr) impl_->cancel(transfer_);
}

bool HttpClient::Call::done() const { return impl_->done(*transfer_); }

Result<HttpAnswer> HttpClient::Call::wait(const std::stop_token& stop) {
  CHECK(transfer_ != nullptr);
  auto outcome = impl_->wait(transfer_, stop);
  transfer_.reset();
  impl_.reset();
  return outcome;
}

Result<std::unique_ptr<HttpClient>> HttpClient::create(HttpOptions options) {
  const auto* api = TRY(curl_api());
  return std::unique_ptr<HttpClient>(new HttpClient(std::make_shared<Impl>(*api, std::move(options))));
}

HttpClient::HttpClient(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() { impl_->shut_down(); }

HttpClient::Call HttpClient::start(HttpRequest request) { return {impl_, impl_->submit(std::move(request))}; }

Result<HttpAnswer> HttpClient::send(HttpRequest request, const std::stop_token& stop) {
  return start(std::move(request)).wait(stop);
}

}  // namespace sluice::net
