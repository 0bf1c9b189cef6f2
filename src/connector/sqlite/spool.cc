#include "connector/sqlite/spool.h"

#include <arrow/api.h>
#include <arrow/util/byte_size.h>

#include <charconv>

#include "batch/json_text.h"

namespace sluice::sqlite {
namespace {

constexpr int64_t kEpochBytes = 16 << 20;
constexpr int64_t kEpochRows = 100'000;
constexpr std::string_view kPayloadStart = R"({"spooled":)";

int64_t bytes_of(const arrow::RecordBatch& batch) {
  auto referenced = arrow::util::ReferencedBufferSize(batch);  // counts only what a slice refers to
  return referenced.ok() ? *referenced : arrow::util::TotalBufferSize(batch);
}

class SpoolWriter final : public Writer {
 public:
  SpoolWriter(const SqliteSinkOptions& options, Spool& spool) : options_(options), spool_(spool) {}

  Result<WriteAck> write(Context& context, const Rows& rows) override {
    WriteAck ack;
    if (rows.batch == nullptr || rows.batch->num_rows() == 0) return ack;
    int64_t begin = 0;
    for (const auto& bad : unstorable_rows(*rows.batch, options_)) {
      keep(context, rows, begin, bad.row, ack);
      begin = bad.row + 1;
      ack.rejects.push_back(
          Reject{row_as_json(*rows.batch, bad.row), bad.reason,
                 fmt::format("table '{}', row {} of its batch", options_.table_for(rows.table), bad.row),
                 rows.progress.size() == 1 ? rows.progress[0].split : SplitId()});
    }
    keep(context, rows, begin, rows.batch->num_rows(), ack);
    ack.wants_cut = ack.wants_cut || rows_ >= kEpochRows || bytes_ >= kEpochBytes;
    return ack;
  }

  Result<std::vector<Prepared>> prepare(Context&, Epoch) override {
    std::vector<Prepared> prepared;
    if (pending_.empty()) return prepared;
    const uint64_t handle = spool_.put(std::exchange(pending_, {}));
    prepared.push_back({handle_payload(handle), std::exchange(rows_, 0), std::exchange(bytes_, 0), 1});
    return prepared;
  }

 private:
  void keep(Context& context, const Rows& rows, int64_t begin, int64_t end, WriteAck& ack) {
    if (begin == end) return;
    auto batch = rows.batch->Slice(begin, end - begin);
    const int64_t bytes = bytes_of(*batch);
    // Waiting for memory here could wait for this very epoch: its other lanes are asked to end it only by the cut.
    auto memory = context.memory.try_reserve(bytes);
    ack.wants_cut = ack.wants_cut || !memory.has_value();
    rows_ += end - begin;
    bytes_ += bytes;
    pending_.push_back({rows.table, std::move(batch), memory.has_value() ? *std::move(memory) : Budget::Reservation()});
  }

  const SqliteSinkOptions& options_;
  Spool& spool_;
  Spool::Part pending_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace

uint64_t Spool::put(Part part) {
  std::scoped_lock guard(mutex_);
  parts_[++last_handle_] = std::make_shared<const Part>(std::move(part));
  return last_handle_;
}

std::shared_ptr<const Spool::Part> Spool::find(uint64_t handle) const {
  std::scoped_lock guard(mutex_);
  auto found = parts_.find(handle);
  return found == parts_.end() ? nullptr : found->second;
}

void Spool::erase(uint64_t handle) {
  std::scoped_lock guard(mutex_);
  parts_.erase(handle);
}

std::string handle_payload(uint64_t handle) { return fmt::format("{}{}}}", kPayloadStart, handle); }

Result<uint64_t> handle_of(const Prepared& prepared) {
  uint64_t handle = 0;
  std::string_view text = prepared.payload;
  if (text.starts_with(kPayloadStart) && text.ends_with('}')) {
    text.remove_prefix(kPayloadStart.size());
    auto parsed = std::from_chars(text.data(), text.data() + text.size() - 1, handle);
    if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() - 1) return handle;
  }
  return bug("'{}' was not prepared by an sqlite sink", prepared.payload);
}

std::unique_ptr<Writer> spool_writer(const SqliteSinkOptions& options, Spool& spool) {
  return std::make_unique<SpoolWriter>(options, spool);
}

}  // namespace sluice::sqlite
