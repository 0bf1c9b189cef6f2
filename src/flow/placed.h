// Errors of an endpoint begin with where it was written.
#pragma once

#include "port/plan.h"

namespace sluice {

// Where an endpoint was written stands before its errors, unless they name a place in that text already: an option's.
inline Error placed(Error error, const Endpoint& endpoint) {
  const std::string& where = endpoint.request.where;  // orders.sql:3:12
  const std::string file = where.substr(0, where.find(':') + 1);
  if (!where.empty() && (file.empty() || !error.what.starts_with(file))) error.what = where + ": " + error.what;
  return error;
}

template <typename T>
Result<T> placed(Result<T> result, const Endpoint& endpoint) {
  if (result.ok()) return result;
  return placed(std::move(result).error(), endpoint);
}

}  // namespace sluice
