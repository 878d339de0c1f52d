// What is written down of a gateway's kernel that outlives this host, in the private folder the host gave for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "../jupyter-messages/conversation.hpp"

namespace gateway {

/// What a start says of keeping.
struct Keep {
  std::string folder;                   // empty: the kernel ends with the host
  bool take_up = false;                 // the one that was kept there, in place of a new one
  std::uint64_t life = 0;               // how many hosts it had before
  std::uint64_t running = 0;            // the execution that ran when its host ended; 0 = none
  jupyter::Conversation::Makers comms;  // of that time
};

struct Kept {
  std::string authority, id, session, remote, language;
};

/// Whole or not at all, mode 0600. The error's words, or nothing.
std::optional<std::string> write_kept(const std::string& folder, const Kept& kept);
/// Throws lectern::sdk::Failure (LECTERN_NOT_FOUND) when nothing is written there.
Kept read_kept(const std::string& folder);

}  // namespace gateway
