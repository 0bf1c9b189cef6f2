// Reads the change stream: transactions in commit order, those that come before they have committed kept aside until
// they do. On one lane's thread.
#pragma once

#include <memory>

#include "connector/postgresql/change_assembly.h"
#include "connector/postgresql/replication_link.h"
#include "port/source.h"

namespace sluice::postgresql {

struct StreamSetup {
  std::shared_ptr<ReplicationLink> link;
  ChangeAssembly::Options changes;
  int64_t batch_rows = 0;
  int64_t batch_bytes = 0;
};

std::unique_ptr<Reader> stream_reader(StreamSetup setup);

}  // namespace sluice::postgresql
