// A transport that does what the frame says, right or wrong.
#include <string>

#include "lectern/sdk/transport.hpp"

namespace {

using namespace lectern::sdk;

class Garbage final : public Transport {
 public:
  static constexpr Binding bindings[] = {{LECTERN_CARRIER_WS_MESSAGE, "connect", "garbage.v1"},
                                         {LECTERN_CARRIER_BYTE_STREAM, "events", "text/garbage"}};
  explicit Garbage(std::string_view) {}
  std::uint64_t open(std::uint64_t connection, std::uint32_t binding, std::string_view query) override {
    if (query == "refuse") throw Failure(LECTERN_INVALID, "not like this");
    connections_.emplace(connection, std::string(query));
    return 7 + binding;
  }
  void receive(std::uint64_t connection, std::uint32_t, std::string_view bytes, const InboundSink& out) override {
    const std::string* query = connections_.find(connection);
    if (query == nullptr) throw Failure(LECTERN_INTERNAL, "a frame for a connection that was never opened");
    const std::uint64_t sizes[] = {2, bytes == "sizes" ? 50u : 3u};
    Inbound message;
    message.name = bytes;
    message.body = *query;
    if (bytes == "kind") message.kind = 44;
    if (bytes == "sizes" || bytes == "payload") {
      message.payload = "abcde";
      message.sizes = sizes;
    }
    if (bytes == "malformed") throw Failure(LECTERN_INVALID, "not a frame of mine");
    out.message(message);
    if (bytes == "twice") out.message(message);
  }
  void encode(std::uint64_t encoding, const Outbound& message, const FrameSink& out) const override {
    if (message.op == "nothing") return;
    out.text(std::to_string(encoding) + " " + std::string(message.op));
    if (!message.payload.empty()) out.binary(message.payload);
  }
  void close(std::uint64_t connection) override { connections_.erase(connection); }

 private:
  ConnectionMap<std::string> connections_;
};

}  // namespace

LECTERN_PLUGIN(TransportOf<Garbage>);
