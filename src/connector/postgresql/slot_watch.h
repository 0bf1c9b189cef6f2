// What goes on beside the stream: the slot's figures as metrics, and heartbeats that move the slot on while the tables
// are quiet. A connection of its own; used by flow's timer thread only.
#pragma once

#include <memory>
#include <string>

#include "connector/postgresql/settings.h"
#include "port/context.h"

namespace sluice::postgresql {

class SlotWatch {
 public:
  explicit SlotWatch(const SourceSettings& settings) : settings_(settings) {}
  // Now and then; failures are logged once and tried again later: the stream itself finds out what matters.
  void tick(Context& context);

 private:
  Result<void> look(Context& context);
  Result<void> beat();

  const SourceSettings& settings_;
  std::unique_ptr<Connection> connection_;
  SteadyTime looked_at_{};
  SteadyTime beaten_at_{};
  bool complained_ = false;
  bool warned_ = false;
};

}  // namespace sluice::postgresql
