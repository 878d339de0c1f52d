// lectern.v1+cbor: what lectern.v1 says, in CBOR. Every frame is binary and one map; what JSON must write as base64, or
// send as a frame ahead, is a byte string where it belongs.
//
//   to the client   {op, seq, data}                            events; with buffers: [bytes, …] when there are any
//                   {op: "changes", data, document, changes: [bytes, …]}
//                   {op: "document", data, document, bytes}    {op: "sync", document, sync}
//   to the host     {id, command, epoch?, body?, buffers?}     {client: "id.secret"}
//                   {id, changes: [bytes, …], epoch?, document?, flush?}     {sync: bytes, document?}
#include <lectern/sdk/settings.hpp>
#include <lectern/sdk/transport.hpp>

#include "cbor.hpp"
#include "inbound.hpp"

namespace {

using namespace lectern::sdk;

void put_pieces(std::string_view payload, std::span<const std::uint64_t> sizes, std::string& out) {
  if (sizes.empty()) {
    cbor::put_array(payload.empty() ? 0 : 1, out);
    if (!payload.empty()) cbor::put_bytes(payload, out);
    return;
  }
  cbor::put_array(sizes.size(), out);
  for (const auto size : sizes) {
    const auto n = std::min(payload.size(), static_cast<std::size_t>(size));
    cbor::put_bytes(payload.substr(0, n), out);
    payload.remove_prefix(n);
  }
}

void put_document(const Outbound& message, std::string& out) {
  cbor::put_text("document", out);
  cbor::put_text(message.document == LECTERN_DOCUMENT_MODELS ? "models" : "notebook", out);
}

class CborWebSocket final : public Transport {
 public:
  static constexpr Binding bindings[] = {{LECTERN_CARRIER_WS_MESSAGE, "connect", "lectern.v1+cbor"}};

  explicit CborWebSocket(std::string_view config) { Settings(config).done(); }

  std::uint64_t open(std::uint64_t, std::uint32_t, std::string_view) override { return 0; }

  void receive(std::uint64_t, std::uint32_t frame_kind, std::string_view bytes, const InboundSink& out) override {
    if (frame_kind != LECTERN_FRAME_BINARY) {
      throw Failure(LECTERN_INVALID, "lectern.v1+cbor has binary frames only", "Send CBOR, or speak lectern.v1.");
    }
    receive_cbor(bytes, out);
  }

  void encode(std::uint64_t, const Outbound& message, const FrameSink& out) const override {
    std::string frame;
    switch (message.kind) {
      case LECTERN_OUT_EVENT:
        event(message, frame);
        break;
      case LECTERN_OUT_CHANGES:
        head(message, 4, "changes", frame);
        put_document(message, frame);
        cbor::put_text("changes", frame);
        put_pieces(message.payload, message.sizes, frame);
        break;
      case LECTERN_OUT_SYNC:
        head(message, 4, "sync", frame);
        put_document(message, frame);
        cbor::put_text("sync", frame);
        cbor::put_bytes(message.payload, frame);
        break;
      case LECTERN_OUT_DOCUMENT:
        head(message, 4, "document", frame);
        put_document(message, frame);
        cbor::put_text("bytes", frame);
        cbor::put_bytes(message.payload, frame);
        break;
      default:
        return;  // the host's pings keep a WebSocket alive
    }
    out.binary(frame);
  }

  void close(std::uint64_t) override {}

 private:
  static void head(const Outbound& message, std::uint64_t members, std::string_view op, std::string& out) {
    cbor::put_map(members, out);
    cbor::put_text("op", out);
    cbor::put_text(op, out);
    cbor::put_text("data", out);
    cbor::from_json(message.data, out);
  }
  static void event(const Outbound& message, std::string& out) {
    const bool buffers = !message.payload.empty() || !message.sizes.empty();
    head(message, buffers ? 4 : 3, message.op, out);
    cbor::put_text("seq", out);
    if (message.has_seq) {
      cbor::put_head(0, message.seq, out);
    } else {
      cbor::put_null(out);
    }
    if (!buffers) return;
    cbor::put_text("buffers", out);
    put_pieces(message.payload, message.sizes, out);
  }
};

}  // namespace

LECTERN_PLUGIN(TransportOf<CborWebSocket>);
