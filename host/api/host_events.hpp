// The host-wide event stream: sessions-changed, remote-sessions, plugins-changed. Latest state only: a slow reader
// misses nothing that still holds.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/loop.hpp"
#include "plugin/transport.hpp"
#include "session/link.hpp"

namespace lectern::api {

class HostEvents {
 public:
  /// Gives the data of an event as JSON text, now. [reactor]
  using Source = std::function<std::string()>;

  /// [control] `loop` outlives this object and must be stopped, or quiet, before it goes.
  explicit HostEvents(Loop& loop);
  ~HostEvents();
  HostEvents(const HostEvents&) = delete;
  HostEvents& operator=(const HostEvents&) = delete;

  /// [control] Before the first connection: where the data of `op` comes from, also for those who join later.
  void declare(std::string op, Source source);
  /// [any] The data of `op` changed. Coalesced: at most one event of a kind each 50 ms.
  void changed(std::string_view op);
  /// [reactor] A socket of the loop follows the events, encoded by `transport` as on its binding number `binding`, in
  /// the right of `principal`.
  std::unique_ptr<session::LinkEvents> connect(session::Link& link, plugin::TransportPtr transport,
                                               std::uint32_t binding, std::string principal);
  /// [any] Ends the streams of whoever reads as `principal`.
  void revoke(std::string principal);
  /// [any] Ends every stream.
  void close_all(std::string reason);

 private:
  class Reader;
  struct State;
  std::shared_ptr<State> state_;  // shared with what is posted, which may run after close_all
};

}  // namespace lectern::api
