// Rows of many partitions waiting until there are enough of them for a file: first in memory, then, once that is used
// up, sorted by partition in a temporary file that has no name and vanishes with the process. Reading it back in
// partition order needs one small piece per spilled run. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/budget.h"
#include "connector/file/partitioner.h"

namespace sluice::file {

class PartitionBuffer {
 public:
  explicit PartitionBuffer(SchemaPtr schema);
  ~PartitionBuffer();
  PartitionBuffer(const PartitionBuffer&) = delete;
  PartitionBuffer& operator=(const PartitionBuffer&) = delete;

  void add(Sorted sorted);
  [[nodiscard]] int64_t bytes_in_memory() const { return memory_bytes_; }
  [[nodiscard]] bool empty() const { return memory_.empty() && spilled_.empty(); }
  [[nodiscard]] const SchemaPtr& schema() const { return schema_; }

  // Rows of `partition` in memory, and whether some of it lie on the disk (they come first).
  [[nodiscard]] int64_t rows_in_memory(PartitionId partition) const;
  [[nodiscard]] bool is_spilled(PartitionId partition) const;
  // The partitions with at least `share` of the bytes in memory.
  [[nodiscard]] std::vector<PartitionId> large(double share) const;

  using Take = std::function<Result<void>(PartitionId, const BatchPtr&)>;
  // Hands out and forgets what memory holds of one partition.
  Result<void> take_from_memory(PartitionId partition, const Take& take);
  // About what is held of one partition, in memory and on the disk; 0: nothing.
  [[nodiscard]] int64_t bytes_of(PartitionId partition) const;
  // All that is held of one partition, in the order it came. It stays held until clear().
  Result<void> take(PartitionId partition, const Take& take);
  Result<void> slices_of(PartitionId partition, std::vector<BatchPtr>& out);
  void clear();
  // Moves everything from memory to the disk.
  Result<void> spill();
  // Hands out everything, partition by partition, each one's rows in the order they came; then it is empty.
  Result<void> take_all(const Take& take);

 private:
  struct Run;
  struct Place {  // a segment: of which run, where
    uint32_t run;
    uint32_t offset;
    uint32_t rows;
  };
  Result<BatchPtr> sorted_memory(std::vector<Segment>& segments) const;
  Result<void> read_spilled(const Run& run, uint32_t place, uint32_t rows, std::vector<BatchPtr>& out);

  const SchemaPtr schema_;
  std::vector<BatchPtr> memory_;
  std::vector<std::vector<Place>> in_memory_;  // by partition: places in memory_
  std::vector<int64_t> memory_rows_of_;        // by partition
  int64_t memory_rows_ = 0;
  int64_t memory_bytes_ = 0;
  std::vector<std::unique_ptr<Run>> spilled_;
  std::vector<std::vector<Place>> on_disk_;  // by partition: places in spilled_
  int fd_ = -1;
  int64_t file_bytes_ = 0;
};

}  // namespace sluice::file
