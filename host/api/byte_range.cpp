#include "api/byte_range.hpp"

#include <algorithm>

#include "api/url.hpp"
#include "base/number.hpp"
#include "base/text.hpp"

namespace lectern::api {
namespace {

constexpr std::string_view unit = "bytes=";

/// "5-9", "5-" or, the last five, "-5".
struct Spec {
  std::optional<std::uint64_t> first, last;
};

std::optional<Spec> parse_spec(std::string_view header) {
  if (!equal_without_case(header.substr(0, unit.size()), unit)) return std::nullopt;
  const auto spec = header.substr(unit.size());
  const auto dash = spec.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto from = spec.substr(0, dash), to = spec.substr(dash + 1);
  const Spec out{text::number<std::uint64_t>(from), text::number<std::uint64_t>(to)};
  const bool read = out.first.has_value() != from.empty() && out.last.has_value() != to.empty();
  if (!read || (!out.first && !out.last) || (out.first && out.last && *out.last < *out.first)) return std::nullopt;
  return out;
}

std::string from_to(ByteRange range) {
  return std::to_string(range.first) + '-' + std::to_string(range.first + range.count - 1);
}

auto none_of(std::string_view asked, std::uint64_t size) {
  return fail(416, "range_not_satisfiable",
              "it has " + std::to_string(size) + " bytes; Range asks for '" + text::label(asked, 100) + "'",
              "ask for bytes that are there, or without Range for all of them");
}

}  // namespace

Result<std::optional<ByteRange>> asked_range(const Request& request, std::uint64_t size) {
  const auto* header = request.header("Range");
  // If-Range names a version of the body. We name none, so it never is that one.
  if (header == nullptr || request.method != "GET" || request.header("If-Range") != nullptr || size == 0) {
    return std::nullopt;
  }
  const auto spec = parse_spec(*header);
  if (!spec) return std::nullopt;
  if (!spec->first) {
    const auto count = std::min(*spec->last, size);
    if (count == 0) return none_of(*header, size);
    return ByteRange{size - count, count};
  }
  if (*spec->first >= size) return none_of(*header, size);
  const auto last = std::min(spec->last.value_or(size - 1), size - 1);
  return ByteRange{*spec->first, last - *spec->first + 1};
}

std::string range_header(ByteRange range) {
  return std::string(unit) + from_to(range);
}

std::string content_range(ByteRange range, std::uint64_t size) {
  return "bytes " + from_to(range) + '/' + std::to_string(size);
}

std::optional<std::uint64_t> size_of_ranged(std::string_view content_range, ByteRange range) {
  const auto begun = "bytes " + from_to(range) + '/';
  if (!content_range.starts_with(begun)) return std::nullopt;
  const auto size = text::number<std::uint64_t>(content_range.substr(begun.size()));
  return size && *size >= range.first + range.count ? size : std::nullopt;
}

}  // namespace lectern::api
