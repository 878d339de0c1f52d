// What members have who do not hold the pen: for the policies with one editor that do without SimplePolicy.
#pragma once

#include <cstdint>
#include <string_view>

#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"

/// The setting `key`, "interactor" (the default) or "viewer", as capabilities.
inline std::uint32_t caps_setting(lectern::sdk::Settings& settings, std::string_view key) {
  return settings.choice(key, {"interactor", "viewer"}, "interactor") == "viewer" ? 0u
                                                                                  : std::uint32_t{LECTERN_CAP_INTERACT};
}

/// `member` is left without the pen and with as much of `caps` as its scope allows.
inline void without_pen(const lectern::sdk::Member& member, std::uint32_t caps, lectern::sdk::Outcome& out) {
  if (member.holds_grant()) {
    out.vacate(member.id, caps & member.scope);
  } else if (member.caps != (caps & member.scope)) {
    out.set_caps(member.id, caps & member.scope);
  }
}
