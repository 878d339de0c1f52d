// A transport in C++: derive from Transport, name the bindings, and say LECTERN_PLUGIN(TransportOf<MyTransport>).
//
//   class Lines : public lectern::sdk::Transport {
//    public:
//     static constexpr lectern::sdk::Binding bindings[] = {{LECTERN_CARRIER_BYTE_STREAM, "events", "text/plain"}};
//     explicit Lines(std::string_view config);
//     …
//   };
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string_view>

#include "lectern/abi/draft/transport.h"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/plugin.hpp"
#include "lectern/sdk/text.hpp"

namespace lectern::sdk {

struct Binding {
  std::uint32_t carrier;   // LECTERN_CARRIER_*
  std::string_view route;  // "connect", "events"
  std::string_view name;   // subprotocol or media type
};

/// A message for the host, as a codec found it. Views need to live until InboundSink::message returns.
struct Inbound {
  std::uint32_t kind = LECTERN_IN_COMMAND;  // LECTERN_IN_*
  std::uint32_t document = 0;               // LECTERN_DOCUMENT_*
  std::uint32_t flags = 0;                  // LECTERN_IN_FLUSH
  bool has_epoch = false;
  std::uint64_t epoch = 0;
  std::string_view id, name, body, payload;
  std::span<const std::uint64_t> sizes;
};

class InboundSink {
 public:
  explicit InboundSink(const lectern_inbound_sink& sink) : sink_(sink) {}
  void message(const Inbound& from) const {
    lectern_inbound to{};
    to.struct_size = sizeof to;
    to.kind = from.kind;
    to.document = from.document;
    to.flags = from.flags;
    to.has_epoch = from.has_epoch ? 1 : 0;
    to.n_sizes = static_cast<std::uint32_t>(from.sizes.size());
    to.epoch = from.epoch;
    to.id = str(from.id);
    to.name = str(from.name);
    to.body = str(from.body);
    to.payload = str(from.payload);
    to.sizes = from.sizes.data();
    detail::check(sink_.message(sink_.ctx, &to));
  }

 private:
  lectern_inbound_sink sink_;
};

/// A message for clients. Views are valid during encode.
struct Outbound {
  std::uint32_t kind = LECTERN_OUT_EVENT;  // LECTERN_OUT_*
  std::uint32_t document = 0;
  bool has_seq = false;
  std::uint64_t seq = 0;
  std::string_view op, data, payload, stream;
  std::span<const std::uint64_t> sizes;
};

class FrameSink {
 public:
  explicit FrameSink(const lectern_frame_sink& sink) : sink_(sink) {}
  void text(std::string_view bytes) const { detail::check(sink_.frame(sink_.ctx, LECTERN_FRAME_TEXT, str(bytes))); }
  void binary(std::string_view bytes) const { detail::check(sink_.frame(sink_.ctx, LECTERN_FRAME_BINARY, str(bytes))); }

 private:
  lectern_frame_sink sink_;
};

/// Calls about one connection never overlap; calls about different ones may run at the same time on different threads.
/// None may block. What a connection remembers goes into ConnectionMap.
class Transport {
 public:
  virtual ~Transport() = default;
  /// [reactor] Returns the encoding: connections with the same number get the same frames. `query_json`: a JSON object
  /// of strings. A thrown Failure refuses the connection.
  virtual std::uint64_t open(std::uint64_t connection, std::uint32_t binding, std::string_view query_json) = 0;
  /// [reactor] One frame, or some bytes of a stream. A thrown Failure closes the connection and is logged; what is
  /// only unknown is ignored; what deserves an answer is handed over as LECTERN_IN_MALFORMED.
  virtual void receive(std::uint64_t connection, std::uint32_t frame_kind, std::string_view bytes,
                       const InboundSink& out) = 0;
  /// [reactor] Pure: the host encodes once and shares the frames.
  virtual void encode(std::uint64_t encoding, const Outbound& message, const FrameSink& out) const = 0;
  /// [reactor] Forgets the connection.
  virtual void close(std::uint64_t connection) = 0;
};

/// What a transport remembers of each connection. Safe for several reactors; a pointer stays valid until erase, because
/// calls about one connection never overlap.
template <class T>
class ConnectionMap {
 public:
  template <class... Args>
  T& emplace(std::uint64_t connection, Args&&... args) {
    auto made = std::make_unique<T>(std::forward<Args>(args)...);
    T& value = *made;
    const std::unique_lock lock(mutex_);
    map_[connection] = std::move(made);
    return value;
  }
  /// Null when there is none.
  [[nodiscard]] T* find(std::uint64_t connection) const {
    const std::shared_lock lock(mutex_);
    const auto at = map_.find(connection);
    return at == map_.end() ? nullptr : at->second.get();
  }
  void erase(std::uint64_t connection) {
    const std::unique_lock lock(mutex_);
    map_.erase(connection);
  }

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::uint64_t, std::unique_ptr<T>> map_;
};

/// Makes a lectern_transport of a class derived from Transport with a constructor from the settings (JSON text).
template <class T>
struct TransportOf {
  using Plugin = T;
  static constexpr std::string_view kind = LECTERN_KIND_TRANSPORT;

  static const lectern_transport& abi() {
    static const auto bindings = [] {
      std::array<lectern_binding, std::size(T::bindings)> made{};
      for (std::size_t i = 0; i < made.size(); ++i) {
        const Binding& from = T::bindings[i];
        made[i] = {sizeof(lectern_binding), from.carrier, str(from.route), str(from.name)};
      }
      return made;
    }();
    static const lectern_transport made{sizeof(lectern_transport),
                                        static_cast<std::uint32_t>(bindings.size()),
                                        bindings.data(),
                                        &create,
                                        &destroy,
                                        &open,
                                        &receive,
                                        &encode,
                                        &close};
    return made;
  }

 private:
  static lectern_status create(lectern_str config, void** self, lectern_error* error) noexcept {
    detail::Call call("lectern_transport.create", error);
    call.initialised().control().text(config, "config");
    return detail::make<T>(call, self, view(config));
  }
  static void destroy(void* self) noexcept { detail::unmake<T>("lectern_transport.destroy", self); }
  static lectern_status open(void* self, std::uint64_t connection, std::uint32_t binding, lectern_str query,
                             std::uint64_t* encoding, lectern_error* error) noexcept {
    detail::Call call("lectern_transport.open", error);
    call.initialised().object(self).pointer(encoding, "place for the encoding").text(query, "query");
    return call.run([&] {
      detail::Opening opening(self, connection);
      *encoding = detail::value<T>(self).open(connection, binding, view(query));
      opening.opened();
    });
  }
  static lectern_status receive(void* self, std::uint64_t connection, std::uint32_t frame_kind, lectern_str bytes,
                                const lectern_inbound_sink* out, lectern_error* error) noexcept {
    detail::Call call("lectern_transport.receive", error);
    call.initialised().object(self).connection(self, connection).given(out, "sink");
    if (frame_kind == LECTERN_FRAME_TEXT) call.text(bytes, "text frame");
    return call.run([&] { detail::value<T>(self).receive(connection, frame_kind, view(bytes), InboundSink(*out)); });
  }
  static lectern_status encode(void* self, std::uint64_t encoding, const lectern_outbound* from,
                               const lectern_frame_sink* out) noexcept {
    detail::Call call("lectern_transport.encode");
    call.initialised().object(self).given(from, "message").given(out, "sink");
    if (!call.failed()) call.text(from->data, "data");
    return call.run([&] {
      Outbound message;
      message.kind = from->kind;
      message.document = from->document;
      message.has_seq = from->has_seq != 0;
      message.seq = from->seq;
      message.op = view(from->op);
      message.data = view(from->data);
      message.payload = view(from->payload);
      message.stream = view(from->stream);
      message.sizes = {from->sizes, from->n_sizes};
      detail::value<T>(self).encode(encoding, message, FrameSink(*out));
    });
  }
  static void close(void* self, std::uint64_t connection) noexcept {
    detail::Call call("lectern_transport.close");
    call.initialised().object(self).connection(self, connection);
    (void)call.run([&] { detail::value<T>(self).close(connection); });
    if (detail::Call::thorough()) detail::connections().remove(self, connection);
  }
};

}  // namespace lectern::sdk
