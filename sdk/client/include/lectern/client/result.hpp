// Results instead of exceptions: each call that can fail returns Result<T>, a value or an Error. Only Result::value()
// throws, and only when it is asked for a value that is not there.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace lectern::client {

/// What was wrong, where, and what to do. What the host refused has its HTTP status and its code (docs/http-api.md,
/// "Answers"). What this library found has status 0 (504 for `outcome_unknown`) and one of these codes:
///   no_server          no host runs and none was named
///   bad_url            the address of the host is none
///   bad_request        an argument cannot be sent: text that is not UTF-8, a token with control characters
///   unreachable        the host did not answer, or not again within Options::reconnect_for
///   protocol_mismatch  the host speaks another protocol; the message names both
///   bad_answer         the host sent what the protocol does not allow
///   timeout            the time that was given is over; what was asked for may still happen
///   outcome_unknown    no answer came; look at the notebook before asking again
///   ended              the session is over: closed, replaced, or ended by the host
///   would_block        a call that waits was made on the library's own thread; use its async_ twin
struct Error {
  int status = 0;
  std::string code;
  std::string message;
  std::string hint;     // may be empty
  std::string details;  // JSON text with facts for programs; may be empty

  /// [any] All of it in one line.
  [[nodiscard]] std::string text() const {
    std::string out = status != 0 ? std::to_string(status) + " " : std::string();
    out += code + ": " + message;
    return hint.empty() ? out : out + " (" + hint + ")";
  }
};

/// What Result::value() throws; what() is Error::text().
class BadResult : public std::runtime_error {
 public:
  explicit BadResult(Error why) : std::runtime_error(why.text()), error(std::move(why)) {}
  Error error;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  /// Only when has_value().
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  /// Only when not has_value().
  [[nodiscard]] const Error& error() const { return *std::get_if<1>(&state_); }
  /// The value; throws BadResult when there is none.
  T& value() & {
    if (!has_value()) throw BadResult(error());
    return **this;
  }
  T&& value() && {
    if (!has_value()) throw BadResult(error());
    return std::move(**this);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  [[nodiscard]] bool has_value() const { return !error_; }
  explicit operator bool() const { return has_value(); }
  /// Only when not has_value().
  [[nodiscard]] const Error& error() const { return *error_; }
  /// Throws BadResult when it failed.
  void value() const {
    if (error_) throw BadResult(*error_);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace lectern::client
