#include "postgres/target.h"

#include <algorithm>
#include <array>

namespace sluice::postgres {

std::span<const OptionSpec> connection_option_specs() {
  static const std::array specs = {
      OptionSpec{.name = "service",
                 .doc = "An entry of libpq's service file, for what the location leaves out; by default PGSERVICE."},
      OptionSpec{.name = "ssl_mode",
                 .kind = OptionKind::choice,
                 .doc = "libpq's sslmode; by default libpq's own (prefer, or PGSSLMODE).",
                 .choices = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}},
      OptionSpec{.name = "sslrootcert",
                 .doc = "The file of the certificate authorities to trust; system trusts the system's."},
      OptionSpec{.name = "connect_timeout",
                 .kind = OptionKind::duration,
                 .default_value = "30s",
                 .doc = "Give up connecting after this long.",
                 .min = 1000},
      OptionSpec{.name = "application_name",
                 .default_value = "sluice",
                 .doc = "What pg_stat_activity shows; the pipeline's name is added."},
  };
  return specs;
}

std::string Target::database() const {
  auto found =
      std::find_if(parameters.begin(), parameters.end(), [](const auto& one) { return one.first == "dbname"; });
  return found == parameters.end() ? std::string() : found->second;
}

Result<std::unique_ptr<Connection>> Target::connect(std::stop_token stop) const {
  return Connection::open(parameters, where, std::move(stop));
}

Result<std::unique_ptr<Connection>> Target::connect_durably(std::stop_token stop) const {
  auto connection = TRY(connect(std::move(stop)));
  (void)TRY(connection->query(
      "SELECT pg_catalog.set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = "
      "'off'"));
  return connection;
}

Result<std::unique_ptr<Connection>> Target::connect_for_replication(std::stop_token stop) const {
  Parameters all = parameters;
  all.emplace_back("replication", "database");
  return Connection::open(all, where, std::move(stop));
}

Target target_of(const Location& location, const OptionValues& options, const std::string& user) {
  Target target;
  std::vector<std::string> hosts;
  std::vector<std::string> ports;
  for (const auto& host : location.hosts) {
    hosts.push_back(host.host);
    ports.push_back(host.port == 0 ? std::string() : std::to_string(host.port));
  }
  const auto set = [&](const char* keyword, const std::string& value) {
    if (!value.empty()) target.parameters.emplace_back(keyword, value);
  };
  set("host", fmt::format("{}", fmt::join(hosts, ",")));
  // An empty port in the list is libpq's default, 5432 or PGPORT.
  if (std::any_of(ports.begin(), ports.end(), [](const auto& port) { return !port.empty(); })) {
    set("port", fmt::format("{}", fmt::join(ports, ",")));
  }
  set("user", location.user);
  // What the state store keeps has no password: PGPASSWORD or the passfile then say it.
  constexpr std::string_view kRedacted = "***";
  if (location.password.reveal() != kRedacted) set("password", location.password.reveal());
  set("dbname", location.path);
  if (options.has("service")) set("service", options.text("service"));
  if (options.has("ssl_mode")) set("sslmode", options.text("ssl_mode"));
  if (options.has("sslrootcert")) set("sslrootcert", options.text("sslrootcert"));
  set("connect_timeout", std::to_string(options.duration("connect_timeout").count() / 1000));
  // A host that is gone without a word, or a network that has forgotten the connection, is noticed within a minute.
  set("keepalives_idle", "20");
  set("keepalives_interval", "10");
  set("keepalives_count", "3");
  set("tcp_user_timeout", "50000");
  std::string application = options.text("application_name");
  if (!user.empty()) application += " " + user;
  set("application_name", application);
  Location plain = location;
  plain.params.clear();
  target.where = plain.redacted();
  return target;
}

}  // namespace sluice::postgres
