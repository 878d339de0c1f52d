// One command on its way into its handler.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "session/commands.hpp"
#include "session/session.hpp"

namespace lectern::session {

struct Invocation {
  const CommandSpec* spec = nullptr;
  std::uint64_t member = 0;      // the sender's number in the room
  std::uint64_t connection = 0;  // the one it came by; 0 = HTTP
  std::uint32_t scope = 3;       // of the token it came with
  std::string id;                // idempotency id; may be empty
  std::optional<std::uint64_t> epoch;
  json::Value body;
  std::vector<std::string> buffers;
  Reply<CommandReply> reply;

  void ok(std::string json = "{}", int status = 200) { reply(CommandReply{status, std::move(json)}); }
  void error(Error error_) { reply(fail(std::move(error_))); }
  void error(int status, std::string code, std::string message, std::string hint = {}, std::string details = {}) {
    reply(fail(status, std::move(code), std::move(message), std::move(hint), std::move(details)));
  }
  [[nodiscard]] std::string text(std::string_view key) const { return json::string_or_empty(body, key); }
  [[nodiscard]] std::optional<std::uint64_t> number(std::string_view key) const {
    const auto* value = body.find(key);
    return value == nullptr ? std::nullopt : value->as_uint();
  }
};

}  // namespace lectern::session
