// Pipelines from SQL, run in this process: what `sluice run` does.
#pragma once

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/result.h"

namespace sluice {

struct SqlOptions {
  std::string state = "sqlite:.sluice/state.db";
  std::map<std::string, std::string> variables;  // for ${NAME}
  int64_t memory_bytes = int64_t{1} << 30;
  std::stop_token stop;  // finish and commit what was read, then return
};

// What one statement delivered.
struct Delivered {
  std::string name;
  int64_t rows = 0;
  int64_t bytes = 0;
  int64_t objects = 0;
  bool nothing_new = false;  // everything had been delivered before
  std::string guarantee;     // "exactly-once", "at-least-once: …"
};

// Runs all statements: bounded ones in their order, then all streams together until `stop`. The first failure ends it.
// Every statement needs INSERT INTO.
Result<std::vector<Delivered>> run_sql(std::string_view sql, const SqlOptions& options = {});

}  // namespace sluice
