// How a plugin says that something failed: it throws, and the wrapper turns that into a status and a text at the line.
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "lectern/abi/base.h"

namespace lectern::sdk {

/// Throw it from any method of a plugin class. `message` says what was wrong and where, `hint` what to do about it.
///   throw Failure(LECTERN_INVALID, "cells[3].source must be a string").at(17, 4);
class Failure : public std::exception {
 public:
  explicit Failure(lectern_status status, std::string message, std::string hint = {})
      : status_(status), message_(std::move(message)), hint_(std::move(hint)) {}
  /// The place in a text, both from 1.
  Failure&& at(std::uint64_t line, std::uint64_t column) && {
    line_ = line;
    column_ = column;
    return std::move(*this);
  }
  /// A snake_case code for programs; without one the host chooses by status.
  Failure&& code(std::string code) && {
    code_ = std::move(code);
    return std::move(*this);
  }
  [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }
  [[nodiscard]] lectern_status status() const { return status_; }
  [[nodiscard]] const std::string& hint() const { return hint_; }
  [[nodiscard]] const std::string& code() const { return code_; }
  [[nodiscard]] std::uint64_t line() const { return line_; }
  [[nodiscard]] std::uint64_t column() const { return column_; }

 private:
  lectern_status status_;
  std::string message_, hint_, code_;
  std::uint64_t line_ = 0, column_ = 0;
};

namespace detail {

/// Thrown when a sink of the host asked to stop; its status is returned as it is.
struct Stopped {
  lectern_status status;
};
inline void check(lectern_status status) {
  if (status != LECTERN_OK) throw Stopped{status};
}

template <std::size_t N>
void copy_text(char (&to)[N], std::string_view from) noexcept {
  std::size_t n = std::min(from.size(), N - 1);
  // Never ends inside a UTF-8 sequence.
  while (n > 0 && n < from.size() && (static_cast<unsigned char>(from[n]) & 0xC0) == 0x80) --n;
  if (n != 0) std::memcpy(to, from.data(), n);
  to[n] = '\0';
}

inline void fill(lectern_error* error, lectern_status status, std::string_view message) noexcept {
  if (error == nullptr || error->struct_size < sizeof(lectern_error)) return;
  error->status = status;
  copy_text(error->message, message);
}

inline void fill(lectern_error* error, const Failure& failure) noexcept {
  if (error == nullptr || error->struct_size < sizeof(lectern_error)) return;
  fill(error, failure.status(), failure.what());
  copy_text(error->hint, failure.hint());
  copy_text(error->code, failure.code());
  error->line = failure.line();
  error->column = failure.column();
}

/// Runs `body` and turns whatever it throws into a status: nothing leaves a plugin but that.
template <class Body>
lectern_status guard(lectern_error* error, Body&& body) noexcept {
  try {
    body();
    return LECTERN_OK;
  } catch (const Stopped& stopped) {
    return stopped.status;
  } catch (const Failure& failure) {
    fill(error, failure);
    return failure.status();
  } catch (const std::bad_alloc&) {
    fill(error, LECTERN_INTERNAL, "out of memory");
  } catch (const std::exception& problem) {
    fill(error, LECTERN_INTERNAL, problem.what());
  } catch (...) {
    fill(error, LECTERN_INTERNAL, "an exception that is no std::exception");
  }
  return LECTERN_INTERNAL;
}

}  // namespace detail
}  // namespace lectern::sdk
