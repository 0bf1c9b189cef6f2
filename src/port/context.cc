#include "port/context.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

namespace sluice {
namespace {

struct CrashPlan {
  std::string point;
  int visit = 1;
  std::atomic<int> seen{0};
  int log = -1;

  CrashPlan() {
    if (const char* path = std::getenv("SLUICE_CRASH_LOG"); path != nullptr) {
      log = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
    const char* text = std::getenv("SLUICE_CRASH_AT");
    if (text == nullptr) return;
    point = text;
    if (auto colon = point.rfind(':'); colon != std::string::npos) {
      visit = std::atoi(point.c_str() + colon + 1);
      point.resize(colon);
    }
  }
};

CrashPlan& crash_plan() {
  static CrashPlan plan;
  return plan;
}

}  // namespace

void crash_point(const char* point) {
  auto& plan = crash_plan();
  if (plan.log >= 0) {
    std::string line = std::string(point) + '\n';
    if (::write(plan.log, line.data(), line.size()) < 0) plan.log = -1;
  }
  if (plan.point.empty() || plan.point != point) return;
  if (plan.seen.fetch_add(1) + 1 == plan.visit) ::kill(::getpid(), SIGKILL);
}

}  // namespace sluice
