// A transport that does what the frame says, to its own process too: "die segv", "corrupt", "wait". Anything else comes
// back as a command of that name.
#include <string>

#include "crash.hpp"
#include "lectern/sdk/transport.hpp"

namespace {

using namespace lectern::sdk;

class Crashing final : public Transport {
 public:
  static constexpr Binding bindings[] = {{LECTERN_CARRIER_WS_MESSAGE, "connect", "crash.v1"}};
  explicit Crashing(std::string_view) {}
  std::uint64_t open(std::uint64_t, std::uint32_t, std::string_view query) override {
    if (query.find("refuse") != std::string_view::npos) throw Failure(LECTERN_INVALID, "not like this");
    return 3;
  }
  void receive(std::uint64_t connection, std::uint32_t, std::string_view bytes, const InboundSink& out) override {
    std::string said;
    if (bytes.starts_with("die ")) {
      crash::try_it(bytes.substr(4), said);
    } else if (bytes == "corrupt") {
      crash::frame(0x7fff'ffff, "far too long");
    } else if (bytes == "stray") {
      crash::frame(0, {});  // of a type that this side never sends by itself
    } else if (bytes == "invalid") {
      throw Failure(LECTERN_INVALID, "not a frame of mine");
    }
    Inbound message;
    message.kind = LECTERN_IN_COMMAND;
    message.id = said;
    message.name = bytes;
    message.body = "{}";
    message.epoch = connection;
    message.has_epoch = true;
    out.message(message);
  }
  void encode(std::uint64_t encoding, const Outbound& message, const FrameSink& out) const override {
    if (message.op == "die") std::abort();
    out.text(std::to_string(encoding) + " " + std::string(message.op) + " " + std::string(message.data));
  }
  void close(std::uint64_t) override {}
};

}  // namespace

LECTERN_PLUGIN(TransportOf<Crashing>);
