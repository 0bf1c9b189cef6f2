// The changes of one transaction that the server sends before it has committed: in memory while they are few, else in a
// file without a name, which is gone when the process is.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/budget.h"
#include "base/result.h"

namespace sluice::postgresql {

class TransactionSpill {
 public:
  // `memory` covers `memory_bytes`, or is empty where they are few.
  TransactionSpill(size_t memory_bytes, Budget::Reservation memory)
      : memory_bytes_(memory_bytes), memory_(std::move(memory)) {}
  ~TransactionSpill();
  TransactionSpill(const TransactionSpill&) = delete;
  TransactionSpill& operator=(const TransactionSpill&) = delete;

  // In the order of the log. `subxid` is the (sub)transaction that the message begins with.
  Result<void> add(uint32_t subxid, std::string_view message);
  // That subtransaction was rolled back.
  void abort(uint32_t subxid) { aborted_.insert(subxid); }
  [[nodiscard]] bool is_aborted(uint32_t subxid) const { return aborted_.contains(subxid); }

  struct Record {
    uint32_t subxid = 0;
    std::string_view message;  // valid until the next call
  };
  // From the first on; nothing at the end. No add() afterwards.
  Result<std::optional<Record>> next();
  [[nodiscard]] int64_t bytes() const { return bytes_; }

 private:
  Result<void> write_out();
  Result<bool> fill(size_t wanted);

  const size_t memory_bytes_;
  const Budget::Reservation memory_;
  std::string buffer_;  // not written yet; when reading: read and not taken yet
  size_t taken_ = 0;    // of buffer_
  int file_ = -1;
  int64_t written_ = 0;
  int64_t read_ = 0;
  int64_t bytes_ = 0;
  bool reading_ = false;
  std::set<uint32_t> aborted_;
};

}  // namespace sluice::postgresql
