// The five kinds of plugin, under the names that manifests, the CLI and the API use.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace lectern::plugin {

enum class Kind { policy, transport, format, presence, runtime };

inline constexpr std::array<Kind, 5> all_kinds{Kind::policy, Kind::transport, Kind::format, Kind::presence,
                                               Kind::runtime};

/// [any] "policy", "transport", ...: also the id asked of the plugin's get_kind.
constexpr std::string_view kind_name(Kind kind) {
  constexpr std::array<std::string_view, 5> names{"policy", "transport", "format", "presence", "runtime"};
  return names[static_cast<std::size_t>(kind)];
}

/// [any] Empty for a name that is no kind.
constexpr std::optional<Kind> kind_from(std::string_view name) {
  for (const Kind kind : all_kinds) {
    if (kind_name(kind) == name) return kind;
  }
  return std::nullopt;
}

}  // namespace lectern::plugin
