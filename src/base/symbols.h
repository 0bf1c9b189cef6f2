// Functions of a library that is loaded with dlopen() when it is first needed.
#pragma once

#include <dlfcn.h>

namespace sluice {

// Fills pointers, one by one; afterwards says whether the library had all of them.
class Symbols {
 public:
  explicit Symbols(void* library) : library_(library) {}
  template <typename Function>
  void operator()(Function*& pointer, const char* name) {
    pointer = reinterpret_cast<Function*>(dlsym(library_, name));
    if (pointer == nullptr && missing_ == nullptr) missing_ = name;
  }
  // The first that it lacks, or null.
  [[nodiscard]] const char* missing() const { return missing_; }

 private:
  void* library_;
  const char* missing_ = nullptr;
};

}  // namespace sluice
