#include "connector/file/partition_buffer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <numeric>

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/api.h>
#include <arrow/util/byte_size.h>

#include "batch/arrow_result.h"

namespace sluice::file {
namespace {

// A spilled run is read back in pieces of about this size, one at a time.
constexpr int64_t kPieceBytes = 128 << 10;
// Partitions are handed out in batches of at most this many rows.
constexpr int64_t kBatchRows = 64 << 10;

// /var/tmp before /tmp: the latter is often memory.
Result<int> open_unnamed() {
  const char* given = std::getenv("TMPDIR");
  int error = 0;
  std::string folder;
  for (const char* candidate : {given, "/var/tmp", "/tmp"}) {
    if (candidate == nullptr || *candidate == 0) continue;
    folder = candidate;
    int fd = ::open(candidate, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    error = errno;
    // File systems without O_TMPFILE.
    std::string name = folder + "/sluice-spill-XXXXXX";
    fd = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd < 0) continue;
    ::unlink(name.c_str());
    return fd;
  }
  return errno_error(error, fmt::format("create a temporary file in {} (set TMPDIR to a folder with space)", folder));
}

Result<void> write_at(int fd, const uint8_t* data, int64_t bytes, int64_t offset) {
  while (bytes > 0) {
    auto n = ::pwrite(fd, data, static_cast<size_t>(bytes), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "write rows of many partitions to a temporary file (TMPDIR)");
    data += n;
    bytes -= n;
    offset += n;
  }
  return {};
}

Result<std::shared_ptr<arrow::Buffer>> read_at(int fd, int64_t bytes, int64_t offset) {
  auto buffer = TRY(to_result(arrow::AllocateBuffer(bytes)));
  for (int64_t done = 0; done < bytes;) {
    auto n = ::pread(fd, buffer->mutable_data() + done, static_cast<size_t>(bytes - done), offset + done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "read rows back from a temporary file (TMPDIR)");
    if (n == 0) return refused("a temporary file of this process (TMPDIR) has been cut short");
    done += n;
  }
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

}  // namespace

struct PartitionBuffer::Run {
  int64_t piece_rows = 0;
  std::vector<int64_t> offsets;  // of the pieces in the file, and the end
  // The piece read last: partitions are asked for in the order of the run.
  mutable size_t loaded = SIZE_MAX;
  mutable BatchPtr piece;
};

PartitionBuffer::PartitionBuffer(SchemaPtr schema) : schema_(std::move(schema)) {}

PartitionBuffer::~PartitionBuffer() {
  if (fd_ >= 0) ::close(fd_);
}

void PartitionBuffer::add(Sorted sorted) {
  auto run = static_cast<uint32_t>(memory_.size());
  for (const auto& segment : sorted.segments) {
    if (segment.partition >= in_memory_.size()) {
      in_memory_.resize(segment.partition + 1);
      memory_rows_of_.resize(segment.partition + 1, 0);
    }
    in_memory_[segment.partition].push_back(
        {run, static_cast<uint32_t>(segment.offset), static_cast<uint32_t>(segment.rows)});
    memory_rows_of_[segment.partition] += segment.rows;
  }
  memory_rows_ += sorted.batch->num_rows();
  auto bytes = arrow::util::ReferencedBufferSize(*sorted.batch);
  memory_bytes_ += bytes.ok() ? *bytes : arrow::util::TotalBufferSize(*sorted.batch);
  memory_.push_back(std::move(sorted.batch));
}

int64_t PartitionBuffer::rows_in_memory(PartitionId partition) const {
  return partition < memory_rows_of_.size() ? memory_rows_of_[partition] : 0;
}

bool PartitionBuffer::is_spilled(PartitionId partition) const {
  return partition < on_disk_.size() && !on_disk_[partition].empty();
}

std::vector<PartitionId> PartitionBuffer::large(double share) const {
  std::vector<PartitionId> out;
  auto least = std::max<int64_t>(1, static_cast<int64_t>(share * static_cast<double>(memory_rows_)));
  for (PartitionId id = 0; id < memory_rows_of_.size(); ++id) {
    if (memory_rows_of_[id] >= least) out.push_back(id);
  }
  return out;
}

namespace {

// Small slices are joined, so that an encoder sees few batches of a good size.
class Joined {
 public:
  Joined(PartitionId partition, const PartitionBuffer::Take& take) : partition_(partition), take_(take) {}
  Result<void> add(BatchPtr batch) {
    rows_ += batch->num_rows();
    parts_.push_back(std::move(batch));
    return rows_ >= kBatchRows ? flush() : Result<void>();
  }
  Result<void> flush() {
    if (parts_.empty()) return {};
    auto batch = parts_.size() == 1 ? parts_[0] : TRY(to_result(arrow::ConcatenateRecordBatches(parts_)));
    parts_.clear();
    rows_ = 0;
    return take_(partition_, batch);
  }

 private:
  const PartitionId partition_;
  const PartitionBuffer::Take& take_;
  std::vector<BatchPtr> parts_;
  int64_t rows_ = 0;
};

}  // namespace

Result<void> PartitionBuffer::take_from_memory(PartitionId partition, const Take& take) {
  CHECK(!is_spilled(partition));
  Joined joined(partition, take);
  for (const auto& place : in_memory_[partition]) {
    TRY(joined.add(memory_[place.run]->Slice(place.offset, place.rows)));
  }
  TRY(joined.flush());
  memory_rows_ -= memory_rows_of_[partition];
  memory_rows_of_[partition] = 0;
  in_memory_[partition] = {};
  if (memory_rows_ == 0) {
    memory_.clear();
    memory_bytes_ = 0;
  }
  return {};
}

// One batch of everything in memory, in partition order. Joined and gathered, not sliced: with thousands of partitions
// a slice (about 400 bytes for each column) would be larger than its rows.
Result<BatchPtr> PartitionBuffer::sorted_memory(std::vector<Segment>& segments) const {
  std::vector<uint32_t> begin_of_run;
  uint32_t total = 0;
  for (const auto& batch : memory_) {
    begin_of_run.push_back(total);
    total += static_cast<uint32_t>(batch->num_rows());
  }
  auto buffer = TRY(to_result(arrow::AllocateBuffer(memory_rows_ * static_cast<int64_t>(sizeof(uint32_t)))));
  auto* order = reinterpret_cast<uint32_t*>(buffer->mutable_data());
  int64_t offset = 0;
  for (PartitionId id = 0; id < in_memory_.size(); ++id) {
    if (in_memory_[id].empty()) continue;
    segments.push_back({id, offset, memory_rows_of_[id]});
    for (const auto& place : in_memory_[id]) {
      std::iota(order + offset, order + offset + place.rows, begin_of_run[place.run] + place.offset);
      offset += place.rows;
    }
  }
  CHECK(offset == memory_rows_);
  auto joined = TRY(to_result(arrow::ConcatenateRecordBatches(memory_)));
  auto indices = std::make_shared<arrow::UInt32Array>(memory_rows_, std::move(buffer));
  auto taken = TRY(to_result(
      arrow::compute::Take(arrow::Datum(joined), arrow::Datum(indices), arrow::compute::TakeOptions::NoBoundsCheck())));
  return taken.record_batch();
}

Result<void> PartitionBuffer::spill() {
  if (memory_rows_ == 0) return {};
  if (fd_ < 0) fd_ = TRY(open_unnamed());
  std::vector<Segment> segments;
  auto batch = TRY(sorted_memory(segments));
  memory_.clear();
  auto run = std::make_unique<Run>();
  run->piece_rows =
      std::clamp<int64_t>(batch->num_rows() * kPieceBytes / std::max<int64_t>(1, memory_bytes_), 16, kBatchRows);
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.use_threads = false;
  for (int64_t row = 0; row < batch->num_rows(); row += run->piece_rows) {
    auto piece = TRY(to_result(arrow::ipc::SerializeRecordBatch(*batch->Slice(row, run->piece_rows), options)));
    run->offsets.push_back(file_bytes_);
    TRY(write_at(fd_, piece->data(), piece->size(), file_bytes_));
    file_bytes_ += piece->size();
  }
  run->offsets.push_back(file_bytes_);
  auto number = static_cast<uint32_t>(spilled_.size());
  spilled_.push_back(std::move(run));
  if (on_disk_.size() < in_memory_.size()) on_disk_.resize(in_memory_.size());
  for (const auto& segment : segments) {
    on_disk_[segment.partition].push_back(
        {number, static_cast<uint32_t>(segment.offset), static_cast<uint32_t>(segment.rows)});
    in_memory_[segment.partition] = {};
    memory_rows_of_[segment.partition] = 0;
  }
  memory_rows_ = 0;
  memory_bytes_ = 0;
  return {};
}

Result<void> PartitionBuffer::read_spilled(const Run& run, uint32_t place, uint32_t rows, std::vector<BatchPtr>& out) {
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;
  int64_t offset = place;
  int64_t left = rows;
  while (left > 0) {
    auto number = static_cast<size_t>(offset / run.piece_rows);
    if (run.loaded != number) {
      auto buffer = TRY(read_at(fd_, run.offsets[number + 1] - run.offsets[number], run.offsets[number]));
      arrow::io::BufferReader reader(std::move(buffer));
      run.piece = TRY(to_result(arrow::ipc::ReadRecordBatch(schema_, nullptr, options, &reader)));
      run.loaded = number;
    }
    int64_t within = offset % run.piece_rows;
    int64_t count = std::min(left, run.piece->num_rows() - within);
    out.push_back(run.piece->Slice(within, count));
    offset += count;
    left -= count;
  }
  return {};
}

int64_t PartitionBuffer::bytes_of(PartitionId partition) const {
  int64_t bytes = 0;
  if (is_spilled(partition)) {
    for (const auto& place : on_disk_[partition]) {
      bytes += std::max<int64_t>(place.rows, place.rows * kPieceBytes / spilled_[place.run]->piece_rows);
    }
  }
  if (int64_t rows = rows_in_memory(partition); rows > 0) bytes += std::max(rows, rows * memory_bytes_ / memory_rows_);
  return bytes;
}

Result<void> PartitionBuffer::take(PartitionId partition, const Take& take) {
  Joined joined(partition, take);
  if (is_spilled(partition)) {
    for (const auto& place : on_disk_[partition]) {
      std::vector<BatchPtr> pieces;
      TRY(read_spilled(*spilled_[place.run], place.offset, place.rows, pieces));
      for (auto& piece : pieces) TRY(joined.add(std::move(piece)));
    }
  }
  if (partition < in_memory_.size()) {
    for (const auto& place : in_memory_[partition]) {
      TRY(joined.add(memory_[place.run]->Slice(place.offset, place.rows)));
    }
  }
  return joined.flush();
}

Result<void> PartitionBuffer::slices_of(PartitionId partition, std::vector<BatchPtr>& out) {
  if (is_spilled(partition)) {
    for (const auto& place : on_disk_[partition]) {
      TRY(read_spilled(*spilled_[place.run], place.offset, place.rows, out));
    }
  }
  if (partition >= in_memory_.size()) return {};
  for (const auto& place : in_memory_[partition]) {
    out.push_back(memory_[place.run]->Slice(place.offset, place.rows));
  }
  return {};
}

Result<void> PartitionBuffer::take_all(const Take& take) {
  auto partitions = static_cast<PartitionId>(std::max(in_memory_.size(), on_disk_.size()));
  for (PartitionId id = 0; id < partitions; ++id) TRY(this->take(id, take));
  clear();
  return {};
}

void PartitionBuffer::clear() {
  memory_.clear();
  in_memory_.clear();
  memory_rows_of_.clear();
  memory_rows_ = memory_bytes_ = 0;
  spilled_.clear();
  on_disk_.clear();
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  file_bytes_ = 0;
}

}  // namespace sluice::file
