// A transport in a process of its own: the calls of lectern_transport handed over, for reactors never wait; what comes
// back is replayed into the same sinks that a plugin in this process writes to.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "isolation/line.hpp"
#include "lectern/abi/draft/transport.h"

namespace lectern::isolation {

class RemoteTransport {
 public:
  explicit RemoteTransport(std::shared_ptr<Line> line) : line_(std::move(line)) {}
  /// [control] Ends the process.
  ~RemoteTransport() { end(); }
  RemoteTransport(const RemoteTransport&) = delete;
  RemoteTransport& operator=(const RemoteTransport&) = delete;

  /// [control] As Line::end(): nothing is called any more.
  void end() { line_->end(); }

  /// [any] As the functions of lectern_transport; 503 when too much waits, and `done` is not called.
  Status open(std::uint64_t connection, std::uint32_t binding, std::string_view query, Line::Done done);
  Status receive(std::uint64_t connection, std::uint32_t frame_kind, std::string_view bytes, Line::Done done);
  Status encode(std::uint64_t encoding, const lectern_outbound& message, Line::Done done);
  void close(std::uint64_t connection);

  /// [any] What the answers say. LECTERN_INTERNAL with the blame in `error` when the process died of it.
  static lectern_status opened(const Line::Reply& reply, std::uint64_t& encoding, lectern_error& error);
  static lectern_status received(const Line::Reply& reply, const lectern_inbound_sink& out, lectern_error& error);
  static lectern_status encoded(const Line::Reply& reply, const lectern_frame_sink& out, lectern_error& error);

 private:
  const std::shared_ptr<Line> line_;  // shared with the Remote, which reports on it
};

}  // namespace lectern::isolation
