// Sinks that put what they are given in the place of what is there.
#pragma once

namespace sluice {

// Implemented beside Sink by those that can be told to by `if_exists`.
class Replaces {
 public:
  virtual ~Replaces() = default;
  // Was it told to? Then a bounded statement is one epoch, whatever its size: what is there goes when all that is new
  // is there, and a statement that fails on the way has changed nothing.
  [[nodiscard]] virtual bool replaces() const = 0;
};

}  // namespace sluice
