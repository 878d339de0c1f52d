// Results instead of exceptions: every fallible call of the host returns Result<T>, and an Error says what was wrong,
// where, and what to do about it. The same Error becomes the one error body of the HTTP API and of replies.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace lectern {

struct Error {
  int status = 500;     // HTTP status the error maps to (protocol 2 "Errors")
  std::string code;     // stable, snake_case, for programs: "not_found", "stale_epoch"
  std::string message;  // for people: what was wrong and where
  std::string hint;     // for people: what to do; may be empty
  std::string details;  // JSON object text with facts for programs; may be empty
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = tl::expected<void, Error>;

/// [any] Makes the failing side of any Result.
inline tl::unexpected<Error> fail(int status, std::string code, std::string message, std::string hint = {},
                                  std::string details = {}) {
  return tl::unexpected<Error>(Error{status, std::move(code), std::move(message), std::move(hint), std::move(details)});
}
inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace lectern

// Passes the error of `expression` on, else binds its value: LECTERN_TRY(auto doc, load(path));
#define LECTERN_TRY_CAT2(a, b) a##b
#define LECTERN_TRY_CAT(a, b) LECTERN_TRY_CAT2(a, b)
#define LECTERN_TRY(declaration, expression) LECTERN_TRY_IMPL(LECTERN_TRY_CAT(try_, __LINE__), declaration, expression)
#define LECTERN_TRY_IMPL(name, declaration, expression)       \
  auto name = (expression);                                   \
  if (!name) return ::lectern::fail(std::move(name).error()); \
  declaration = std::move(*name)
#define LECTERN_CHECK(expression)                                                                      \
  do {                                                                                                 \
    if (auto check_result = (expression); !check_result) return ::lectern::fail(check_result.error()); \
  } while (false)
