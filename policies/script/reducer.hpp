// A script that decides on events itself: reduce(state, room, event, out).
#pragma once

#include <lectern/sdk/policy.hpp>

#include <string_view>

#include "sandbox.hpp"

namespace script {

/// `state`: what an earlier decision returned, or what another script left. A script names the shape of its state in
/// the global `state_schema`; a state of another shape is not handed to it.
void run_reduce(Sandbox& sandbox, std::string_view state, const lectern::sdk::Room& room,
                const lectern::sdk::Event& event, lectern::sdk::Outcome& out);

}  // namespace script
