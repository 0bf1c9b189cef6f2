// Results in tests: the value, or a failure that shows the error.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/result.h"

namespace sluice::conformance {

// The value; on an error the test fails and a default value goes on.
template <typename T>
T value_of(Result<T> result) {
  if (!result.ok()) {
    ADD_FAILURE() << result.error().message();
    if constexpr (std::is_default_constructible_v<T>) return T();
  }
  return std::move(result).value();
}

inline void expect_ok(const Result<void>& result) {
  if (!result.ok()) ADD_FAILURE() << result.error().message();
}

template <typename T>
void expect_error(const Result<T>& result, Fault fault, const std::string& saying = "") {
  if (result.ok()) {
    ADD_FAILURE() << "succeeded, but had to fail with " << to_string(fault) << " '" << saying << "'";
    return;
  }
  EXPECT_EQ(to_string(result.error().fault), to_string(fault)) << result.error().message();
  EXPECT_THAT(result.error().message(), testing::HasSubstr(saying));
}

}  // namespace sluice::conformance
