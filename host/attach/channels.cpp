// The viewers of an attachment and their channels on its line.
#include <utility>

#include "attach/answers.hpp"
#include "attach/attachment.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"

namespace lectern::attach {
namespace {

// From here on a viewer counts as full: the host there paces it, and treats it as it would a slow consumer of its own.
constexpr std::size_t full_bytes = 1u << 20;
// Beyond that it is closed here: the host there did not pace it.
constexpr std::size_t most_queued = relay::max_session_payload + (64u << 20);
constexpr std::size_t most_upstream = 64u << 20;
// From here on the viewer that most of what waits for the line is from goes, and no other.
constexpr std::size_t crowded_upstream = most_upstream / 4;
constexpr std::size_t most_early = 1u << 20;
constexpr std::uint16_t cut_code = 1006;  // the session cut the viewer without a word

}  // namespace

class Attachment::Viewer final : public session::LinkEvents {
 public:
  Viewer(std::shared_ptr<Attachment> home, std::uint64_t number) : home_(std::move(home)), number_(number) {}
  void on_frame(bool binary, std::string_view bytes) override { home_->heard(number_, binary, bytes); }
  void on_drained() override { home_->drained(number_); }
  void on_closed(bool clean) override { home_->left(number_, clean); }

 private:
  std::shared_ptr<Attachment> home_;  // shared: sockets may outlive what they looked at by a turn
  std::uint64_t number_;
};

std::unique_ptr<session::LinkEvents> Attachment::connect(session::ConnectRequest request, session::Link& link) {
  if (over_) {
    link.close(1000, "SESSION_ENDED");
    return nullptr;
  }
  if (seats_.size() >= relay::max_channels) {
    link.close(1013, "SESSION_FULL");
    return nullptr;
  }
  const auto number = next_seat_++;
  auto& seat = seats_[number];
  seat.link = &link;
  seat.request = std::move(request);
  if (line_) {
    open_channel(seat, number);
  } else {
    seat.patience = std::make_unique<Timer>(loop_);
    seat.patience->start(std::chrono::milliseconds(home_->times.viewer_waits_ms), [weak = weak_from_this(), number] {
      const auto self = weak.lock();
      const auto found = self ? self->seats_.find(number) : Seats::iterator();
      if (!self || found == self->seats_.end() || found->second.over) return;
      found->second.over = true;
      found->second.link->cut();
    });
  }
  return std::make_unique<Viewer>(shared_from_this(), number);
}

void Attachment::open_channel(Seat& seat, std::uint64_t number) {
  seat.patience.reset();
  seat.channel = next_channel_++;
  by_channel_[seat.channel] = number;
  relay::Header header;
  header.op = relay::Op::open;
  header.channels = {seat.channel};
  header.query_json = seat.request.query_json;
  header.client_key = seat.request.client_key;
  header.scope = seat.request.scope;
  header.last = seat.request.last_event_id;
  auto bytes = relay::encode(header, relay::From::viewers);
  if (!bytes) {
    by_channel_.erase(seat.channel);
    seat.channel = 0;
    return end_seat(seat, 1009, bytes.error().code);
  }
  line_->send(std::move(*bytes));
  for (const auto& [binary, early] : std::exchange(seat.early, {})) {
    relay::Header frame;
    frame.channels = {seat.channel};
    frame.text = !binary;
    send(frame, early);
  }
}

void Attachment::send(const relay::Header& header, std::string_view payload) {
  if (!line_) return;
  auto bytes = relay::encode(header, relay::From::viewers, payload);
  if (bytes) {
    line_->send(std::move(*bytes));
  } else {
    log::warning("attach", "a message for '" + remote_.device_name + "' is dropped: " + bytes.error().message);
  }
}

void Attachment::heard(std::uint64_t number, bool binary, std::string_view bytes) {
  const auto found = seats_.find(number);
  if (found == seats_.end() || found->second.over) return;
  auto& seat = found->second;
  if (seat.channel == 0) {
    seat.early_bytes += bytes.size();
    if (seat.early_bytes > most_early) return end_seat(seat, 1009, "TOO_LARGE");
    seat.early.emplace_back(binary, bytes);
    return;
  }
  const auto queued = line_->queued_bytes();
  if (queued == 0) ++stretch_;
  if (std::exchange(seat.stretch, stretch_) != stretch_) seat.sent = 0;
  seat.sent += bytes.size();
  if (queued > most_upstream || (queued > crowded_upstream && seat.sent > queued / 2)) {
    close_channel(seat, false);
    return end_seat(seat, 1013, "TOO_SLOW");
  }
  relay::Header header;
  header.channels = {seat.channel};
  header.text = !binary;
  send(header, bytes);
}

void Attachment::drained(std::uint64_t number) {
  const auto found = seats_.find(number);
  if (found == seats_.end() || found->second.channel == 0 || !std::exchange(found->second.full, false)) return;
  relay::Header header;
  header.op = relay::Op::drained;
  header.channels = {found->second.channel};
  send(header);
}

void Attachment::left(std::uint64_t number, bool clean) {
  const auto found = seats_.find(number);
  if (found == seats_.end()) return;
  close_channel(found->second, clean);
  seats_.erase(found);
  if (seats_.empty()) unwatched_ms_ = clock::now_ms();
}

Attachment::Seat* Attachment::seat_of(relay::Channel channel) {
  const auto number = by_channel_.find(channel);
  const auto seat = number == by_channel_.end() ? seats_.end() : seats_.find(number->second);
  return seat == seats_.end() ? nullptr : &seat->second;
}

/// Tells the viewer's own socket; it is gone when left() says so.
void Attachment::end_seat(Seat& seat, std::uint16_t code, std::string reason) {
  seat.patience.reset();
  if (!std::exchange(seat.over, true)) seat.link->close(code, std::move(reason));
}

/// Tells the host there, if it knows of the viewer.
void Attachment::close_channel(Seat& seat, bool clean, bool revoked) {
  const auto channel = std::exchange(seat.channel, 0);
  if (channel == 0) return;
  by_channel_.erase(channel);
  relay::Header header;
  header.op = relay::Op::close;
  header.channels = {channel};
  header.clean = clean;
  header.revoked = revoked;
  send(header);
}

void Attachment::on_message(std::string_view bytes) {
  const auto message = relay::decode(bytes, relay::From::session);
  if (!message) {
    log::warning("attach", "'" + remote_.device_name + "' breaks the relay's rules: " + message.error().message);
    const auto line = line_;
    if (!line) return;
    line->cut();
    return line_closed({0, message.error().message});
  }
  const auto& header = message->header;
  if (header.op == relay::Op::frame) return on_frame(*message);
  auto* const seat = seat_of(header.channels.front());
  if (seat == nullptr) return;
  by_channel_.erase(std::exchange(seat->channel, 0));
  if (header.op == relay::Op::refused) {
    auto [code, reason] = refusal(header.error);
    end_seat(*seat, code, std::move(reason));
  } else if (header.op == relay::Op::closed && header.code == cut_code) {
    if (!std::exchange(seat->over, true)) seat->link->cut();
  } else if (header.op == relay::Op::closed) {
    end_seat(*seat, header.code, header.reason);
  }
}

/// One copy, shared by the queues of all it is for.
void Attachment::on_frame(const relay::Message& message) {
  const auto frame =
      std::make_shared<const session::Frame>(session::Frame{!message.header.text, std::string(message.payload)});
  relay::Header full;
  full.op = relay::Op::full;
  for (const auto channel : message.header.channels) {
    auto* const seat = seat_of(channel);
    if (seat == nullptr || seat->over) continue;
    if (seat->link->queued_bytes() > most_queued) {
      close_channel(*seat, false);
      end_seat(*seat, 1013, "TOO_SLOW");
      continue;
    }
    seat->link->send(frame);
    if (seat->link->queued_bytes() < full_bytes || std::exchange(seat->full, true)) continue;
    full.channels.push_back(channel);
  }
  if (!full.channels.empty()) send(full);
}

}  // namespace lectern::attach
