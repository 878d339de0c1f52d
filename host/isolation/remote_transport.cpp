#include "isolation/remote_transport.hpp"

#include <utility>
#include <vector>

namespace lectern::isolation {

namespace {

constexpr std::uint32_t most_sizes = 200'000;  // the adapter's limit is lower, and names it

/// `replay` gets what the plugin wrote.
template <class Replay>
lectern_status answered(const Line::Reply& reply, lectern_error& error, Replay&& replay) {
  if (!reply.said) return blame(reply.said.error(), error);
  Unpacker from(*reply.said);
  const auto status = unpack_end(from, error);
  if (!from.ok()) return LECTERN_INTERNAL;
  const lectern_status last = replay(from);
  return status == LECTERN_OK ? last : status;
}

lectern_status replay_message(Unpacker& from, std::string_view shared, const lectern_inbound_sink& out) {
  const bool there = from.number<std::uint8_t>() != 0;
  lectern_inbound message{};
  message.struct_size = sizeof message;
  message.kind = from.number<std::uint32_t>();
  message.document = from.number<std::uint32_t>();
  message.flags = from.number<std::uint32_t>();
  message.has_epoch = from.number<std::uint32_t>();
  message.epoch = from.number<std::uint64_t>();
  for (lectern_str* text : {&message.id, &message.name, &message.body, &message.payload}) *text = from.abi_text(shared);
  message.n_sizes = from.number<std::uint32_t>();
  std::vector<std::uint64_t> sizes;
  const bool has_sizes = from.number<std::uint8_t>() != 0;
  if (has_sizes && message.n_sizes <= most_sizes && from.ok()) {
    sizes.resize(message.n_sizes);
    from.bytes(sizes.data(), sizes.size() * sizeof(std::uint64_t));
    message.sizes = sizes.data();
  }
  if (!from.ok()) return LECTERN_INTERNAL;
  return out.message(out.ctx, there ? &message : nullptr);
}

}  // namespace

Status RemoteTransport::open(std::uint64_t connection, std::uint32_t binding, std::string_view query, Line::Done done) {
  Packer to = call_frame(Op::transport_open);
  to.number(connection);
  to.number(binding);
  to.text(query);
  return line_->hand_over(std::move(to), std::move(done), Lane::quick, true);
}

Status RemoteTransport::receive(std::uint64_t connection, std::uint32_t frame_kind, std::string_view bytes,
                                Line::Done done) {
  Packer to = call_frame(Op::transport_receive);
  to.number(connection);
  to.number(frame_kind);
  to.bytes().append(bytes);
  return line_->hand_over(std::move(to), std::move(done));
}

Status RemoteTransport::encode(std::uint64_t encoding, const lectern_outbound& message, Line::Done done) {
  Packer to = call_frame(Op::transport_encode);
  to.number(encoding);
  to.number(message.kind);
  to.number(message.document);
  to.number(message.has_seq);
  to.number(message.seq);
  for (const lectern_str text : {message.op, message.data, message.payload, message.stream}) to.text(text);
  to.number(message.n_sizes);
  for (std::uint32_t i = 0; i < message.n_sizes; ++i) to.number(message.sizes[i]);
  return line_->hand_over(std::move(to), std::move(done));
}

void RemoteTransport::close(std::uint64_t connection) {
  Packer to = call_frame(Op::transport_close);
  to.number(connection);
  (void)line_->hand_over(std::move(to), [](Line::Reply&&) {});  // without a process there is no connection either
}

lectern_status RemoteTransport::opened(const Line::Reply& reply, std::uint64_t& encoding, lectern_error& error) {
  return answered(reply, error, [&](Unpacker& from) -> lectern_status {
    encoding = from.number<std::uint64_t>();
    return from.ok() ? LECTERN_OK : LECTERN_INTERNAL;
  });
}

lectern_status RemoteTransport::received(const Line::Reply& reply, const lectern_inbound_sink& out,
                                         lectern_error& error) {
  // The bytes of the frame are the end of the call.
  const auto shared = call_arguments(reply.frame).substr(sizeof(std::uint64_t) + sizeof(std::uint32_t));
  return answered(reply, error, [&](Unpacker& from) {
    lectern_status status = LECTERN_OK;
    while (from.ok() && !from.empty() && status == LECTERN_OK) {
      if (from.number<Record>() != Record::message) return lectern_status{LECTERN_INTERNAL};
      status = replay_message(from, shared, out);
    }
    return from.ok() ? status : lectern_status{LECTERN_INTERNAL};
  });
}

lectern_status RemoteTransport::encoded(const Line::Reply& reply, const lectern_frame_sink& out, lectern_error& error) {
  return answered(reply, error, [&](Unpacker& from) {
    lectern_status status = LECTERN_OK;
    while (from.ok() && !from.empty() && status == LECTERN_OK) {
      if (from.number<Record>() != Record::frame) return lectern_status{LECTERN_INTERNAL};
      const auto kind = from.number<std::uint32_t>();
      const auto bytes = from.abi_text();
      if (from.ok()) status = out.frame(out.ctx, kind, bytes);
    }
    return from.ok() ? status : lectern_status{LECTERN_INTERNAL};
  });
}

}  // namespace lectern::isolation
