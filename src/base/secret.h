// A value that must never be printed. It formats as "***" everywhere; reveal() is the only way out, and every call of
// it stands next to the protocol call that needs the bytes.
#pragma once

#include <string>
#include <utility>

#include <fmt/format.h>

namespace sluice {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  [[nodiscard]] const std::string& reveal() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }
  bool operator==(const Secret&) const = default;

 private:
  std::string value_;
};

}  // namespace sluice

template <>
struct fmt::formatter<sluice::Secret> : fmt::formatter<fmt::string_view> {
  template <typename FormatContext>
  auto format(const sluice::Secret& secret, FormatContext& ctx) const {
    return fmt::formatter<fmt::string_view>::format(secret.empty() ? "" : "***", ctx);
  }
};
