// What WebSocket links and stream links share: the queue and its writer, patience, the end of a connection.
#pragma once

#include <memory>
#include <string>

#include "api/upgrade.hpp"
#include "net/async_wire.hpp"
#include "net/links.hpp"
#include "net/out_queue.hpp"
#include "session/link.hpp"

namespace lectern::net {

/// Times of protocol 3; a test shortens them.
struct LinkTimes {
  std::chrono::milliseconds ping{20'000};
  std::chrono::milliseconds silence{45'000};
  std::chrono::milliseconds close_patience{5'000};
};

/// All functions [reactor]. Handlers that wait for the socket share ownership; when none is left the link is destroyed.
class SocketLink : public session::Link, public std::enable_shared_from_this<SocketLink> {
 public:
  /// From here on the link counts as full: on_drained follows when less than half of it is queued.
  static constexpr std::size_t full_bytes = 64u << 10;

  SocketLink(Loop& loop, Wire wire, const LinkTimes& times, std::shared_ptr<Links> links);
  ~SocketLink() override;
  SocketLink(const SocketLink&) = delete;
  SocketLink& operator=(const SocketLink&) = delete;

  [[nodiscard]] std::size_t queued_bytes() const override { return out_.bytes(); }
  void cut() override;
  /// Registers; call once after construction.
  void enlist();

 protected:
  enum class Stage { open, closing, over };

  [[nodiscard]] Stage stage() const { return stage_; }
  void become_closing();
  [[nodiscard]] AsyncWire& wire() { return wire_; }
  [[nodiscard]] Loop& loop() { return loop_; }
  [[nodiscard]] const LinkTimes& times() const { return times_; }
  [[nodiscard]] session::LinkEvents* events() { return events_.get(); }
  void listen(std::unique_ptr<session::LinkEvents> events) { events_ = std::move(events); }

  /// Queues bytes and sees to it that they leave at the end of this turn, whatever the stage.
  void enqueue(std::string_view head, session::FramePtr frame);
  /// The conversation is over: tells the events (once), sends what is queued, FIN, waits shortly for the peer's,
  /// closes.
  void end(bool clean);
  /// Called when the queue has run empty.
  virtual void on_flushed() {}
  /// Called when the socket has been closed here: let go of what waits for it.
  virtual void on_dropped() {}

 private:
  void schedule_flush();
  void flush();
  void after_write(std::size_t before);
  void patience();
  void tell_closed(bool clean);
  void finish_if_flushed();
  void drain_input();
  void drop();

  Loop& loop_;
  LinkTimes times_;
  std::shared_ptr<Links> links_;
  AsyncWire wire_;
  OutQueue out_;
  std::unique_ptr<session::LinkEvents> events_;
  Timer patience_;
  Stage stage_ = Stage::open;
  bool flush_scheduled_ = false;
  bool waiting_ = false;  // for the socket to take more
  bool was_full_ = false;
  bool ending_ = false;
  bool finished_ = false;
};

}  // namespace lectern::net
