#include "connector/file/partitioned_writer.h"

#include <algorithm>

#include <arrow/api.h>

namespace sluice::file {
namespace {

// A lane's share of the process's memory for waiting rows. Spilling copies them once, so twice this is used for a
// moment.
constexpr int64_t kBufferBytesMin = 4 << 20;
constexpr int64_t kBufferBytesMax = 64 << 20;
constexpr int64_t kBuffersShare = 32;
// A partition with this share of the waiting rows is worth its own open file.
constexpr double kLargeShare = 1.0 / 16;

bool holds_dictionary(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DICTIONARY) return true;
  return std::any_of(type.fields().begin(), type.fields().end(),
                     [](const auto& field) { return holds_dictionary(*field->type()); });
}

}  // namespace

PartitionedWriter::PartitionedWriter(const Context& context, Target& target, const WriterId& id)
    : target_(target),
      gathering_(target.gathering),
      lane_(id.lane),
      owner_(upload_owner(id.pipeline, id.generation)),
      names_(target, id.pipeline, id.lane),
      seat_(*gathering_),
      closed_(context, target) {}

Result<std::unique_ptr<Writer>> PartitionedWriter::create(Context& context, Target& target, const WriterId& id) {
  std::unique_ptr<PartitionedWriter> writer(new PartitionedWriter(context, target, id));
  writer->buffer_bytes_max_ = std::clamp(context.memory.limit() / kBuffersShare, kBufferBytesMin, kBufferBytesMax);
  if (auto reserved = context.memory.try_reserve(writer->buffer_bytes_max_)) {
    writer->reserved_ = std::move(*reserved);
  } else {
    writer->buffer_bytes_max_ = kBufferBytesMin;
  }
  return std::unique_ptr<Writer>(std::move(writer));
}

Result<WriteAck> PartitionedWriter::write(Context& context, const Rows& rows) {
  WriteAck ack;
  if (rows.batch == nullptr || rows.batch->num_rows() == 0) return ack;
  if (schema_ == nullptr || !schema_->Equals(*rows.batch->schema())) {
    if (buffer_ != nullptr) TRY(flush(context));
    schema_ = rows.batch->schema();
    partitioner_ = TRY(target_.partition_by.empty() ? Partitioner::create(*schema_, target_.layout)
                                                    : Partitioner::create(*schema_, target_.partition_by));
    number_of_.clear();
    buffer_ = std::make_unique<PartitionBuffer>(partitioner_->file_schema());
    const auto& fields = partitioner_->file_schema()->fields();
    can_spill_ =
        std::none_of(fields.begin(), fields.end(), [](const auto& field) { return holds_dictionary(*field->type()); });
  }
  written_ = context.clock.steady();
  if (buffer_->empty() && open_.empty()) {
    first_ = first_row_of(rows);
    table_ = rows.table.name;
    began_ = written_;
  }
  auto sorted = TRY(partitioner_->sort(rows.batch, context.clock.wall()));
  number_alike(sorted);
  if (buffer_->empty()) seat_.hold(buffer_.get(), table_, first_);
  buffer_->add(std::move(sorted));
  if (buffer_->bytes_in_memory() >= buffer_bytes_max_) TRY(relieve(context));
  ack.wants_cut = TRY(tick(context)).wants_cut;
  return ack;
}

void PartitionedWriter::number_alike(Sorted& sorted) {
  for (auto& segment : sorted.segments) {
    if (segment.partition >= number_of_.size()) number_of_.resize(segment.partition + 1, UINT32_MAX);
    auto& number = number_of_[segment.partition];
    if (number == UINT32_MAX) number = gathering_->number_of(partitioner_->folder(segment.partition));
    segment.partition = number;
  }
}

Result<void> PartitionedWriter::relieve(Context& context) {
  for (PartitionId partition : buffer_->large(kLargeShare)) {
    if (buffer_->is_spilled(partition)) continue;  // its earlier rows come first
    TRY(buffer_->take_from_memory(
        partition, [&](PartitionId id, const BatchPtr& batch) { return write_out(context, id, batch); }));
  }
  // What encoders hold counts, too: the least recently used files are closed until it fits.
  while (!open_.empty() && bytes_in_encoders() > buffer_bytes_max_) TRY(finish(context, open_.back().partition));
  return can_spill_ ? buffer_->spill() : flush(context);
}

int64_t PartitionedWriter::bytes_in_encoders() const {
  int64_t bytes = 0;
  for (const auto& open : open_) bytes += open.file->bytes_buffered();
  return bytes;
}

Result<void> PartitionedWriter::write_out(Context& context, PartitionId partition, const BatchPtr& batch) {
  if (context.stop.stop_requested()) return cancelled();  // thousands of partitions take longer than a second
  for (int64_t done = 0; done < batch->num_rows();) {
    auto known = open_of_.find(partition);
    if (known == open_of_.end()) {
      if (open_.size() >= target_.max_open_files) TRY(finish(context, open_.back().partition));
      auto timestamp = TRY(target_.layout.timestamp_of(*batch, done, context.clock.wall()));
      auto path = TRY(names_.next(context, gathering_->folder(partition), table_, first_, timestamp));
      auto file = TRY(OutputFile::open(context, target_, path, owner_, batch->schema()));
      open_.push_front({partition, std::move(file)});
      known = open_of_.emplace(partition, open_.begin()).first;
    }
    open_.splice(open_.begin(), open_, known->second);
    auto& file = *open_.front().file;
    auto count = std::min(batch->num_rows() - done, target_.rotation.rows - file.rows());
    TRY(file.write(count == batch->num_rows() ? *batch : *batch->Slice(done, count)));
    done += count;
    if (file.rows() >= target_.rotation.rows || file.bytes() >= target_.rotation.bytes) TRY(finish(context, partition));
  }
  return {};
}

Result<void> PartitionedWriter::finish(Context& context, PartitionId partition) {
  auto known = open_of_.find(partition);
  if (known == open_of_.end()) return {};
  closed_.add(TRY(known->second->file->finish(context)));
  open_.erase(known->second);
  open_of_.erase(known);
  return {};
}

Result<void> PartitionedWriter::flush(Context& context) {
  seat_.release();
  PartitionId current = UINT32_MAX;
  TRY(buffer_->take_all([&](PartitionId id, const BatchPtr& batch) -> Result<void> {
    // Partitions come one after the other: the one before is complete.
    if (current != id && current != UINT32_MAX) TRY(finish(context, current));
    current = id;
    return write_out(context, id, batch);
  }));
  while (!open_.empty()) TRY(finish(context, open_.back().partition));
  return {};
}

Result<void> PartitionedWriter::flush_together(Context& context, Epoch epoch) {
  while (!open_.empty()) {
    auto partition = open_.back().partition;
    if (!buffer_->is_spilled(partition)) {
      TRY(buffer_->take_from_memory(
          partition, [&](PartitionId id, const BatchPtr& batch) { return write_out(context, id, batch); }));
    }
    TRY(finish(context, partition));
  }
  bool idle = buffer_ == nullptr || buffer_->empty();
  if (idle) seat_.release();
  Gathering::Hand hand;
  hand.begin = [&](const std::string& table, const FirstRow& first) {
    if (!idle) return;
    table_ = table;
    first_ = {first.split, fmt::format("{}\n{}", first.position, lane_)};
  };
  hand.write = [&](PartitionId id, const BatchPtr& batch) { return write_out(context, id, batch); };
  hand.finish = [&](PartitionId id) { return finish(context, id); };
  bool written = TRY(gathering_->write_together(context, seat_, epoch, hand));
  return written ? Result<void>() : flush(context);
}

Result<WriteAck> PartitionedWriter::tick(Context& context) {
  WriteAck ack;
  if (buffer_ == nullptr || (buffer_->empty() && open_.empty())) return ack;
  auto now = context.clock.steady();
  ack.wants_cut = now - began_ >= target_.rotation.age || now - written_ >= target_.rotation.idle;
  return ack;
}

Result<std::vector<Prepared>> PartitionedWriter::prepare(Context& context, Epoch epoch) {
  crash_point("file.prepare.before");
  TRY(flush_together(context, epoch));
  auto prepared = TRY(closed_.prepare(context));
  crash_point("file.prepare.after");
  return prepared;
}

}  // namespace sluice::file
