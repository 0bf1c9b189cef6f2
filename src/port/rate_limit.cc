#include "port/rate_limit.h"

#include <algorithm>
#include <utility>

#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>

#include "options/option.h"
#include "port/source.h"

namespace sluice {
namespace {

constexpr int64_t kBatchBytesMin = 4096;

class PacedReader final : public Reader {
 public:
  PacedReader(std::unique_ptr<Reader> reader, RateLimit& limit) : reader_(std::move(reader)), limit_(limit) {}

  Result<Event> next(Context& context, Deadline deadline) override {
    auto now = context.clock.steady();
    if (auto begin = limit_.next(now); begin > now) {
      auto pause = std::max(std::min(begin, deadline) - now, SteadyTime::duration::zero());
      if (!context.clock.sleep(std::chrono::ceil<Millis>(pause), context.stop)) return cancelled();
      if (begin > deadline) return Event(Idle{});
    }
    auto event = TRY(reader_->next(context, deadline));
    if (const auto* rows = std::get_if<Rows>(&event)) {
      const bool none = rows->batch == nullptr;
      // Sources that do not know what a batch was before it was decoded count what it is now.
      auto bytes = rows->source_bytes > 0 || none ? rows->source_bytes : arrow::util::TotalBufferSize(*rows->batch);
      limit_.spend(context.clock.steady(), none ? 0 : rows->batch->num_rows(), bytes);
    }
    return event;
  }

 private:
  const std::unique_ptr<Reader> reader_;
  RateLimit& limit_;
};

}  // namespace

Result<std::unique_ptr<RateLimit>> RateLimit::parse(const std::string& text) {
  std::string_view amount = text;
  if (amount.ends_with("/s")) amount.remove_suffix(2);
  bool rows = amount.ends_with("rows");
  if (rows) amount.remove_suffix(4);
  while (amount.ends_with(' ')) amount.remove_suffix(1);
  auto value = rows ? parse_integer(amount) : parse_bytes(amount);
  if (!value.ok() || value.value() <= 0) {
    return user_error("rate_limit '{}' is neither bytes nor rows per second; write 10MB/s or 5000 rows/s", text);
  }
  return std::make_unique<RateLimit>(value.value(), rows);
}

void RateLimit::shape(ReadRequest* request) const {
  if (rows_) {
    request->batch_rows = std::min(request->batch_rows, std::max<int64_t>(1, per_second_ / 5));
  } else {
    request->batch_bytes = std::min(request->batch_bytes, std::max(kBatchBytesMin, per_second_ / 5));
  }
}

SteadyTime RateLimit::next(SteadyTime now) const {
  std::lock_guard lock(mutex_);
  return std::max(now, free_at_);
}

void RateLimit::spend(SteadyTime now, int64_t rows, int64_t bytes) {
  std::lock_guard lock(mutex_);
  auto amount = static_cast<double>(rows_ ? rows : bytes);
  auto time = std::chrono::duration<double>(amount / static_cast<double>(per_second_));
  free_at_ = std::max(now, free_at_) + std::chrono::duration_cast<SteadyTime::duration>(time);
}

Result<std::unique_ptr<Reader>> create_paced_reader(Context& context, Source& source, std::span<const Split> splits) {
  auto reader = TRY(source.create_reader(context, splits));
  if (source.rate_limit() == nullptr) return reader;
  return std::unique_ptr<Reader>(std::make_unique<PacedReader>(std::move(reader), *source.rate_limit()));
}

}  // namespace sluice
