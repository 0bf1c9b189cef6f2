// Writes Hive partitions: rows wait in a PartitionBuffer, partitions that fill it go to an open file at once, all
// others get their file at the end of the epoch, one after the other, together with what other lanes hold of them. So
// memory stays bounded whatever the number of partitions, and a partition gets one file per epoch unless it is large or
// rotation asks for more.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "connector/file/file_writer.h"
#include "connector/file/gathering.h"
#include "connector/file/partition_buffer.h"
#include "connector/file/partitioner.h"

namespace sluice::file {

class PartitionedWriter final : public Writer {
 public:
  static Result<std::unique_ptr<Writer>> create(Context& context, Target& target, const WriterId& id);

  Result<WriteAck> write(Context& context, const Rows& rows) override;
  Result<WriteAck> tick(Context& context) override;
  Result<std::vector<Prepared>> prepare(Context& context, Epoch epoch) override;

 private:
  PartitionedWriter(const Context& context, Target& target, const WriterId& id);

  // `partition` of the batch's segments as all lanes number them.
  void number_alike(Sorted& sorted);
  // Makes room: large partitions to their files, the rest to the disk.
  Result<void> relieve(Context& context);
  Result<void> write_out(Context& context, PartitionId partition, const BatchPtr& batch);
  Result<void> finish(Context& context, PartitionId partition);
  // Writes all that waits, without the other lanes.
  Result<void> flush(Context& context);
  Result<void> flush_together(Context& context, Epoch epoch);
  [[nodiscard]] int64_t bytes_in_encoders() const;

  struct Open {
    PartitionId partition;
    std::unique_ptr<OutputFile> file;
  };

  Target& target_;
  const std::shared_ptr<Gathering> gathering_;
  const int lane_;
  const std::string owner_;
  FileNames names_;
  int64_t buffer_bytes_max_ = 0;
  Budget::Reservation reserved_;
  SchemaPtr schema_;  // of the rows, keys included
  std::unique_ptr<Partitioner> partitioner_;
  std::vector<PartitionId> number_of_;  // by the partitioner's own
  std::unique_ptr<PartitionBuffer> buffer_;
  Gathering::Seat seat_;  // lets go of buffer_ first
  bool can_spill_ = true;
  std::list<Open> open_;  // most recently used first
  std::unordered_map<PartitionId, std::list<Open>::iterator> open_of_;
  FirstRow first_;  // of the epoch
  std::string table_;
  SteadyTime began_{};
  SteadyTime written_{};
  ClosedFiles closed_;
};

}  // namespace sluice::file
