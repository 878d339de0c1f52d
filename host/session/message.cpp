#include "session/message.hpp"

#include <utility>

#include "base/log.hpp"

namespace lectern::session {

plugin::Outbound Message::outbound(std::string_view stream) const {
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
  return out;
}

Message::Encoded* Message::find(const plugin::Transport& transport, std::uint64_t encoding) {
  for (auto& one : encoded_.all) {
    if (one.transport == &transport && one.encoding == encoding) return &one;
  }
  return nullptr;
}

void Message::put(Encoded& entry, std::vector<plugin::EncodedFrame> frames) {
  for (auto& frame : frames) {
    entry.frames.push_back(std::make_shared<const Frame>(Frame{frame.binary, std::move(frame.bytes)}));
  }
}

const std::vector<FramePtr>& Message::frames(plugin::Transport& transport, std::uint64_t encoding,
                                             std::string_view stream) {
  if (const auto* known = find(transport, encoding)) return known->frames;
  const auto out = outbound(stream);
  auto& entry = encoded_.all.emplace_back(Encoded{&transport, encoding, {}});
  auto result = transport.encode(encoding, out);
  if (!result) {
    log::warning("session", "transport " + transport.id() + " could not encode " + std::string(out.op) + ": " +
                                result.error().message);
    return entry.frames;
  }
  put(entry, std::move(*result));
  return entry.frames;
}

Result<const std::vector<FramePtr>*> Message::frames_later(const MessagePtr& message, plugin::Transport& transport,
                                                           std::uint64_t encoding, std::string_view stream, Loop& loop,
                                                           Task ready) {
  if (auto* known = message->find(transport, encoding)) {
    if (known->waiting == nullptr) return &known->frames;
    known->waiting->push_back(std::move(ready));
    return nullptr;
  }
  auto& entry =
      message->encoded_.all.emplace_back(Encoded{&transport, encoding, {}, std::make_shared<std::vector<Task>>()});
  entry.waiting->push_back(std::move(ready));
  const auto handed =
      transport.encode_later(encoding, message->outbound(stream),
                             [message, key = &transport, encoding, &loop](plugin::TransportAnswer&& answer) {
                               loop.post([message, key, encoding, answer = std::move(answer)] {
                                 message->take(key, encoding, plugin::Transport::encoded(answer));
                               });
                             });
  if (handed) return nullptr;
  message->encoded_.all.pop_back();
  return fail(handed.error());
}

const std::vector<FramePtr>* Message::encoded_frames(const plugin::Transport& transport, std::uint64_t encoding) {
  const auto* const known = find(transport, encoding);
  return known == nullptr || known->waiting != nullptr ? nullptr : &known->frames;
}

void Message::take(const plugin::Transport* transport, std::uint64_t encoding,
                   Result<std::vector<plugin::EncodedFrame>> frames) {
  auto* const entry = find(*transport, encoding);
  const auto waiting = std::exchange(entry->waiting, nullptr);
  if (frames) {
    put(*entry, std::move(*frames));
  } else {
    log::warning("session", "a message is not sent: " + frames.error().message);
  }
  for (auto& tell : *waiting) tell();
}

MessagePtr event_message(Op op, std::string data) {
  auto message = std::make_shared<Message>();
  message->op = op;
  message->data = std::move(data);
  return message;
}

}  // namespace lectern::session
