// The events of a session as server-sent events (protocol 2, GET …/events): one event per message, its JSON on one data
// line. EventSource sends the last `id` back as Last-Event-ID, which is the host's resume token.
//
// What is binary elsewhere is base64 here: document changes as {"op":"changes","data":{…,"document","changes":[…]}}, a
// whole document as {"op":"document","data":{…,"bytes"}}. Sync messages need an answer, so they are never sent.
#include <algorithm>

#include "lectern/sdk/json_event.hpp"
#include "lectern/sdk/plugin.hpp"
#include "lectern/sdk/settings.hpp"
#include "lectern/sdk/transport.hpp"

namespace {

using lectern::sdk::Outbound;

class ServerSentEvents final : public lectern::sdk::Transport {
 public:
  static constexpr lectern::sdk::Binding bindings[] = {{LECTERN_CARRIER_BYTE_STREAM, "events", "text/event-stream"}};

  explicit ServerSentEvents(std::string_view config) { lectern::sdk::Settings(config).done(); }

  std::uint64_t open(std::uint64_t, std::uint32_t, std::string_view) override { return 0; }

  void receive(std::uint64_t, std::uint32_t, std::string_view, const lectern::sdk::InboundSink&) override {}

  void encode(std::uint64_t, const Outbound& message, const lectern::sdk::FrameSink& out) const override {
    switch (message.kind) {
      case LECTERN_OUT_EVENT:
        return out.text(event(message));
      case LECTERN_OUT_CHANGES:
        return out.text(event(as_event(message, "changes", changes_data(message))));
      case LECTERN_OUT_DOCUMENT:
        return out.text(event(as_event(message, "document", document_data(message))));
      case LECTERN_OUT_KEEPALIVE:
        return out.text(":\n\n");
      default:
        return;
    }
  }

  void close(std::uint64_t) override {}

 private:
  static std::string event(const Outbound& message) {
    std::string text;
    text.reserve(message.op.size() + message.data.size() + message.stream.size() + 80);
    if (message.has_seq && !message.stream.empty()) {
      text.append("id: ").append(message.stream).append(".").append(std::to_string(message.seq)).append("\n");
    }
    text += "data: ";
    const auto from = static_cast<std::ptrdiff_t>(text.size());
    append_json_event(message, text);
    // A line end in JSON text is mere space (inside strings it is escaped), but it would end the data line.
    std::replace_if(
        text.begin() + from, text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    return text += "\n\n";
  }

  static Outbound as_event(const Outbound& message, std::string_view op, std::string_view data) {
    Outbound made;
    made.has_seq = message.has_seq;
    made.seq = message.seq;
    made.stream = message.stream;
    made.op = op;
    made.data = data;
    return made;
  }

  static std::string changes_data(const Outbound& message) {
    const bool models = message.document == LECTERN_DOCUMENT_MODELS;
    std::string named, data;
    lectern::sdk::append_object_with(message.data, "document", named,
                                     [&](std::string& to) { to += models ? "\"models\"" : "\"notebook\""; });
    lectern::sdk::append_object_with(named, "changes", data, [&](std::string& to) {
      lectern::sdk::append_base64_array(message.payload, message.sizes, to);
    });
    return data;
  }

  static std::string document_data(const Outbound& message) {
    std::string data;
    lectern::sdk::append_object_with(message.data, "bytes", data, [&](std::string& to) {
      to += '"';
      lectern::sdk::append_base64(message.payload, to);
      to += '"';
    });
    return data;
  }
};

}  // namespace

LECTERN_PLUGIN(lectern::sdk::TransportOf<ServerSentEvents>);
