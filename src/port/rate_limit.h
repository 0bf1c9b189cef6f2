// rate_limit, an option of every source: so many bytes or rows per second over all its readers. The registry reads it,
// whoever reads from the source keeps to it; connectors need not know.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "port/context.h"
#include "port/pushdown.h"

namespace sluice {

class Reader;
class Source;
struct Split;

// Thread-safe.
class RateLimit {
 public:
  // "10MB/s", "5000 rows/s".
  static Result<std::unique_ptr<RateLimit>> parse(const std::string& text);

  RateLimit(int64_t per_second, bool rows) : per_second_(per_second), rows_(rows) {}

  // Batches of a fifth of a second's worth, so that the pace is even.
  void shape(ReadRequest* request) const;
  // When the next batch may begin.
  [[nodiscard]] SteadyTime next(SteadyTime now) const;
  void spend(SteadyTime now, int64_t rows, int64_t bytes);

 private:
  const int64_t per_second_;
  const bool rows_;
  mutable std::mutex mutex_;
  SteadyTime free_at_{};
};

// Source::create_reader(), held to the source's rate limit. The source outlives the reader.
Result<std::unique_ptr<Reader>> create_paced_reader(Context& context, Source& source, std::span<const Split> splits);

}  // namespace sluice
