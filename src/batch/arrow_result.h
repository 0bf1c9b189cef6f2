// The edge between Arrow's Status and our Result.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include "base/result.h"

namespace sluice {

// IOError with an errno keeps the errno's Fault; OutOfMemory is refused; Cancelled is cancelled; Invalid, TypeError,
// KeyError, IndexError are `invalid_is` (user by default: the data is at fault); the rest is a bug.
Error from_arrow(const arrow::Status& status, Fault invalid_is = Fault::user);

// An Error on its way through Arrow's interfaces (a store's file read by a decoder): from_arrow() gives it back with
// its own Fault.
arrow::Status to_arrow(const Error& error);

inline Result<void> to_result(const arrow::Status& status) {
  if (status.ok()) return {};
  return from_arrow(status);
}
template <typename T>
Result<T> to_result(arrow::Result<T> result) {
  if (!result.ok()) return from_arrow(result.status());
  return std::move(result).ValueUnsafe();
}

}  // namespace sluice
