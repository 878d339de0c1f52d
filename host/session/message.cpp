#include "session/message.hpp"

#include <utility>

#include "base/log.hpp"

namespace lectern::session {

const std::vector<FramePtr>& Message::frames(plugin::Transport& transport, std::uint64_t encoding,
                                             std::string_view stream) {
  for (const auto& one : encoded_) {
    if (one.transport == &transport && one.encoding == encoding) return one.frames;
  }
  plugin::Outbound out;
  out.kind = kind;
  out.document = document;
  out.has_seq = seq.has_value();
  out.seq = seq.value_or(0);
  out.op = kind == plugin::OutboundKind::event ? event_spec(op).name : std::string_view();
  out.data = data;
  out.payload = payload;
  out.stream = stream;
  out.sizes = sizes;
  auto& entry = encoded_.emplace_back(Encoded{&transport, encoding, {}});
  auto result = transport.encode(encoding, out);
  if (!result) {
    log::warning("session", "transport " + transport.id() + " could not encode " + std::string(out.op) + ": " +
                                result.error().message);
    return entry.frames;
  }
  for (auto& frame : *result) {
    entry.frames.push_back(std::make_shared<const Frame>(Frame{frame.binary, std::move(frame.bytes)}));
  }
  return entry.frames;
}

MessagePtr event_message(Op op, std::string data) {
  auto message = std::make_shared<Message>();
  message->op = op;
  message->data = std::move(data);
  return message;
}

}  // namespace lectern::session
