// What keeps bytes that somebody else chose (outputs of notebooks, answers of other hosts) from acting as this host's.
#pragma once

#include <array>
#include <string_view>
#include <utility>

namespace lectern::api {

/// Headers of every answer with such bytes: no type but the one that is said, and navigated to directly no scripts and
/// no origin.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 2> strangers_guard = {
    {{"X-Content-Type-Options", "nosniff"},
     {"Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"}}};

}  // namespace lectern::api
