// Which database a location names, and how to reach it: what connector/postgresql and state/postgresql share.
#pragma once

#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "options/location.h"
#include "options/option.h"
#include "postgres/connection.h"

namespace sluice::postgres {

// service, ssl_mode, sslrootcert, connect_timeout, application_name.
std::span<const OptionSpec> connection_option_specs();

// `where` begins every error and holds no secret.
struct Target {
  Parameters parameters;
  std::string where;

  // Empty: whatever libpq takes.
  [[nodiscard]] std::string database() const;
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect(std::stop_token stop) const;
  // What is committed on it is on disk, whatever server and role say (synchronous_commit = off); what is stricter
  // stays.
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect_durably(std::stop_token stop) const;
  // A connection that speaks the replication protocol (and simple queries).
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect_for_replication(std::stop_token stop) const;
};

// `options` hold those above; `user` (a pipeline's name, or empty) is added to the application's name.
Target target_of(const Location& location, const OptionValues& options, const std::string& user);

}  // namespace sluice::postgres
