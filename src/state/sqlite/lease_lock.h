// A proof that a process lives: an open-file-description lock on one byte of a file. The kernel gives it up when the
// last descriptor closes, so kill -9 and power loss need no clock. Unlike flock it can be looked at without taking it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace sluice {

class LeaseLock {
 public:
  // Empty when another description holds the byte, in this process or another.
  static Result<std::optional<LeaseLock>> try_take(const std::string& path, int64_t byte);
  static Result<bool> is_held(const std::string& path, int64_t byte);

  LeaseLock(LeaseLock&& other) noexcept;
  LeaseLock& operator=(LeaseLock&& other) noexcept;
  ~LeaseLock();

 private:
  explicit LeaseLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace sluice
