// What changes are told with beyond their rows, where the sink passes that on (Debezium's envelope).
#pragma once

#include <string>

namespace sluice {

struct ChangeOrigin {
  std::string connector;  // "postgresql"
  std::string database;
};

// Implemented beside Source by those that can tell.
class KnowsOrigin {
 public:
  virtual ~KnowsOrigin() = default;
  [[nodiscard]] virtual ChangeOrigin origin() const = 0;
};

// Implemented beside Sink by those that pass it on; asked before the source is.
class TellsOfChanges {
 public:
  virtual ~TellsOfChanges() = default;
  // Rows with _op 'before' (ReadRequest::before_images) are welcome: each belongs to the row behind it.
  [[nodiscard]] virtual bool takes_before_images() const = 0;
  virtual void set_origin(ChangeOrigin origin) = 0;
};

}  // namespace sluice
