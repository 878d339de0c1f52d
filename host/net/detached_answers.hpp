// HTTP answers that no worker waits for: late ones, large ones, and the polite end of a refused connection. They live
// on the net layer's own reactor.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/loop.hpp"
#include "net/wire.hpp"

namespace lectern::net {

class DetachedAnswers {
 public:
  /// [control] `loop` outlives this object.
  explicit DetachedAnswers(Loop& loop) : loop_(loop), open_(std::make_shared<std::atomic<int>>(0)) {}

  /// [any] Writes head and body (which may be null), then ends the connection. A peer that takes nothing for 20 s is
  /// cut.
  void send(Wire wire, std::string head, std::shared_ptr<const std::string> body);
  /// [any] Sends FIN and reads past what still comes, for at most 2 s. Closing at once with unread input would send
  /// RST, and the peer might never see the answer that was just written.
  void linger(Wire wire) { send(std::move(wire), {}, nullptr); }
  /// [any] Sockets not yet closed.
  [[nodiscard]] int open() const { return open_->load(); }

 private:
  Loop& loop_;
  std::shared_ptr<std::atomic<int>> open_;
};

}  // namespace lectern::net
