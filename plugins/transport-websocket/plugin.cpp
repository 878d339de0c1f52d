// lectern.v1 on a WebSocket: route "connect", subprotocol "lectern.v1" (protocol 3).
#include "lectern/sdk/plugin.hpp"
#include "frames.hpp"
#include "inbound.hpp"
#include "lectern/sdk/json_event.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/settings.hpp"
#include "lectern/sdk/transport.hpp"

namespace lectern_v1 {
namespace {

using lectern::sdk::Outbound;
namespace json = lectern::sdk::json;

enum Encoding : std::uint64_t { base64_buffers = 0, binary_buffers = 1 };

std::string sizes_json(std::span<const std::uint64_t> sizes) {
  std::string out = "[";
  for (const auto size : sizes) {
    if (out.size() > 1) out += ',';
    out += std::to_string(size);
  }
  return out += ']';
}

class WebSocketV1 final : public lectern::sdk::Transport {
 public:
  static constexpr lectern::sdk::Binding bindings[] = {{LECTERN_CARRIER_WS_MESSAGE, "connect", "lectern.v1"}};

  explicit WebSocketV1(std::string_view config) { lectern::sdk::Settings(config).done(); }

  std::uint64_t open(std::uint64_t connection, std::uint32_t, std::string_view query_json) override {
    const auto choice = json::text(json::member(query_json, "buffers"));
    if (!choice.empty() && choice != "base64" && choice != "binary") {
      throw lectern::sdk::Failure(LECTERN_INVALID, "the query parameter buffers is \"" + choice + "\"",
                                  "It can be base64 or binary.");
    }
    waiting_.emplace(connection);
    return choice == "binary" ? binary_buffers : base64_buffers;
  }

  void receive(std::uint64_t connection, std::uint32_t frame_kind, std::string_view bytes,
               const lectern::sdk::InboundSink& out) override {
    auto* const waiting = waiting_.find(connection);
    if (waiting == nullptr) return;
    if (frame_kind == LECTERN_FRAME_TEXT) {
      receive_text(bytes, *waiting, out);
    } else {
      receive_binary(bytes, *waiting, out);
    }
  }

  void encode(std::uint64_t encoding, const Outbound& message, const lectern::sdk::FrameSink& out) const override {
    const bool models = message.document == LECTERN_DOCUMENT_MODELS;
    switch (message.kind) {
      case LECTERN_OUT_EVENT:
        return encode_event(encoding, message, out);
      case LECTERN_OUT_CHANGES:
        return out.binary(join(models ? models_changes : notebook_changes, changes_header(message), message.payload));
      case LECTERN_OUT_SYNC:
        return out.binary(join(models ? models_sync : notebook_sync, "{}", message.payload));
      case LECTERN_OUT_DOCUMENT:
        return out.binary(join(document, message.data.empty() ? "{}" : message.data, message.payload));
      default:
        return;  // the host's pings keep a WebSocket alive
    }
  }

  void close(std::uint64_t connection) override { waiting_.erase(connection); }

 private:
  static void encode_event(std::uint64_t encoding, const Outbound& message, const lectern::sdk::FrameSink& out) {
    std::string text;
    if (encoding != binary_buffers || (message.sizes.empty() && message.payload.empty())) {
      text.reserve(message.op.size() + message.data.size() + 48);
      append_json_event(message, text);
      return out.text(text);
    }
    out.binary(join(buffers, "{\"sizes\":" + sizes_json(message.sizes) + "}", message.payload));
    auto without = message;
    without.payload = {};
    without.sizes = {};
    append_json_event(without, text);
    out.text(text);
  }

  static std::string changes_header(const Outbound& message) {
    std::string header;
    lectern::sdk::append_object_with(message.data, "sizes", header,
                                     [&](std::string& to) { to += sizes_json(message.sizes); });
    return header;
  }

  lectern::sdk::ConnectionMap<Waiting> waiting_;
};

}  // namespace
}  // namespace lectern_v1

LECTERN_PLUGIN(lectern::sdk::TransportOf<lectern_v1::WebSocketV1>);
