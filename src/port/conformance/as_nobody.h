// What a test does meanwhile is done by a user without rights, where it runs as root, whom no permission stops.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

namespace sluice::conformance {

class AsNobody {
 public:
  AsNobody() { set(kNobody); }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;
  ~AsNobody() { set(0); }

 private:
  static constexpr uid_t kNobody = 65534;
  void set(uid_t user) const {
    if (!root_) return;
    EXPECT_EQ(::seteuid(user), 0);
  }
  const bool root_ = ::geteuid() == 0;
};

}  // namespace sluice::conformance
