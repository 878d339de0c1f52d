// A transport as the session layer sees it: a codec between frames on a connection and session messages.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "isolation/remote_transport.hpp"
#include "plugin/generation.hpp"

namespace lectern::plugin {

enum class Carrier : std::uint32_t { ws_message = 1, byte_stream = 2, http_exchange = 3 };

/// Where a transport is reached.
struct Binding {
  Carrier carrier = Carrier::ws_message;
  std::string route;  // "connect", "events": the last segment below /api/v1/sessions/{id}/
  std::string name;   // WebSocket subprotocol or response media type
};

enum class InboundKind : std::uint32_t { hello = 1, command = 2, changes = 3, sync = 4, malformed = 5 };
enum class DocumentKind : std::uint32_t { none = 0, notebook = 1, models = 2 };

/// A message that came in. Views are valid during the visitor's call.
struct Inbound {
  InboundKind kind = InboundKind::command;
  DocumentKind document = DocumentKind::none;
  bool flush = false;  // changes under a grant that was just revoked
  bool has_epoch = false;
  std::uint64_t epoch = 0;
  std::string_view id;       // of the command or submission; malformed: may be empty
  std::string_view name;     // command: its name; malformed: an error code
  std::string_view body;     // command: JSON object text; hello: the client key; malformed: what was wrong and where
  std::string_view payload;  // changes, sync, and the buffers of a command, one after the other
  std::span<const std::uint64_t> sizes;  // how payload is cut; their sum is its size (checked)
};

enum class OutboundKind : std::uint32_t { event = 1, changes = 2, sync = 3, document = 4, keepalive = 5 };

/// A message to send. Views need to live for the call only.
struct Outbound {
  OutboundKind kind = OutboundKind::event;
  DocumentKind document = DocumentKind::none;
  bool has_seq = false;  // false: "seq": null
  std::uint64_t seq = 0;
  std::string_view op;       // event: "cell-op"
  std::string_view data;     // event: JSON text; changes, document: JSON header
  std::string_view payload;  // changes, sync, document; buffers of an event
  std::string_view stream;   // the session's stream name, for resume tokens
  std::span<const std::uint64_t> sizes;
};

/// A frame made by the codec.
struct EncodedFrame {
  bool binary = false;
  std::string bytes;
};

/// What the process of a transport answered: read on the reactor by Transport::opened, received or encoded.
class TransportAnswer {
 public:
  TransportAnswer(GenerationPtr generation, isolation::Line::Reply reply)
      : generation_(std::move(generation)), reply_(std::move(reply)) {}

 private:
  friend class Transport;
  GenerationPtr generation_;
  isolation::Line::Reply reply_;
};

class Transport {
 public:
  /// [control] 400 `bad_config` with the plugin's words.
  static Result<std::shared_ptr<Transport>> create(GenerationPtr generation, std::string_view config_json);
  /// [any] After the last connection was closed. Shared by the sessions whose connections it serves.
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// [control] Its process, where it has one, is ended: what waits is answered first, perhaps with an error, nothing
  /// later. For a host that ends, before what answers are posted to is gone; others may still share this.
  void end();

  [[nodiscard]] const std::string& id() const;                 // [any]
  [[nodiscard]] const std::vector<Binding>& bindings() const;  // [any]
  [[nodiscard]] const GenerationPtr& generation() const;       // [any]

  /// [any] It lives in a process of its own: what follows waits for that, and is for tests and tools. A reactor uses
  /// the calls after them.
  [[nodiscard]] bool waits() const;

  /// [reactor] A connection came on bindings()[binding]. Returns its encoding: connections with the same number get the
  /// same encoded frames. `query_json`: the query string as a JSON object of strings.
  Result<std::uint64_t> open(std::uint64_t connection, std::uint32_t binding, std::string_view query_json);
  /// [reactor] One frame (of a byte stream: any bytes). `visitor` is called for each message in it, during this call; a
  /// Status error from it ends the call with that error. 400 closes the connection with 1008 and the message.
  Status receive(std::uint64_t connection, bool binary, std::string_view bytes,
                 const std::function<Status(const Inbound&)>& visitor);
  /// [reactor] The frames of a message in one encoding; pure. None = nothing is sent.
  Result<std::vector<EncodedFrame>> encode(std::uint64_t encoding, const Outbound& message);
  /// [reactor] The connection is gone. Exactly once for each that was opened. Never waits.
  void close(std::uint64_t connection);

  /// Where answers go: on a thread of the process's, in the order of the calls; must not block.
  using Later = UniqueFunction<void(TransportAnswer&&)>;
  /// [reactor] Only when it waits(): the same calls, handed over. 503 when too much waits already; `answer` is not
  /// called then. `lost`: the process died and the connection with it; like `answer`, and before the answers of calls
  /// that it died in.
  Status open_later(std::uint64_t connection, std::uint32_t binding, std::string_view query_json, Later answer,
                    Task lost);
  Status receive_later(std::uint64_t connection, bool binary, std::string_view bytes, Later answer);
  Status encode_later(std::uint64_t encoding, const Outbound& message, Later answer);
  /// [reactor] What they say; the transport may be gone by then.
  static Result<std::uint64_t> opened(const TransportAnswer& answer);
  static Status received(const TransportAnswer& answer, const std::function<Status(const Inbound&)>& visitor);
  static Result<std::vector<EncodedFrame>> encoded(const TransportAnswer& answer);

 private:
  struct Inner;
  explicit Transport(std::unique_ptr<Inner> inner);
  std::unique_ptr<Inner> inner_;
};

using TransportPtr = std::shared_ptr<Transport>;

}  // namespace lectern::plugin
