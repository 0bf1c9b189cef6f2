// What tests of this layer need beside GoogleTest: results looked into, a Context, a folder. (port/conformance has the
// like for the layers above.)
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <utility>

#include "base/result.h"
#include "port/context.h"
#include "port/registry.h"

namespace sluice::net {

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
  ASSERT_FALSE(result.ok()) << "succeeded, but had to fail with " << to_string(fault) << " '" << saying << "'";
  EXPECT_EQ(to_string(result.error().fault), to_string(fault)) << result.error().message();
  EXPECT_THAT(result.error().message(), testing::HasSubstr(saying));
}

class TestContext {
 public:
  operator Context&() { return context_; }  // NOLINT(google-explicit-constructor): stands for a Context everywhere

 private:
  std::stop_source stop_;
  Metrics metrics_;
  Budget memory_{64 << 20};
  Registry registry_;
  Context context_{stop_.get_token(), system_clock(), Log(), metrics_, memory_, registry_, "test"};
};

class ScratchFolder {
 public:
  ScratchFolder() : path_(testing::TempDir() + "sluice-net-XXXXXX") { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace sluice::net
