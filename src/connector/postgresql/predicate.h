// Predicates as SQL that the server evaluates exactly as we would.
#pragma once

#include <optional>
#include <string>

#include "port/pushdown.h"
#include "postgres/decode.h"

namespace sluice::postgresql {

// Nothing when the server might decide otherwise: text in an encoding that is not UTF-8 has another order, a struct's
// field is nothing the server knows.
std::optional<std::string> sql_of(const Predicate& predicate, const postgres::Column& column,
                                  const postgres::TypePolicy& policy, bool utf8);

}  // namespace sluice::postgresql
