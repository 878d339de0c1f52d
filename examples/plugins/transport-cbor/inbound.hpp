// What clients send: each frame one CBOR map.
#pragma once

#include <lectern/sdk/transport.hpp>

#include <string_view>

/// Hands over what the frame says; a frame that is not understood is handed over as malformed, under its id if it has
/// one.
void receive_cbor(std::string_view bytes, const lectern::sdk::InboundSink& out);
