#include "net/socket_link.hpp"

#include <array>

namespace lectern::net {
namespace {
using boost::system::error_code;
constexpr std::size_t bytes_per_turn = 1u << 20;  // so that one fast reader does not hold the loop
constexpr auto fin_patience = std::chrono::milliseconds(1000);
}  // namespace

SocketLink::SocketLink(Loop& loop, Wire wire, const LinkTimes& times, std::shared_ptr<Links> links)
    : loop_(loop), times_(times), links_(std::move(links)), wire_(loop.context(), std::move(wire)), patience_(loop) {}

SocketLink::~SocketLink() {
  wire_.close();
  links_->remove(this);
}

void SocketLink::enlist() {
  links_->add(this, weak_from_this(), loop_);
}

void SocketLink::become_closing() {
  if (stage_ != Stage::open) return;
  stage_ = Stage::closing;
  patience();
}

/// Cuts a closing link whose peer takes nothing; every write that makes progress starts it again.
void SocketLink::patience() {
  patience_.start(times_.close_patience, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->cut();
  });
}

void SocketLink::cut() {
  tell_closed(false);
  drop();
}

void SocketLink::enqueue(std::string_view head, session::FramePtr frame) {
  if (!wire_.open()) return;
  out_.push(head, std::move(frame));
  if (out_.bytes() >= full_bytes) was_full_ = true;
  schedule_flush();
}

void SocketLink::schedule_flush() {
  if (flush_scheduled_ || waiting_) return;
  flush_scheduled_ = true;
  loop_.at_turn_end([self = shared_from_this()] { self->flush(); });
}

void SocketLink::flush() {
  flush_scheduled_ = false;
  std::array<iovec, OutQueue::max_parts> parts;
  std::size_t this_turn = 0;
  while (wire_.open() && !out_.empty()) {
    if (this_turn >= bytes_per_turn) {
      flush_scheduled_ = true;
      loop_.post([self = shared_from_this()] { self->flush(); });
      return;
    }
    const auto io = wire_.wire().write(out_.gather(parts));
    if (io.failed) return cut();
    if (io.want != Want::nothing) {
      waiting_ = true;
      wire_.wait(io.want, [self = shared_from_this()](error_code error) {
        self->waiting_ = false;
        if (!error) self->flush();
      });
      return;
    }
    this_turn += io.bytes;
    out_.consume(io.bytes);
    after_write(io.bytes);
  }
  if (wire_.open()) {
    on_flushed();
    finish_if_flushed();
  }
}

void SocketLink::after_write(std::size_t bytes) {
  if (bytes > 0 && stage_ != Stage::open && !finished_) patience();
  if (!was_full_ || out_.bytes() >= full_bytes / 2) return;
  was_full_ = false;
  // In another turn: the session answers by sending, and must not find itself inside its own send.
  loop_.post([self = shared_from_this()] {
    if (self->events_ && self->stage_ == Stage::open) self->events_->on_drained();
  });
}

void SocketLink::tell_closed(bool clean) {
  if (stage_ == Stage::over) return;
  stage_ = Stage::over;
  if (!events_) return;
  loop_.post([self = shared_from_this(), clean] {
    self->events_->on_closed(clean);
    self->events_.reset();
  });
}

void SocketLink::end(bool clean) {
  tell_closed(clean);
  if (ending_ || !wire_.open()) return;
  ending_ = true;
  patience();
  if (!flush_scheduled_ && !waiting_) finish_if_flushed();
}

void SocketLink::finish_if_flushed() {
  if (!ending_ || finished_ || !out_.empty()) return;
  finished_ = true;
  wire_.wire().finish();
  patience_.start(fin_patience, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->drop();
  });
  drain_input();
}

/// Reads past what the peer still sends, until its FIN: closing with unread input would be a reset.
void SocketLink::drain_input() {
  std::array<char, 4096> waste;
  for (int rounds = 0; rounds < 16 && wire_.open(); ++rounds) {
    const auto io = wire_.wire().read(waste.data(), waste.size());
    if (io.end || io.failed) return drop();
    if (io.want != Want::nothing) break;
  }
  wire_.wait(Want::read, [self = shared_from_this()](error_code error) {
    if (!error) self->drain_input();
  });
}

void SocketLink::drop() {
  patience_.cancel();
  out_.clear();
  wire_.close();
  on_dropped();
}

}  // namespace lectern::net
