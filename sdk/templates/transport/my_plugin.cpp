// Lectern for line-minded clients: a WebSocket with the subprotocol my-plugin.v1, one line of text per frame.
//
//   to the host:     key ID.SECRET                 who I am, when it cannot be said in a header
//                    do ID COMMAND EPOCH|- {body}  a command; the answer is an event "reply" with that ID
//   to the client:   event OP SEQ|- {data}
//
// A transport is a codec: sockets, authentication and queues are the host's. No call may block; calls about different
// connections run at the same time.
#include <lectern/sdk/settings.hpp>
#include <lectern/sdk/transport.hpp>

#include <charconv>
#include <string>

namespace {

using namespace lectern::sdk;

std::string_view next_word(std::string_view& line) {
  const auto end = std::min(line.find(' '), line.size());
  const auto word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

class MyPlugin final : public Transport {
 public:
  static constexpr Binding bindings[] = {{LECTERN_CARRIER_WS_MESSAGE, "connect", "my-plugin.v1"}};

  explicit MyPlugin(std::string_view config) { Settings(config).done(); }

  // Connections with the same encoding share each encoded frame; here there is but one.
  std::uint64_t open(std::uint64_t, std::uint32_t, std::string_view) override { return 0; }

  void receive(std::uint64_t, std::uint32_t, std::string_view line, const InboundSink& out) override {
    const auto what = next_word(line);
    Inbound message;
    if (what == "key") {
      message.kind = LECTERN_IN_HELLO;
      message.body = line;
      return out.message(message);
    }
    if (what != "do") return;  // of a later version: unknown frames are ignored
    message.kind = LECTERN_IN_COMMAND;
    message.id = next_word(line);
    message.name = next_word(line);
    const auto epoch = next_word(line);
    message.has_epoch = epoch != "-";
    const auto end = epoch.data() + epoch.size();
    if (message.has_epoch && std::from_chars(epoch.data(), end, message.epoch).ptr != end) {
      message.kind = LECTERN_IN_MALFORMED;  // the sender gets a failed reply, the connection stays
      message.name = "bad_request";
      message.body = "the epoch is neither a number nor -";
      return out.message(message);
    }
    message.body = line.empty() ? std::string_view("{}") : line;
    out.message(message);
  }

  void encode(std::uint64_t, const Outbound& message, const FrameSink& out) const override {
    if (message.kind != LECTERN_OUT_EVENT) return;  // raw changes are for clients that hold the document themselves
    std::string line = "event ";
    line.append(message.op).append(" ").append(message.has_seq ? std::to_string(message.seq) : "-").append(" ");
    line.append(message.data.empty() ? std::string_view("null") : message.data);
    out.text(line);
  }

  void close(std::uint64_t) override {}
};

}  // namespace

LECTERN_PLUGIN(TransportOf<MyPlugin>);
