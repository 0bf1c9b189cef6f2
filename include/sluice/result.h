// Errors as values. An operation that can fail returns Result<T>; nothing of this library throws.
#pragma once

#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sluice {

// Who has to act, decided where the error is born and never guessed later from its text.
enum class Fault {
  user,             // the statement, option, file or value is wrong: the user changes something
  refused,          // a system said no for good (permission, conflict, read-only): retrying cannot help
  transient,        // may work when tried again: time-out, throttling, connection lost before anything happened
  outcome_unknown,  // the other side may or may not have done it: look before acting again
  cancelled,        // somebody asked us to stop
  bug,              // our own invariant broke
};

std::string_view to_string(Fault fault);

// One sentence of what went wrong and what to do, plus the steps it happened in, innermost first.
// Secrets never enter `what` or `during`.
struct Error {
  Fault fault = Fault::bug;
  std::string what;
  std::vector<std::string> during;

  Error&& while_doing(std::string step) && {
    during.push_back(std::move(step));
    return std::move(*this);
  }
  // "what (while a, while b)": the whole of it on one line.
  [[nodiscard]] std::string message() const;
};

// Ends the process with a line that names the place; never returns.
[[noreturn]] void check_failed(std::string_view condition, std::source_location where);

template <typename T = void>
class [[nodiscard]] Result {
 public:
  using Stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  Result() requires(std::is_void_v<T> || std::is_default_constructible_v<Stored>)
      : state_(std::in_place_index<0>) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  template <typename U>
  requires(!std::is_void_v<T> && std::is_convertible_v<U &&, Stored> && !std::is_same_v<std::decay_t<U>, Error> &&
           !std::is_same_v<std::decay_t<U>, Result>)
  Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Calling value() on an error is a bug and aborts with the error's text.
  decltype(auto) value() & { return checked(), take(std::get<0>(state_)); }
  decltype(auto) value() const& { return checked(), take(std::get<0>(state_)); }
  auto value() && {
    checked();
    if constexpr (!std::is_void_v<T>) return std::move(std::get<0>(state_));
  }
  auto* operator->() requires(!std::is_void_v<T>)
  {
    return checked(), &std::get<0>(state_);
  }
  auto& operator*() & requires(!std::is_void_v<T>)
  {
    return checked(), std::get<0>(state_);
  }

  [[nodiscard]] const Error& error() const& { return std::get<1>(state_); }
  [[nodiscard]] Error&& error() && { return std::get<1>(std::move(state_)); }

  // Adds the step during which the error happened; a success passes through.
  Result while_doing(std::string step) && {
    if (!ok()) std::get<1>(state_).during.push_back(std::move(step));
    return std::move(*this);
  }

 private:
  void checked() const {
    if (!ok()) check_failed(std::get<1>(state_).message(), std::source_location::current());
  }
  template <typename V>
  static decltype(auto) take(V& stored) {
    if constexpr (!std::is_void_v<T>) return (stored);
  }
  std::variant<Stored, Error> state_;
};

}  // namespace sluice
