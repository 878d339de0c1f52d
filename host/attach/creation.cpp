#include "attach/creation.hpp"

#include <cstdint>
#include <string_view>
#include <utility>

#include "attach/access.hpp"
#include "attach/answers.hpp"
#include "base/json.hpp"
#include "presence/record_id.hpp"

namespace lectern::attach {
namespace {

constexpr std::uint64_t longest_answer = 1u << 20;

Error draining(std::string hint = {}) {
  return {503, "draining", "this host is shutting down", std::move(hint), {}};
}

}  // namespace

Creation::Creation(Loop& loop, std::shared_ptr<const Attachment::Home> home, presence::RemoteSession host,
                   api::Forwarded request)
    : loop_(loop), home_(std::move(home)), host_(std::move(host)), request_(std::move(request)) {}

void Creation::start(Done done) {
  loop_.post([self = shared_from_this(), done = std::move(done)]() mutable {
    self->done_ = std::move(done);
    if (self->over_) return self->finish(fail(draining()));
    self->home_->workers->submit([self] {
      auto peers = peers_of(self->home_->find_access, self->host_);
      self->loop_.post([self, peers = std::move(peers)]() mutable { self->dial(std::move(peers)); });
    });
  });
}

void Creation::cancel() {
  loop_.post([self = shared_from_this()] {
    self->over_ = true;
    if (self->dial_) self->dial_->cancel();
    self->dial_.reset();
    self->finish(fail(draining("what was asked may have happened")));
  });
}

/// Only who answers is found out side by side: two requests would make two notebooks.
void Creation::dial(std::vector<Peer> peers) {
  if (!done_) return;
  if (peers.empty()) return finish(fail(not_paired_error(host_)));
  Line::Settings settings;
  settings.open_ms = home_->times.dial.total_ms;
  Line::Handlers handlers;
  handlers.message = [](std::string_view) {};
  handlers.closed = [](const Line::Closed&) {};
  dial_ = std::make_shared<Dial>(loop_, home_->cooling, host_.device_name, std::move(peers), std::move(settings),
                                 std::move(handlers), home_->times.dial);
  dial_->start([self = shared_from_this()](Result<std::shared_ptr<Line>> line) {
    self->dial_.reset();
    if (!line) return self->finish(fail(line.error()));
    const auto peer = (*line)->peer();
    (*line)->cut();
    self->ask(peer);
  });
}

void Creation::ask(const Peer& peer) {
  auto wanted = request_to(std::move(request_), home_->device_name);
  wanted.max_body = longest_answer;
  exchange(loop_, peer, std::move(wanted), [self = shared_from_this()](Result<HttpAnswer> answer) {
    auto body = answered_json(self->host_.device_name, std::move(answer));
    if (!body) return self->finish(fail(body.error()));
    const auto* id = body->find("session_id");
    const auto* text = id == nullptr ? nullptr : id->as_string();
    if (text == nullptr || !presence::is_id(*text, presence::longest_session_id)) {
      return self->finish(fail(502, "protocol_mismatch",
                               "'" + self->host_.device_name + "' did not say what it created",
                               "use matching versions of the two hosts"));
    }
    self->finish(*text);
  });
}

void Creation::finish(Result<std::string> result) {
  if (auto done = std::exchange(done_, {})) done(std::move(result));
}

}  // namespace lectern::attach
