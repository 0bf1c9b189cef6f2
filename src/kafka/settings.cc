#include "kafka/settings.h"

#include <algorithm>
#include <cstdlib>

#include "base/result.h"

namespace sluice::kafka {
namespace {

// What the state store keeps in place of a secret.
constexpr std::string_view kRedacted = "***";
// `sluice status NAME`, reset and drop know a location without its password.
constexpr const char* kPasswordVariable = "SLUICE_KAFKA_PASSWORD";

const std::vector<OptionSpec>& specs() {
  static const std::vector<OptionSpec> all = {
      {.name = "security_protocol",
       .kind = OptionKind::choice,
       .default_value = "PLAINTEXT",
       .doc = "Whether connections use TLS (SSL), log in (SASL), both or neither.",
       .choices = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}},
      {.name = "sasl_mechanism",
       .kind = OptionKind::choice,
       .default_value = "PLAIN",
       .doc = "How to log in; GSSAPI and OAUTHBEARER take their settings as rdkafka.sasl.….",
       .choices = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER"}},
      {.name = "username", .doc = "The user to log in as; also kafka://user@broker/topic."},
      {.name = "password", .kind = OptionKind::secret, .doc = "The user's password, best as env:NAME or file:PATH."},
      {.name = "ca_file", .doc = "A PEM file with the certificates to trust instead of the system's."},
      {.name = "cert_file", .doc = "A PEM file with the client's certificate, where brokers ask for one (mTLS)."},
      {.name = "key_file", .doc = "A PEM file with the private key of that certificate."},
      {.name = "key_password", .kind = OptionKind::secret, .doc = "The passphrase of the private key."},
      {.name = "verify_hostname",
       .kind = OptionKind::boolean,
       .default_value = "true",
       .doc = "Whether a broker's certificate must name the host that was connected to."},
      {.name = "client_id",
       .doc = "The name that brokers show in their logs and quotas; by default sluice and the pipeline."},
      {.name = "connect_timeout",
       .kind = OptionKind::duration,
       .default_value = "10s",
       .doc = "How long to wait for brokers that do not answer.",
       .min = 100,
       .max = 600'000},
      {.name = "rdkafka.",
       .doc = "Any other property of librdkafka, such as rdkafka.fetch.wait.max.ms := '100'.",
       .open_prefix = true},
  };
  return all;
}

// What cluster_of() sets, by librdkafka's names and aliases.
constexpr OwnedProperty kShared[] = {
    {"bootstrap.servers", "the location"},
    {"metadata.broker.list", "the location"},
    {"client.id", "client_id"},
    {"security.protocol", "security_protocol"},
    {"sasl.mechanism", "sasl_mechanism"},
    {"sasl.mechanisms", "sasl_mechanism"},
    {"sasl.username", "username"},
    {"sasl.password", "password"},
    {"ssl.ca.location", "ca_file"},
    {"ssl.certificate.location", "cert_file"},
    {"ssl.key.location", "key_file"},
    {"ssl.key.password", "key_password"},
    {"ssl.endpoint.identification.algorithm", "verify_hostname"},
    {"plugin.library.paths", ""},
};

const OwnedProperty* find(std::span<const OwnedProperty> owned, std::string_view name) {
  const auto found = std::find_if(owned.begin(), owned.end(), [&](const auto& one) { return one.name == name; });
  return found == owned.end() ? nullptr : &*found;
}

Result<void> add_passed_through(const OptionValues& options, std::span<const OwnedProperty> owned, Cluster& cluster) {
  for (const auto& [name, value] : options.prefixed("rdkafka.")) {
    const OwnedProperty* ours = find(kShared, name);
    if (ours == nullptr) ours = find(owned, name);
    const bool callback = name.ends_with("_cb") || name == "opaque" || name == "interceptors";
    if (ours == nullptr && !callback) {
      cluster.properties.push_back({name, Secret(value)});
      continue;
    }
    if (ours == nullptr || ours->option.empty()) {
      return user_error("{}: 'rdkafka.{}' is set by Sluice and cannot be changed", cluster.where, name);
    }
    return user_error("{}: 'rdkafka.{}' is not taken here; use {} instead", cluster.where, name, ours->option);
  }
  return {};
}

Result<void> add_login(const Location& location, const OptionValues& options, Cluster& cluster) {
  const std::string& protocol = options.text("security_protocol");
  std::string user = options.has("username") ? options.text("username") : location.user;
  Secret password = options.has("password") ? options.secret("password") : location.password;
  if (!protocol.starts_with("SASL_")) {
    if (user.empty() && password.empty()) return {};
    return user_error(
        "{}: a user needs security_protocol := 'SASL_SSL' (or 'SASL_PLAINTEXT', which sends the password "
        "as it is)",
        cluster.where);
  }
  const std::string& mechanism = options.text("sasl_mechanism");
  cluster.properties.push_back({"sasl.mechanism", Secret(mechanism)});
  const bool named = mechanism == "PLAIN" || mechanism.starts_with("SCRAM-");
  if (!named) return {};
  if (user.empty()) return user_error("{}: {} needs username and password", cluster.where, mechanism);
  if (password.empty() || password.reveal() == kRedacted) {
    const char* given = std::getenv(kPasswordVariable);
    if (given == nullptr || *given == '\0') {
      return user_error(
          "{}: the password of user '{}' is missing; give it as password := 'env:NAME' or 'file:PATH', or in {} to "
          "commands that know the pipeline by its name alone",
          cluster.where, user, kPasswordVariable);
    }
    password = Secret(given);
  }
  cluster.properties.push_back({"sasl.username", Secret(std::move(user))});
  cluster.properties.push_back({"sasl.password", std::move(password)});
  return {};
}

Result<void> add_tls(const OptionValues& options, Cluster& cluster) {
  const bool tls = options.text("security_protocol").ends_with("SSL");
  struct File {
    const char* option;
    const char* property;
  };
  constexpr File kFiles[] = {
      {"ca_file", "ssl.ca.location"}, {"cert_file", "ssl.certificate.location"}, {"key_file", "ssl.key.location"}};
  for (const auto& file : kFiles) {
    if (!options.has(file.option)) continue;
    if (!tls) {
      return user_error("{}: {} needs security_protocol := 'SSL' or 'SASL_SSL'", cluster.where, file.option);
    }
    cluster.properties.push_back({file.property, Secret(options.text(file.option))});
  }
  if (options.has("cert_file") != options.has("key_file")) {
    return user_error("{}: cert_file and key_file are given together", cluster.where);
  }
  if (!tls) return {};
  if (options.has("key_password")) cluster.properties.push_back({"ssl.key.password", options.secret("key_password")});
  const char* names = options.boolean("verify_hostname") ? "https" : "none";
  cluster.properties.push_back({"ssl.endpoint.identification.algorithm", Secret(names)});
  return {};
}

}  // namespace

std::span<const OptionSpec> cluster_option_specs() { return specs(); }

Result<Cluster> cluster_of(const Location& location, const OptionValues& options, std::string_view pipeline,
                           std::span<const OwnedProperty> owned) {
  Cluster cluster;
  std::vector<std::string> brokers;
  for (const auto& host : location.hosts) {
    const bool v6 = host.host.find(':') != std::string::npos;
    brokers.push_back(
        fmt::format("{}{}{}:{}", v6 ? "[" : "", host.host, v6 ? "]" : "", host.port == 0 ? kDefaultPort : host.port));
  }
  if (brokers.empty()) return user_error("the kafka location names no broker; write kafka://broker:9092/topic");
  const std::string list = fmt::format("{}", fmt::join(brokers, ","));
  cluster.where = "kafka://" + list;
  cluster.connect_timeout = options.duration("connect_timeout");
  const auto set = [&](const char* name, std::string value) {
    cluster.properties.push_back({name, Secret(std::move(value))});
  };
  set("bootstrap.servers", list);
  set("security.protocol", options.text("security_protocol"));
  std::string client = options.has("client_id") ? options.text("client_id") : "sluice";
  if (!options.has("client_id") && !pipeline.empty()) client += fmt::format("-{}", pipeline);
  set("client.id", std::move(client));
  TRY(add_login(location, options, cluster));
  TRY(add_tls(options, cluster));
  TRY(add_passed_through(options, owned, cluster));
  return cluster;
}

Result<void> check_topic_name(std::string_view where, std::string_view topic) {
  constexpr size_t kMost = 249;  // org.apache.kafka.common.internals.Topic
  const bool legal = !topic.empty() && topic.size() <= kMost && topic != "." && topic != ".." &&
                     std::all_of(topic.begin(), topic.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                              c == '_' || c == '-';
                     });
  if (legal) return {};
  return user_error("{}: '{}' is not a topic's name (letters, digits, '.', '_' and '-', at most {})", where, topic,
                    kMost);
}

}  // namespace sluice::kafka
