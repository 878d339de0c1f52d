// What clients send: text frames with commands, binary frames with changes, sync messages and buffers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lectern/sdk/transport.hpp"

namespace lectern_v1 {

/// Buffers that came ahead of the command they belong to.
struct Waiting {
  std::string payload;
  std::vector<std::uint64_t> sizes;
};

void receive_text(std::string_view bytes, Waiting& waiting, const lectern::sdk::InboundSink& out);
void receive_binary(std::string_view bytes, Waiting& waiting, const lectern::sdk::InboundSink& out);

}  // namespace lectern_v1
