#include "attach/dial.hpp"

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "base/json.hpp"

namespace lectern::attach {
namespace {

bool was_reached(const Error& error) {
  return error.status >= 400 && error.code != "may_not_dial";
}

Error answered(const std::string& device_name, const Error& error) {
  const auto device = device_name.empty() ? std::string("the other device") : "'" + device_name + "'";
  if (error.status == 401) {
    const auto pair = "pair the two devices: 'lectern pair' there shows a code, 'lectern pair CODE@HOST' here takes it";
    const auto why =
        error.code == "wrong_key" || error.code == "not_paired" ? error.message : device + " does not know this device";
    return {401, "not_paired", why, pair, {}};
  }
  if (error.status == 403)
    return {403, "scope", device + " does not let this device in: " + error.message, error.hint, {}};
  if (error.status == 404) {
    return {404, "remote_session_not_found", device + " says that the session is not live there any more", {}, {}};
  }
  return {error.status == 503 || error.status == 429 ? error.status : 502,
          error.code,
          device + " said: " + error.message,
          error.hint,
          {}};
}

}  // namespace

Error dial_error(const std::string& device_name, const std::vector<Tried>& tried) {
  json::Array rows;
  std::string all;
  for (const auto& one : tried) {
    json::Value row;
    row.set("endpoint", one.endpoint);
    row.set("error", one.error.message);
    rows.push_back(std::move(row));
    all += (all.empty() ? "" : "; ") + one.error.message;
  }
  json::Value details;
  details.set("endpoints", std::move(rows));
  const auto reached =
      std::find_if(tried.begin(), tried.end(), [](const Tried& one) { return was_reached(one.error); });
  auto error = reached != tried.end()
                   ? answered(device_name, reached->error)
                   : Error{504,
                           "remote_unreachable",
                           (device_name.empty() ? std::string("the other device") : "'" + device_name + "'") +
                               " cannot be reached" + (all.empty() ? "" : ": " + all),
                           "is it awake and in this network? 'lectern presence' says when it was last heard of",
                           {}};
  error.details = json::write(details);
  return error;
}

Dial::Dial(Loop& loop, std::shared_ptr<Cooling> cooling, std::string device_name, std::vector<Peer> peers,
           Line::Settings settings, Line::Handlers handlers, DialTimes times)
    : loop_(loop),
      cooling_(std::move(cooling)),
      device_name_(std::move(device_name)),
      peers_(std::move(peers)),
      settings_(std::move(settings)),
      handlers_(std::move(handlers)),
      times_(times),
      stagger_(loop),
      deadline_(loop) {}

void Dial::start(Done done) {
  done_ = std::move(done);
  const auto now = clock::now_ms();
  {
    const std::scoped_lock lock(cooling_->mutex);
    std::erase_if(peers_, [&](const Peer& peer) {
      const auto& address = peer.endpoint.address;
      if (cooling_->endpoints.may_try(address, now)) return false;
      const auto left = cooling_->endpoints.left_ms(address, now);
      tried_.push_back(
          {address,
           {0, "cooling", address + ": failed a moment ago; tried again in " + std::to_string(left) + " ms", {}, {}}});
      return true;
    });
  }
  tries_.reserve(peers_.size());
  deadline_.start(std::chrono::milliseconds(times_.total_ms), [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->out_of_time();
  });
  // In another turn: `done` never comes from within start().
  loop_.post([self = shared_from_this()] { self->next(); });
}

void Dial::next() {
  if (!done_) return;
  if (next_ == peers_.size()) {
    const bool waiting = std::any_of(tries_.begin(), tries_.end(), [](const Try& one) { return one.pending; });
    if (!waiting) finish(fail(dial_error(device_name_, tried_)));
    return;
  }
  const auto index = next_++;
  const auto& peer = peers_[index];
  auto handlers = handlers_;
  handlers.opened = [weak = weak_from_this(), index] {
    if (auto self = weak.lock()) self->opened(index);
  };
  handlers.failed = [weak = weak_from_this(), index](Error error) {
    if (auto self = weak.lock()) self->failed(index, std::move(error));
  };
  tries_.push_back({nullptr, peer.endpoint.address, true});
  tries_[index].line = Line::dial(loop_, peer, settings_, std::move(handlers));
  if (next_ < peers_.size()) {
    stagger_.start(std::chrono::milliseconds(times_.stagger_ms), [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->next();
    });
  }
}

void Dial::opened(std::size_t index) {
  if (!done_) return;
  tries_[index].pending = false;
  auto line = std::move(tries_[index].line);
  {
    const std::scoped_lock lock(cooling_->mutex);
    cooling_->endpoints.succeeded(tries_[index].endpoint);
  }
  drop_pending(false);
  finish(std::move(line));
}

void Dial::failed(std::size_t index, Error error) {
  if (!done_) return;
  auto& one = tries_[index];
  one.pending = false;
  one.line.reset();
  {
    const std::scoped_lock lock(cooling_->mutex);
    if (was_reached(error)) {
      cooling_->endpoints.succeeded(one.endpoint);
    } else {
      cooling_->endpoints.failed(one.endpoint, clock::now_ms());
    }
  }
  tried_.push_back({one.endpoint, std::move(error)});
  stagger_.cancel();
  next();
}

void Dial::out_of_time() {
  for (const auto& one : tries_) {
    if (one.pending) {
      tried_.push_back(
          {one.endpoint,
           {0, "unreachable", one.endpoint + ": no answer in " + std::to_string(times_.total_ms) + " ms", {}, {}}});
    }
  }
  drop_pending(true);
  finish(fail(dial_error(device_name_, tried_)));
}

void Dial::drop_pending(bool failed) {
  const std::scoped_lock lock(cooling_->mutex);
  for (auto& one : tries_) {
    if (!std::exchange(one.pending, false)) continue;
    one.line->cut();
    if (failed) {
      cooling_->endpoints.failed(one.endpoint, clock::now_ms());
    } else {
      cooling_->endpoints.withdrawn(one.endpoint);
    }
  }
}

void Dial::finish(Result<std::shared_ptr<Line>> result) {
  stagger_.cancel();
  deadline_.cancel();
  const auto self = shared_from_this();  // whoever hears it may let go of us
  if (auto done = std::exchange(done_, {})) done(std::move(result));
}

void Dial::cancel() {
  done_ = {};
  stagger_.cancel();
  deadline_.cancel();
  drop_pending(false);
}

}  // namespace lectern::attach
