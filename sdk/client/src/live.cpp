#include "live.hpp"

#include <algorithm>
#include <array>

#include "state.hpp"

namespace lectern::client {
namespace {

constexpr int max_violations = 4;
constexpr std::chrono::minutes violations_count_for{1};
constexpr Milliseconds first_backoff{50}, longest_backoff{2'000};

bool is_final(const net::Closed& closed) {
  static constexpr std::array<std::string_view, 4> reasons{"SESSION_ENDED", "REPLACED", "UNAUTHORIZED", "EXPIRED"};
  if (closed.code == 4001) return true;
  return std::any_of(reasons.begin(), reasons.end(),
                     [&](std::string_view reason) { return closed.reason.starts_with(reason); });
}

}  // namespace

Live::Live(Server server, Options options) : server_(std::move(server)), options_(std::move(options)) {}

void Live::open(const std::string& target, const Json& body, Callback<void> opened) {
  opened_ = std::move(opened);
  lost_at_ = Clock::now();
  opening_.start(options_.open_timeout, [this] {
    end({0,
         "timeout",
         "the notebook was not open within " + std::to_string(options_.open_timeout.count()) + " ms",
         "Options::open_timeout says how long it may take",
         {}});
  });
  ask(server_, "POST", target, body, options_.open_timeout, options_.max_message_bytes,
      [self = shared_from_this()](Result<std::string> answer) {
        if (self->over_) return;
        if (!answer) return self->end(answer.error());
        const auto parsed = Json::parse(*answer);
        auto info = parsed ? connection_info(*parsed) : Result<ConnectionInfo>(parsed.error());
        if (!info) return self->end(info.error());
        self->change([&](View& view) { view.info = std::move(*info); });
        self->connect();
      });
}

void Live::connect() {
  std::string target = "/api/v1/sessions/" + percent_encode(view().info.session_id) +
                       "/connect?document=events&models=events&buffers=base64";
  if (options_.view_only) target += "&view_only=true";
  if (!options_.label.empty()) target += "&label=" + percent_encode(options_.label);
  auto headers = server_.headers();
  if (!client_key_.empty()) {
    target += "&client_id=" + percent_encode(view().client_id);
    headers.emplace_back("Lectern-Client", client_key_);
  }
  if (!resume_.empty()) target += "&resume=" + percent_encode(resume_);
  ready_seen_ = false;
  const auto on_self = [weak = weak_from_this(), generation = ++generation_](auto work) {
    return [weak, generation, work](auto&&... what) {
      const auto self = weak.lock();
      if (self && !self->over_ && self->generation_ == generation) work(*self, what...);
    };
  };
  net::WebSocket::Handlers handlers;
  handlers.opened = on_self([](Live& self) {
    self.replay_.start(self.options_.open_timeout, [&self] {
      self.link_gone();
      self.come_back_later({0, "unreachable", "the host did not end its replay", {}, {}});
    });
  });
  handlers.refused = on_self([](Live& self, const net::HttpAnswer& answer) { self.refused(answer); });
  handlers.text = on_self([](Live& self, std::string_view text) { self.received(text); });
  handlers.closed = on_self([](Live& self, const net::Closed& closed) { self.closed(closed); });
  link_ = net::WebSocket::connect(server_.endpoint,
                                  {std::move(target), std::string(protocol), std::move(headers),
                                   options_.connect_timeout, options_.silent_for, options_.max_message_bytes},
                                  std::move(handlers));
}

// A host that was started anew gives the notebook a new session; our key is in its journal.
void Live::reopen() {
  ask(server_, "POST", "/api/v1/notebooks/open", Json().set("path", view().info.path), options_.connect_timeout,
      options_.max_message_bytes, [self = shared_from_this()](Result<std::string> answer) {
        if (self->over_) return;
        if (!answer) {
          const auto& error = answer.error();
          // Open elsewhere: the one that went may still hold the file for a moment.
          const bool may_pass = error.status == 0 || error.status == 423 || error.status == 429 || error.status >= 500;
          return may_pass ? self->come_back_later(error) : self->end(error);
        }
        const auto parsed = Json::parse(*answer);
        auto info = parsed ? connection_info(*parsed) : Result<ConnectionInfo>(parsed.error());
        if (!info) return self->end(info.error());
        self->change([&](View& view) { view.info = std::move(*info); });
        self->connect();
      });
}

void Live::come_back_later(Error why) {
  if (over_) return;
  if (Clock::now() - lost_at_ > options_.reconnect_for) {
    why.hint = "Options::reconnect_for says how long to try";
    return end(std::move(why));
  }
  retry_.start(backoff_, [this] { connect(); });
  backoff_ = std::min(std::max(backoff_ * 2, first_backoff), longest_backoff);
}

void Live::refused(const net::HttpAnswer& answer) {
  link_gone();
  auto error = refusal(answer.status, answer.body);
  if (answer.status == 429 || answer.status == 503) return come_back_later(std::move(error));
  if (!ever_current_) return end(std::move(error));
  if (answer.status == 404) return reopen();
  if (answer.status >= 500) return come_back_later(std::move(error));
  end(std::move(error));
}

void Live::closed(const net::Closed& how) {
  link_gone();
  if (is_final(how)) {
    return end({0, "ended", "the host ended this connection: " + std::to_string(how.code) + " " + how.reason, {}, {}});
  }
  auto why = how.error;
  if (how.code != 0) {
    why = {0, "unreachable", "the host closed the connection: " + std::to_string(how.code) + " " + how.reason, {}, {}};
  }
  if (why.code == "bad_answer") return broken(why);
  if (why.code == "protocol_mismatch" || (!ever_current_ && how.code == 0)) return end(std::move(why));
  come_back_later(std::move(why));
}

/// This link's part of what is known is over.
void Live::link_gone() {
  if (link_) std::exchange(link_, nullptr)->cut();
  ++generation_;
  replay_.cancel();
  own_.reset();
  held_.clear();
  held_bytes_ = 0;
  pendings_.link_lost();
  if (view().connected) lost_at_ = Clock::now();
  change([](View& view) { view.connected = false; });
  if (std::exchange(told_connected_, false)) tell(Link::lost);
  look_again();
}

/// What the host sent cannot be. A snapshot mends what a slip broke; a host that goes on like that is none.
void Live::broken(const Error& why) {
  if (over_) return;
  if (!tolerated()) return end(why);
  resume_.clear();
  link_gone();
  come_back_later(why);
}

/// The notebook can no longer be followed: a snapshot.
void Live::resync() {
  broken({0, "bad_answer", "the host told of an edit or a write of ours without what it was", {}, {}});
}

bool Live::tolerated() {
  const auto now = Clock::now();
  if (now - last_violation_ > violations_count_for) violations_ = 0;
  last_violation_ = now;
  return ++violations_ <= max_violations;
}

void Live::end(Error why) {
  if (over_) return;
  over_ = true;
  const auto keep = shared_from_this();
  told_connected_ = false;  // `ended` says it
  link_gone();
  for (auto* timer : {&retry_, &opening_, &replay_, &tick_}) timer->cancel();
  change([&](View& view) { view.ended = why; });
  for (auto& pending : pendings_.take_all()) pending.done(why);
  for (auto& [id, run] : std::exchange(runs_, {})) run.done(why);
  for (auto& [id, done] : std::exchange(asks_, {})) done(why);
  for (auto& [number, done] : std::exchange(blobs_, {})) done(why);
  for (auto& [number, done] : std::exchange(barriers_, {})) done(why);
  look_again();
  if (opened_) std::exchange(opened_, {})(why);
  tell(Link::ended);
}

void Live::close(std::function<void()> done) {
  const auto link = std::exchange(link_, nullptr);
  end({0, "ended", "this session was closed", {}, {}});
  options_.on_event = {};
  options_.on_link = {};
  {
    const std::lock_guard lock(hearing_mutex_);
    hearing_.clear();
  }
  if (!link) return done();
  link->close(std::move(done));
}

void Live::tell(Link link) {
  if (options_.on_link) options_.on_link(link);
}

}  // namespace lectern::client
