// Reads partitions, one after another: up to an end, or for ever.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "connector/kafka/partition.h"
#include "connector/kafka/row_format.h"
#include "port/source.h"

namespace sluice::kafka {

struct ReaderSetup {
  struct Part {
    std::shared_ptr<Partition> partition;
    std::optional<int64_t> end;  // messages from here on are not read; unset: it goes on for ever
    bool alone = false;          // the one message before `end`: assigned when its turn comes
  };
  std::vector<Part> parts;
  Client* client = nullptr;       // that the partitions are assigned to; outlives the reader, or …
  std::unique_ptr<Client> owned;  // … is the reader's own, which it serves
  std::unique_ptr<RowDecoder> decoder;
  SchemaPtr schema;  // the full one that it reads with
  int64_t batch_rows = 64 << 10;
  int64_t batch_bytes = 8 << 20;
};

std::unique_ptr<Reader> partition_reader(ReaderSetup setup);

}  // namespace sluice::kafka
