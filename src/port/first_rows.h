// Sources that learn their schema from what they hold, of which there may be nothing yet.
#pragma once

#include "port/context.h"

namespace sluice {

// Implemented beside Source by those that a stream can wait for.
class AwaitsFirstRows {
 public:
  virtual ~AwaitsFirstRows() = default;
  // Whether Source::fetch_schema() has something to go by, or an error of another kind to tell.
  virtual Result<bool> has_first_rows(Context& context) = 0;
};

}  // namespace sluice
