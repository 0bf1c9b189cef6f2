// Small objects fetched before they are opened, so that reading thousands of them is not one round trip each.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "port/store.h"
#include "store/s3/client.h"
#include "store/s3/file.h"
#include "store/s3/memory_share.h"

namespace sluice::s3 {

// Thread-safe.
class Prefetch {
 public:
  Prefetch(Client& client, MemoryShare& memory) : client_(client), memory_(memory) {}
  // Starts as many as there is room for; those under way already are skipped.
  void start(Context& context, std::span<const ObjectInfo> objects);
  // The object, if it is here in that version.
  std::optional<Range> take(const ObjectInfo& object);

 private:
  struct Entry {
    std::string path;
    std::string version;
    SteadyTime since;
    Range range;
  };
  bool holds(const ObjectInfo& object) const;
  void drop_stale(SteadyTime now);

  Client& client_;
  MemoryShare& memory_;
  std::mutex mutex_;
  std::list<Entry> entries_;
};

}  // namespace sluice::s3
