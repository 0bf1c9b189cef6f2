// Sources that can know their schema without having read anything.
#pragma once

#include "port/context.h"

namespace sluice {

// Implemented beside Source by those for which that is so.
class ProbesReading {
 public:
  virtual ~ProbesReading() = default;
  // For `sluice check`, behind Source::plan(): can what is there be read?
  virtual Result<void> probe_reading(Context& context) = 0;
};

}  // namespace sluice
