// Lanes of one sink bring together what they hold of an epoch, so that a partition becomes one file and not one per
// lane. A lane that is late writes its rows alone: nobody waits for long, and nothing depends on the others.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "connector/file/partition_buffer.h"
#include "connector/file/target.h"
#include "port/context.h"

namespace sluice::file {

// Thread-safe; shared by the writers of a sink, which it outlives.
class Gathering {
 public:
  // A lane's place. `buffer` is set while rows wait in it; others read it only while its lane is in write_together().
  class Seat {
   public:
    explicit Seat(Gathering& gathering);
    ~Seat();
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

    void hold(PartitionBuffer* buffer, const std::string& table, const FirstRow& first);
    void release();

   private:
    friend class Gathering;
    Gathering& gathering_;
    PartitionBuffer* buffer_ = nullptr;
    std::string table_;
    FirstRow first_;
    std::optional<Epoch> arrived_;
  };

  // Numbers are the same for all lanes.
  PartitionId number_of(const std::string& folder);
  // Valid as long as this object.
  const std::string& folder(PartitionId partition) const;

  // How a lane writes its share.
  struct Hand {
    std::function<void(const std::string& table, const FirstRow& first)> begin;  // whose rows an idle lane helps with
    PartitionBuffer::Take write;                                                 // rows of one partition
    std::function<Result<void>(PartitionId)> finish;                             // no more of them
  };
  // Waits a moment for the lanes that hold rows, then writes partitions of all of them until none is left. Returns
  // false when the caller's rows are not among them: it came late, or its rows have another schema.
  Result<bool> write_together(Context& context, Seat& seat, Epoch epoch, const Hand& hand);

 private:
  using Lock = std::unique_lock<std::mutex>;
  Result<void> meet(Context& context, Seat& seat, Epoch epoch, Lock& lock);
  void begin_round(Epoch epoch);
  void end_round();
  Result<void> write_next(const Hand& hand, Lock& lock);

  mutable std::mutex names_mutex_;  // taken last
  std::unordered_map<std::string, PartitionId> numbers_;
  std::deque<const std::string*> folders_;  // the keys of numbers_

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Seat*> seats_;
  struct Round {
    std::optional<Epoch> epoch;  // stays when it is over
    std::vector<Seat*> seats;    // whose rows are being written; empty: over
    PartitionId next = 0;
    PartitionId end = 0;
  };
  Round round_;
};

}  // namespace sluice::file
