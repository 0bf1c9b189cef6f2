// Rows between write() and commit(): epochs held in memory until the target's transaction takes them. They need not
// survive the process, because the decision and the positions are the target's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "connector/sqlite/target_table.h"
#include "port/sink.h"

namespace sluice::sqlite {

struct SpooledRows {
  TableId table;
  BatchPtr batch;
  Budget::Reservation memory;  // nothing when the budget was spent: then the epoch is cut at once
};

// One per sink; lanes put, the commit thread takes. Thread-safe.
class Spool {
 public:
  using Part = std::vector<SpooledRows>;
  uint64_t put(Part part);
  // Stays until erase(), so that a commit whose outcome is unknown can be tried again. Null: not here.
  [[nodiscard]] std::shared_ptr<const Part> find(uint64_t handle) const;
  void erase(uint64_t handle);

 private:
  mutable std::mutex mutex_;
  uint64_t last_handle_ = 0;
  std::map<uint64_t, std::shared_ptr<const Part>> parts_;
};

std::string handle_payload(uint64_t handle);
Result<uint64_t> handle_of(const Prepared& prepared);

// `options` and `spool` are the sink's, which outlives its writers.
std::unique_ptr<Writer> spool_writer(const SqliteSinkOptions& options, Spool& spool);

}  // namespace sluice::sqlite
