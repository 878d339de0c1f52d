#include "app/duration.hpp"

#include <charconv>

namespace lectern::app {

std::optional<std::uint64_t> duration(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit(end, text.data() + text.size());
  if (error != std::errc() || value == 0 || value > 1'000'000) return {};
  if (unit == "s") return value * 1'000;
  if (unit == "min" || unit == "m") return value * 60'000;
  if (unit == "h") return value * 3'600'000;
  if (unit == "d") return value * 86'400'000;
  return {};
}

}  // namespace lectern::app
