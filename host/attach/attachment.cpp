#include "attach/attachment.hpp"

#include <algorithm>
#include <utility>

#include "api/url.hpp"
#include "attach/answers.hpp"
#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "presence/credentials.hpp"

namespace lectern::attach {
namespace {

double random_share() {
  const auto bytes = crypto::random_bytes(2);
  const auto high = static_cast<unsigned char>(bytes[0]), low = static_cast<unsigned char>(bytes[1]);
  return (high * 256 + low) / 65'536.0;
}

bool is_true(const json::Value& object, std::string_view key) {
  const auto* value = object.find(key);
  return value != nullptr && value->as_bool().value_or(false);
}

Error not_paired(const std::string& device_name) {
  return {401, "not_paired", "this device is not paired with '" + device_name + "'", {}, {}};
}

std::string session_path(const std::string& id) {
  return "/api/v1/sessions/" + api::percent_encode(id);
}

}  // namespace

Attachment::Attachment(Loop& loop, std::shared_ptr<const Home> home, presence::RemoteSession row)
    : loop_(loop),
      home_(std::move(home)),
      remote_(std::move(row)),
      back_off_(home_->times.first_pause_ms, home_->times.longest_pause_ms),
      again_(loop),
      refresh_(loop) {}

Attachment::~Attachment() = default;

json::Value Attachment::remote() const {
  json::Value out;
  out.set("device_id", remote_.device_id);
  out.set("device_name", remote_.device_name);
  return out;
}

json::Value Attachment::info() const {
  const std::scoped_lock lock(mutex_);
  return info_;
}

json::Value Attachment::row() const {
  const std::scoped_lock lock(mutex_);
  return row_;
}

std::string Attachment::notebook_id() const {
  const std::scoped_lock lock(mutex_);
  return json::string_or_empty(info_, "notebook_id");
}

void Attachment::open(session::Reply<json::Value> reply) {
  loop_.post([self = shared_from_this(), answer = std::make_shared<session::Reply<json::Value>>(std::move(reply))] {
    if (self->over_) return (*answer)(fail(not_paired(self->remote_.device_name)));
    self->dial(self->home_->cooling, [self, answer](Status dialled) {
      if (!dialled) {
        self->stop();
        return (*answer)(fail(dialled.error()));
      }
      self->learn([self, answer](Status learnt) {
        if (!learnt) {
          if (self->line_) self->line_->cut();
          self->stop();
          return (*answer)(fail(learnt.error()));
        }
        self->unwatched_ms_ = clock::now_ms();
        self->refresh_in(self->home_->times.refresh_ms);
        (*answer)(self->info());
      });
    });
  });
}

/// Looks for what proves us, which reads files, then dials.
void Attachment::dial(std::shared_ptr<Cooling> cooling, Then then) {
  dialled_ = std::move(then);
  home_->workers->submit([self = shared_from_this(), cooling = std::move(cooling)] {
    auto peers = peers_of(self->home_->find_access, self->remote_);
    self->loop_.post(
        [self, cooling, peers = std::move(peers)]() mutable { self->start_dial(cooling, std::move(peers)); });
  });
}

void Attachment::start_dial(std::shared_ptr<Cooling> cooling, std::vector<Peer> peers) {
  if (over_) return;
  if (peers.empty()) {
    const auto then = std::exchange(dialled_, {});
    return then(fail(not_paired_error(remote_)));
  }
  Line::Settings settings;
  settings.target = session_path(id()) + "/relay";
  settings.subprotocol = relay::subprotocol;
  settings.headers = {{"Lectern-Device-Name", home_->device_name}};
  settings.open_ms = home_->times.dial.total_ms;
  settings.max_message = 4 + relay::max_header + relay::max_session_payload;
  Line::Handlers handlers;
  handlers.message = [weak = weak_from_this()](std::string_view bytes) {
    if (auto self = weak.lock()) self->on_message(bytes);
  };
  handlers.closed = [weak = weak_from_this()](const Line::Closed& how) {
    if (auto self = weak.lock()) self->line_closed(how);
  };
  dial_ = std::make_shared<Dial>(loop_, std::move(cooling), remote_.device_name, std::move(peers), std::move(settings),
                                 std::move(handlers), home_->times.dial);
  dial_->start([self = shared_from_this()](Result<std::shared_ptr<Line>> line) {
    self->dial_.reset();
    const auto then = std::exchange(self->dialled_, {});
    if (!line) return then(fail(line.error()));
    self->opened(*line);
    then({});
  });
}

void Attachment::opened(const std::shared_ptr<Line>& line) {
  line_ = line;
  peer_ = line->peer();
  next_channel_ = 1;
  back_off_.reset();
  down_since_ms_.reset();
  for (auto& [number, seat] : seats_) {
    if (!seat.over) open_channel(seat, number);
  }
}

/// Viewers see what a cut line to the session itself would show them: they come back with their key and the last thing
/// they saw, and wait here until the line is up again.
void Attachment::line_closed(const Line::Closed& how) {
  line_.reset();
  by_channel_.clear();
  const bool ended = how.code == 1000 && (how.reason.starts_with("SESSION_ENDED") || how.reason.starts_with("EXPIRED"));
  if (ended) return end_by_itself(1000, how.reason);
  if (how.code == 1008) return end_by_itself(1008, "UNAUTHORIZED");
  log::info("attach", "the line to '" + remote_.device_name + "' is gone: " + how.reason);
  for (auto& [number, seat] : seats_) {
    seat.channel = 0;
    if (!std::exchange(seat.over, true)) seat.link->cut();
  }
  come_back();
}

void Attachment::come_back() {
  const auto now = clock::now_ms();
  if (now - down_since_ms_.value_or(now) >= home_->times.gone_ms) {
    log::info("attach", "'" + remote_.device_name + "' does not come back: session " + id() + " is let go");
    return end_by_itself(1000, "SESSION_ENDED");
  }
  if (!down_since_ms_) down_since_ms_ = now;
  const auto pause = back_off_.next_ms(random_share());
  again_.start(std::chrono::milliseconds(pause), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->over_) return;
    // What paces us is the pause: an endpoint that was good is not left alone for longer than that.
    self->dial(std::make_shared<Cooling>(), [self](Status dialled) {
      if (dialled) return self->refresh_in(0);
      const auto status = dialled.error().status;
      if (status == 404) return self->end_by_itself(1000, "SESSION_ENDED");
      if (status == 401 || status == 403) return self->end_by_itself(1008, "UNAUTHORIZED");
      self->come_back();
    });
  });
}

void Attachment::end_for_viewers(std::uint16_t code, const std::string& reason) {
  for (auto& [number, seat] : seats_) {
    close_channel(seat, true);
    end_seat(seat, code, reason);
  }
}

void Attachment::end_by_itself(std::uint16_t code, const std::string& reason) {
  if (over_) return;
  end_for_viewers(code, reason);
  if (line_) line_->cut();
  stop();
  home_->ended(id());
}

/// What proved us to that device is void, and with it what it opened.
void Attachment::unpaired() {
  if (over_) return;
  if (const auto then = std::exchange(dialled_, {})) {
    if (dial_) dial_->cancel();
    dial_.reset();
    return then(fail(not_paired(remote_.device_name)));
  }
  end_by_itself(1008, "UNAUTHORIZED");
}

void Attachment::stop() {
  over_ = true;
  again_.cancel();
  refresh_.cancel();
  if (dial_) dial_->cancel();
  dial_.reset();
  dialled_ = {};
  line_.reset();
}

void Attachment::close(std::string reason, Task done) {
  loop_.post([self = shared_from_this(), reason = std::move(reason), done = std::make_shared<Task>(std::move(done))] {
    if (self->over_) return (*done)();
    self->end_for_viewers(1000, reason);
    const auto line = self->line_;
    self->stop();
    if (!line) return (*done)();
    line->close([done] { (*done)(); });
  });
}

void Attachment::revoke(std::string principal) {
  loop_.post([self = shared_from_this(), principal = std::move(principal)] {
    if (presence::device_of_principal(principal) == self->remote_.device_id) return self->unpaired();
    for (auto& [number, seat] : self->seats_) {
      if (seat.request.principal != principal) continue;
      self->close_channel(seat, false, true);
      self->end_seat(seat, 1008, "UNAUTHORIZED");
    }
  });
}

// What the list shows.

void Attachment::ask(const std::string& target, std::function<void(Result<json::Value>)> then) {
  api::Forwarded request;
  request.method = "GET";
  request.target = target;
  auto wanted = request_to(std::move(request), home_->device_name);
  wanted.timeout_ms = home_->times.dial.total_ms;
  wanted.max_body = 16u << 20;
  exchange(loop_, peer_, std::move(wanted), [then = std::move(then)](Result<HttpAnswer> answer) {
    if (!answer) return then(fail(answer.error()));
    auto body = json::parse(answer->body);
    if (answer->status != 200 || !body) {
      return then(fail(answer->status == 404 ? 404 : 502, "remote_unreachable",
                       "the other device answered " + std::to_string(answer->status)));
    }
    then(std::move(*body));
  });
}

void Attachment::learn(std::function<void(Status)> then) {
  ask(session_path(id()), [self = shared_from_this(), then = std::move(then)](Result<json::Value> session) {
    if (self->over_) return then(fail(410, "gone", "the session was detached meanwhile"));
    if (!session) {
      auto error = session.error();
      if (error.status == 0) error = dial_error(self->remote_.device_name, {{self->peer_.endpoint.address, error}});
      return then(fail(std::move(error)));
    }
    json::Value info;
    for (const auto* key :
         {"protocol", "notebook_id", "session_id", "path", "format", "cell_count", "needs_trust_approval"}) {
      const auto* value = session->find(key);
      if (value == nullptr)
        return then(fail(502, "bad_answer",
                         "the other device's answer about the session lacks '" + std::string(key) + "'",
                         "use matching versions of the two hosts"));
      info.set(key, *value);
    }
    info.set("remote", self->remote());
    {
      const std::scoped_lock lock(self->mutex_);
      self->row_ = info;  // until the list says more
      self->row_.set("epoch", 0);
      self->row_.set("members", 0);
      self->info_ = std::move(info);
    }
    self->ask("/api/v1/sessions", [self, then](Result<json::Value> list) {
      if (self->over_) return then(fail(410, "gone", "the session ended meanwhile"));
      if (list) self->take_row(*list);
      then({});
    });
  });
}

void Attachment::take_row(const json::Value& list) {
  if (over_) return;
  const auto* rows = list.find("sessions");
  const auto* all = rows == nullptr ? nullptr : rows->as_array();
  if (all == nullptr) return;
  for (const auto& one : *all) {
    if (json::string_or_empty(one, "session_id") != id() || one.find("remote") != nullptr) continue;
    auto row = one;
    row.set("remote", remote());
    const std::scoped_lock lock(mutex_);
    if (row == row_) return;
    row_ = std::move(row);
  }
  home_->changed();
}

void Attachment::refresh_in(int ms) {
  if (over_) return;
  refresh_.start(std::chrono::milliseconds(ms), [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->refresh();
  });
}

bool Attachment::is_idle() const {
  if (!seats_.empty() || forwarding_ > 0 || clock::now_ms() - unwatched_ms_ < home_->times.idle_ms) return false;
  const std::scoped_lock lock(mutex_);
  return !is_true(row_, "running") && !is_true(row_, "needs_input") &&
         json::string_or_empty(row_, "kernel_state") != "busy";
}

/// Whatever presence says: what works or waits for somebody there stays, what idles unseen here goes.
void Attachment::refresh() {
  if (over_) return;
  refresh_in(home_->times.refresh_ms);
  if (!line_) {
    if (is_idle()) end_by_itself(1000, "SESSION_ENDED");
    return;
  }
  ask("/api/v1/sessions", [self = shared_from_this()](Result<json::Value> list) {
    if (self->over_) return;
    if (list) self->take_row(*list);
    if (!self->is_idle()) return;
    log::info("attach", "session " + self->id() + " idles on '" + self->remote_.device_name + "': it is let go");
    self->end_by_itself(1000, "SESSION_ENDED");
  });
}

// HTTP.

void Attachment::forward(api::Forwarded request, api::Respond respond) {
  constexpr std::size_t most_at_once = 256;
  auto answer = std::make_shared<api::Respond>(std::move(respond));
  loop_.post([self = shared_from_this(), request = std::move(request), answer] {
    if (self->over_ || !self->line_) {
      return (*answer)(api::error_response(
          {504,
           "remote_unreachable",
           self->over_ ? "the session was detached" : "there is no line to '" + self->remote_.device_name + "' now",
           self->over_ ? "" : "ask again in a moment: it is dialled",
           {}}));
    }
    self->unwatched_ms_ = clock::now_ms();
    if (self->forwarding_ >= most_at_once) {
      return (*answer)(api::error_response({503,
                                            "busy",
                                            "too many requests to '" + self->remote_.device_name + "' are under way",
                                            "ask again in a moment",
                                            {}}));
    }
    ++self->forwarding_;
    exchange(self->loop_, self->peer_, request_to(request, self->home_->device_name),
             [self, answer](Result<HttpAnswer> reply) {
               --self->forwarding_;
               (*answer)(forwarded_response(self->remote_.device_name, std::move(reply)));
             });
  });
}

}  // namespace lectern::attach
