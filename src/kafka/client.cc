#include "kafka/client.h"

#include <future>
#include <thread>

#include "base/heap.h"

namespace sluice::kafka {
namespace {

constexpr size_t kReasonBytes = 512;
constexpr Millis kGoodbye{5000};

struct ConfDeleter {
  void operator()(rd_kafka_conf_t* conf) const { api().conf_destroy(conf); }
};
using Conf = std::unique_ptr<rd_kafka_conf_t, ConfDeleter>;

// A handshake that broke off says nothing about certificates once others came through.
bool is_about_certificates(std::string_view reason) {
  return reason.find("certificate") != std::string_view::npos || reason.find("alert") != std::string_view::npos ||
         reason.find("verif") != std::string_view::npos;
}

// "sasl_ssl://localhost:9093/bootstrap: SASL PLAIN mechanism handshake failed: … (after 3ms in state …)": what lies
// before the last parenthesis.
std::string_view without_state(std::string_view reason) {
  const size_t after = reason.rfind(" (after ");
  return reason.substr(0, after);
}

// librdkafka before 2.6.1 sends a nonce in SCRAM's last step that brokers since Kafka 3.9.1 refuse (confluentinc/
// librdkafka#4895).
std::string hint_for_login(std::string_view reason) {
  constexpr int kCorrect = 0x020601ff;
  if (reason.find("SCRAM") == std::string_view::npos || api().version() >= kCorrect) return {};
  return fmt::format("; librdkafka {} cannot log in by SCRAM to brokers of Kafka 4: install 2.6.1 or newer",
                     api().version_str());
}

}  // namespace

PartitionList partition_list(std::span<const PartitionOffset> offsets) {
  PartitionList list(api().topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto& [partition, offset] : offsets) {
    api().topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition)->offset = offset;
  }
  return list;
}

bool has_property(const char* name) {
  const Conf conf(api().conf_new());
  size_t size = 0;
  return api().conf_get(conf.get(), name, nullptr, &size) == RD_KAFKA_CONF_OK;
}

Client::Client(const Cluster& cluster, Log log, Callbacks callbacks)
    : cluster_(cluster), log_(std::move(log)), callbacks_(std::move(callbacks)) {}

// librdkafka 2.0.2 waits for ever for the thread of a broker whose partition was being read when its topic was deleted.
// The client is then left alone: whoever let go of it is about to end.
Client::~Client() {
  if (handle_ == nullptr) return;
  api().set_log_level(handle_, 0);  // nobody may be there to be told
  std::promise<void> done;
  auto destroyed = done.get_future();
  std::thread([handle = handle_, done = std::move(done)]() mutable {
    api().destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    done.set_value();
  }).detach();
  if (destroyed.wait_for(kGoodbye) == std::future_status::ready) return;
  log_.debug("a client of librdkafka does not end");
}

Result<std::unique_ptr<Client>> Client::open(rd_kafka_type_t type, const Cluster& cluster, const Properties& own,
                                             Log log, Callbacks callbacks) {
  TRY(load());
  // Its threads allocate what ours free, and the other way round: five million messages into another topic peaked at
  // 456 MB with a heap for each thread, at 254 MB with two.
  use_few_heaps();
  std::unique_ptr<Client> client(new Client(cluster, std::move(log), std::move(callbacks)));
  Conf conf(api().conf_new());
  TRY(client->configure(conf.get(), own));
  char reason[kReasonBytes] = {};
  client->handle_ = api().new_(type, conf.get(), reason, sizeof(reason));
  if (client->handle_ == nullptr) return user_error("{}: {}", cluster.where, reason);
  (void)conf.release();  // the handle has it
  return client;
}

Result<void> Client::configure(rd_kafka_conf_t* conf, const Properties& own) {
  for (const Properties* properties : {&cluster_.properties, &own}) {
    for (const auto& [name, value] : *properties) {
      char reason[kReasonBytes] = {};
      const auto outcome = api().conf_set(conf, name.c_str(), value.reveal().c_str(), reason, sizeof(reason));
      if (outcome == RD_KAFKA_CONF_OK) continue;
      // librdkafka's reason repeats the value.
      if (outcome == RD_KAFKA_CONF_UNKNOWN) {
        return user_error("{}: librdkafka has no property '{}'", cluster_.where, name);
      }
      return user_error("{}: librdkafka does not take the value of its property '{}'", cluster_.where, name);
    }
  }
  api().conf_set_opaque(conf, this);
  api().conf_set_log_cb(conf, &Client::on_log);
  api().conf_set_error_cb(conf, &Client::on_error);
  if (callbacks_.on_rebalance) api().conf_set_rebalance_cb(conf, &Client::on_rebalance);
  if (callbacks_.on_delivery) api().conf_set_dr_msg_cb(conf, &Client::on_delivery);
  return {};
}

void Client::on_log(const rd_kafka_t* handle, int level, const char* facility, const char* text) {
  const auto* client = static_cast<const Client*>(api().opaque(handle));
  constexpr int kWarning = 4;  // syslog's levels
  // Until somebody has answered, a connection that fails is told by the error that follows.
  const bool told = std::string_view(facility) == "FAIL" && !client->answered_;
  if (level <= kWarning && !told) {
    client->log_.warn("librdkafka", {{"about", facility}, {"says", text}});
  } else {
    client->log_.debug("librdkafka", {{"about", facility}, {"says", text}});
  }
}

void Client::on_error(rd_kafka_t* handle, int code, const char* reason, void* opaque) {
  auto* client = static_cast<Client*>(opaque);
  const auto error = static_cast<rd_kafka_resp_err_t>(code);
  client->log_.debug("librdkafka reports an error", {{"code", api().err2name(error)}, {"says", reason}});
  Complaint complaint{error, std::string(without_state(reason))};
  // With TLS 1.3 a broker refuses a client's certificate after the handshake.
  if (error == RD_KAFKA_RESP_ERR__TRANSPORT && complaint.reason.find("SSL alert") != std::string::npos) {
    complaint.code = RD_KAFKA_RESP_ERR__SSL;
  }
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    char why[kReasonBytes] = {};
    complaint.code = api().fatal_error(handle, why, sizeof(why));
    complaint.reason = why;
  }
  std::lock_guard lock(client->mutex_);
  // "All brokers are down" follows the reason why.
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !client->complaint_.reason.empty()) return;
  client->complaint_ = std::move(complaint);
}

void Client::on_rebalance(rd_kafka_t*, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions,
                          void* opaque) {
  static_cast<Client*>(opaque)->callbacks_.on_rebalance(code, partitions);
}

void Client::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  static_cast<Client*>(opaque)->callbacks_.on_delivery(*message);
}

void Client::serve(Millis time) {
  if (!polled_as_consumer_) api().poll(handle_, static_cast<int>(time.count()));
}

Error Client::failure(rd_kafka_resp_err_t code, std::string_view what, std::string_view detail) const {
  if (auto error = broken()) return *std::move(error);
  if (is_silence(code)) {
    std::lock_guard lock(mutex_);
    if (complaint_.code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return error_of(complaint_.code, {where(), std::string(what)}, complaint_.reason);
    }
  }
  return error_of(code, {where(), std::string(what)}, detail);
}

std::optional<Error> Client::broken() const {
  std::lock_guard lock(mutex_);
  switch (complaint_.code) {
    case RD_KAFKA_RESP_ERR__SSL:
      if (answered_ && !is_about_certificates(complaint_.reason)) return std::nullopt;
      [[fallthrough]];
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
      return error_of(complaint_.code, {where(), {}}, complaint_.reason + hint_for_login(complaint_.reason));
    default:
      break;
  }
  char why[kReasonBytes] = {};
  const auto fatal = api().fatal_error(handle_, why, sizeof(why));
  if (fatal == RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  return error_of(fatal, {where(), {}}, why);
}

Result<void> Client::leave_group() {
  const auto code = api().consumer_close(handle_);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failure(code, "leaving the group");
  return {};
}

}  // namespace sluice::kafka
