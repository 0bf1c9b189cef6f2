// Dying for real: tests that need a process of their own to be killed.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>

namespace sluice::conformance {

// The exit status of a process, or minus the signal that ended it.
inline int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// Runs `body` (which returns the exit status) in a fork of this process.
template <typename Body>
int in_fork(Body body) {
  pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  return wait_for(child);
}

// Runs one test of this executable, which is usually named DISABLED_…, in a fresh process: SLUICE_CRASH_AT is read once
// per process, so a fork would not see it.
inline int run_test_in_child(const std::string& test, const std::map<std::string, std::string>& environment) {
  pid_t child = ::fork();
  if (child == 0) {
    // The test may be one of another shard.
    for (const char* name : {"GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX"}) ::unsetenv(name);
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
    const std::string filter = "--gtest_filter=" + test;
    ::execl("/proc/self/exe", "test", filter.c_str(), "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr);
    ::_exit(127);
  }
  return wait_for(child);
}

}  // namespace sluice::conformance
