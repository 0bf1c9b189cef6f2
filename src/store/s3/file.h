// An object opened for reading: ranged GETs that insist on the version that was listed.
#pragma once

#include <memory>
#include <optional>

#include <arrow/io/interfaces.h>

#include "port/store.h"
#include "store/s3/client.h"
#include "store/s3/memory_share.h"

namespace sluice::s3 {

constexpr int64_t kWholeBytesMax = 1 << 20;  // objects up to this are fetched with one request

// A range under way or there.
struct Range {
  int64_t begin = 0;
  std::shared_ptr<arrow::Buffer> buffer;
  MemoryShare::Held held;
  std::optional<Client::Pending> pending;  // set until it has arrived
};
// Starts to fetch [begin, begin + bytes) of the object.
Result<Range> start_range(Client& client, Context& context, const ObjectInfo& object, int64_t begin, int64_t bytes);
// Waits for it. An object that was replaced meanwhile is Fault::transient: what there is now can be listed.
Result<void> finish_range(Client& client, Context& context, const ObjectInfo& object, Range* range);

// Keeps a copy of the context: clock, budget and the rest outlive the file. `ahead`: the whole object, fetched ahead.
std::shared_ptr<arrow::io::RandomAccessFile> open_object(Client& client, MemoryShare& memory, const Context& context,
                                                         ObjectInfo object, std::optional<Range> ahead);

}  // namespace sluice::s3
