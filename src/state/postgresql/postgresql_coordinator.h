// The Coordinator on a PostgreSQL database: the state store that processes on several machines share.
//
// Its tables are sluice.state_… (schema.h). Each call is one transaction, serialized per pipeline by its row. A lease
// ends at once when its owner's connection does, and half a minute after its owner was last heard of (store_link.h);
// every write looks first whether its lease is still there, so that an owner who was taken for dead changes nothing.
// Connections that are lost are made anew. The server has to keep session-level locks for a client: a pooler between
// (pgbouncer) works in session mode only.
#pragma once

#include <memory>
#include <stop_token>
#include <string_view>

#include "port/coordinator.h"

namespace sluice {

// `location`: postgresql://[user[:password]@]host[:port]/database[?ssl_mode=…&sslrootcert=…&connect_timeout=…]; libpq's
// own places (PG* variables, service file, passfile) hold the rest. Neither password nor location are kept in the
// store.
Result<std::unique_ptr<Coordinator>> open_postgresql_coordinator(std::string_view location,
                                                                 Clock& clock = system_clock(),
                                                                 std::stop_token stop = {});

}  // namespace sluice
