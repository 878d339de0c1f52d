// Jupyter's message format: frames, signature, headers (messaging protocol 5.3).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../jupyter-messages/conversation.hpp"
#include "signature.hpp"
#include "zmtp_peer.hpp"

namespace jupyter {

/// A received message. Its views point into `parts`.
struct Message : KernelMessage {
  zmtp::Message parts;
};

/// Signs and checks with one key, numbers messages of one session. Not thread-safe.
class Wire {
 public:
  Wire(std::string_view key, std::string session);
  /// Sends [delimiter, signature, header, parent, metadata, content, buffers…].
  void send(zmtp::Peer& peer, std::string_view type, std::string_view id, std::string_view parent,
            std::string_view content, std::string_view metadata = {}, const std::vector<std::string>& buffers = {});
  /// Takes one message of those that were read. Null when there is none; a message with a wrong signature or shape is
  /// dropped and counted.
  std::unique_ptr<Message> receive(zmtp::Peer& peer);

  [[nodiscard]] const std::string& session() const { return session_; }
  [[nodiscard]] std::size_t dropped() const { return dropped_; }

 private:
  bool read(Message& message) const;
  Signer signer_;
  std::string session_;
  std::size_t dropped_ = 0;
};

/// `count` random bytes as hex.
std::string random_hex(std::size_t count);

}  // namespace jupyter
