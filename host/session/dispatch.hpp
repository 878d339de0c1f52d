// From a command's name to its handler: the same way for WebSocket and HTTP.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "session/clients.hpp"
#include "session/commands.hpp"
#include "session/session.hpp"

namespace lectern::session {

class LiveSession;

struct Sender {
  Client* client = nullptr;
  std::uint64_t connection = 0;  // 0 = HTTP
  std::uint32_t scope = 3;
  std::optional<std::uint64_t> epoch;
};

class Dispatch {
 public:
  explicit Dispatch(LiveSession& session) : session_(session) {}

  /// Looks the command up, answers a repeated id from memory, waits for the document where the command needs it, then
  /// authorizes and runs it. `reply` is called once.
  void run(const Sender& sender, const std::string& name, std::string id, json::Value body,
           std::vector<std::string> buffers, Reply<CommandReply> reply);

 private:
  struct Pending;
  void execute(Pending pending);
  LiveSession& session_;
};

/// Whether a command has to wait until the document is built.
bool needs_document(Command command);

}  // namespace lectern::session
