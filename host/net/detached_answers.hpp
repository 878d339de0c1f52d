// HTTP answers that no worker waits for: late ones, large ones, those made piece by piece, and the polite end of a
// refused connection. They live on the net layer's own reactor.
#pragma once

#include <memory>
#include <string>

#include "api/http.hpp"
#include "base/loop.hpp"
#include "net/wire.hpp"

namespace lectern::net {

class DetachedAnswers {
 public:
  /// [control] `loop` outlives this object.
  explicit DetachedAnswers(Loop& loop);
  /// [control] The loop has stopped. Pieces that still come are dropped.
  ~DetachedAnswers();
  DetachedAnswers(const DetachedAnswers&) = delete;
  DetachedAnswers& operator=(const DetachedAnswers&) = delete;

  /// [any] Writes head and body (which may be null), then ends the connection. A peer that takes nothing for 20 s is
  /// cut.
  void send(Wire wire, std::string head, std::shared_ptr<const std::string> body);
  /// [any] The same with a body that `source` makes: one piece is in memory at a time.
  void send(Wire wire, std::string head, std::shared_ptr<api::BodySource> source);
  /// [any] Sends FIN and reads past what still comes, for at most 2 s. Closing at once with unread input would send
  /// RST, and the peer might never see the answer that was just written.
  void linger(Wire wire) { send(std::move(wire), {}, std::shared_ptr<const std::string>()); }
  /// [any] Sockets not yet closed.
  [[nodiscard]] int open() const;

 private:
  class Answer;
  struct Shared;
  struct Body {
    std::shared_ptr<const std::string> bytes;
    std::shared_ptr<api::BodySource> source;
  };
  void send(Wire wire, std::string head, Body body);

  Loop& loop_;
  std::shared_ptr<Shared> shared_;  // with the answers, and with who makes their pieces
};

}  // namespace lectern::net
