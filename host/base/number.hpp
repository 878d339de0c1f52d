// Numbers that stand in text by themselves.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace lectern::text {

/// [any] The decimal number that `text` is, all of it; nothing when it is anything else, or too large for T. Pure.
template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && at == end ? std::optional<T>(value) : std::nullopt;
}

}  // namespace lectern::text
