// An object being written. Its bytes gather in memory, or in the spool where memory is short; every full part is sent
// beside the lane that writes. What stays below one part waits in the spool for its publication.
#pragma once

#include <memory>
#include <string>

#include "port/store.h"
#include "store/s3/client.h"
#include "store/s3/memory_share.h"
#include "store/s3/spool.h"

namespace sluice::s3 {

// What the uploads of one store share. Outlives them.
struct Uploads {
  Client& client;
  Spool& spool;
  MemoryShare& memory;
};

// S3's limits: 10,000 parts of at least 5 MiB (but the last). They begin at 8 MiB and double every 1,000.
int64_t part_bytes(size_t part);

// Keeps a copy of the context: budget, clock and stop token are needed while it is written.
Result<std::unique_ptr<Upload>> begin_upload(Uploads& uploads, const Context& context, const std::string& path,
                                             const std::string& owner, IfExists if_exists);

}  // namespace sluice::s3
