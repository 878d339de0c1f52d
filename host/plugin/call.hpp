// Calls into a plugin. Private to plugin/: every adapter goes through here, so that a plugin which breaks the contract
// costs an error and a count, not the host.
#pragma once

#include <cstddef>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "lectern/abi/base.h"
#include "plugin/checking.hpp"
#include "plugin/generation.hpp"

namespace lectern::plugin {

/// [any] The same function, to be called as one that may throw. The interface's types are noexcept, and an exception
/// through a call the compiler believes to be noexcept ends the process; a plugin written against the bare C header can
/// throw all the same.
template <class R, class... A>
constexpr auto may_throw(R (*function)(A...) noexcept) -> R (*)(A...) {
  return function;
}

/// [any] What a struct of the other side says, as far as both know it; the rest is zero.
template <class T>
T read_struct(const T* from) {
  static_assert(std::is_trivially_copyable_v<T>);
  T to{};
  if (from != nullptr) std::memcpy(static_cast<void*>(&to), from, std::min<std::size_t>(from->struct_size, sizeof(T)));
  return to;
}

inline lectern_str to_abi(std::string_view text) {
  return {text.data(), text.size()};
}

/// [any] True when the text can be looked at: a null pointer with a length is garbage, so is a length past `limit`.
inline bool sane(lectern_str text, std::uint64_t limit) {
  return text.n == 0 || (text.p != nullptr && text.n <= limit);
}
inline std::string_view view(lectern_str text) {
  return text.n == 0 ? std::string_view() : std::string_view(text.p, static_cast<std::size_t>(text.n));
}

lectern_error empty_error();

/// [any] What a call that ended with `status` becomes. `doing` completes the sentence "<plugin> could not <doing>". For
/// LECTERN_INVALID the caller says which HTTP status and code fit; a code of the plugin's own goes before.
Error call_error(const Generation& generation, std::string_view doing, lectern_status status,
                 const lectern_error& error, int invalid_status, std::string_view invalid_code);

/// [control] Held during [control] calls: the interface promises that they never run side by side.
std::recursive_mutex& control_mutex();

/// [any] Tells breaches in how a call ended: an exception, a status that is none, an error text without an end.
void check_answer(Checker& checker, std::string_view doing, lectern_status status, const lectern_error& error,
                  const char* thrown) noexcept;

/// [any] Runs `body` (which calls through may_throw), times it, catches what it throws, and counts breaches.
template <class Body>
lectern_status guarded(Generation& generation, std::string_view doing, lectern_error& error, Body&& body) {
  const auto start = clock::now_us();
  lectern_status status = LECTERN_INTERNAL;
  const char* thrown = nullptr;
  std::string what;
  try {
    status = body();
  } catch (const std::exception& problem) {
    what = problem.what();
    thrown = "threw an exception";
  } catch (...) {
    thrown = "threw something that is no std::exception";
  }
  generation.count_call(clock::now_us() - start);
  if (thrown != nullptr) {
    what = std::string(thrown) + " across the plugin line" + (what.empty() ? "" : ": " + what);
    what.copy(error.message, sizeof error.message - 1);
    error.message[std::min(what.size(), sizeof error.message - 1)] = '\0';
    status = LECTERN_INTERNAL;
  }
  check_answer(*generation.checker(), doing, status, error, thrown);
  if (status < LECTERN_OK || status > LECTERN_INTERNAL) status = LECTERN_INTERNAL;
  if (status == LECTERN_INTERNAL) {
    const std::string_view text(error.message, ::strnlen(error.message, sizeof error.message));
    generation.count_failure(std::string(doing) + ": " + std::string(text.empty() ? "failed without a word" : text));
  }
  return status;
}

/// The same for a function that returns nothing.
template <class Body>
void guarded_void(Generation& generation, std::string_view doing, Body&& body) {
  lectern_error error = empty_error();
  (void)guarded(generation, doing, error, [&] {
    body();
    return lectern_status{LECTERN_OK};
  });
}

}  // namespace lectern::plugin
