// What PostgreSQL's error codes mean for whoever may try again.
#pragma once

#include <string_view>

#include "base/result.h"

namespace sluice::postgres {

// By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html).
Fault fault_of_state(std::string_view sqlstate);
// By libpq's message of a connection that did not come to be: it has no code then.
Fault fault_of_connecting(std::string_view message);
// One line, without "FATAL:" and without libpq's repetition of host and port.
std::string one_line(std::string_view message);

}  // namespace sluice::postgres
