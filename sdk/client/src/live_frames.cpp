// What the host's frames do.
#include <algorithm>

#include "live.hpp"
#include "state.hpp"

namespace lectern::client {
namespace {

constexpr std::size_t max_held = 100'000;
constexpr std::size_t max_early = 512;

}  // namespace

void Live::received(std::string_view text) {
  auto parsed = Json::parse(text);
  if (!parsed) return broken(parsed.error());
  frame(std::move(*parsed), text.size());
}

/// One frame of the link that is open, or one that was held.
void Live::frame(Json frame, std::size_t bytes) {
  // Frames of other shapes are other protocols' or newer; they are passed over.
  if (!frame["op"].is_string() || !frame["data"].is_object()) return;
  if (own_ && frame["op"].text() == "kernel-ready") {
    // We were too slow, and what was held is in the snapshot that follows.
    own_.reset();
    held_.clear();
    held_bytes_ = 0;
    resume_.clear();
  }
  if (!own_ || (frame["op"].text() == "reply" && frame["data"]["id"] == own_->data["transaction"]["id"])) {
    return handle(frame);
  }
  held_bytes_ += bytes;
  if (held_.size() >= max_held || held_bytes_ > 4 * options_.max_message_bytes) {
    return broken(state::bad_answer("no answer to an edit that it has told of"));
  }
  held_.emplace_back(std::move(frame), bytes);
}

void Live::handle(const Json& frame) {
  const auto op = frame["op"].text();
  if (op == "reply") return answered(frame["data"]);
  if (!ready_seen_ && op != "kernel-ready") return;
  const auto seq = frame["seq"].integer();
  if (seq && *seq < 0) return broken(state::bad_answer("a negative seq"));
  event({op, seq ? std::optional(static_cast<std::uint64_t>(*seq)) : std::nullopt, frame["data"]});
}

void Live::answered(const Json& reply) {
  const auto id = reply["id"].text();
  auto pending = pendings_.take(id);
  const bool ok = reply["ok"].boolean().value_or(false);
  if (own_) {
    own_edit_answered(reply);
  } else if (pending && ok && pending->name == "model") {
    own_write_answered(pending->body, reply);
  } else if (pending && ok && pending->name == "transaction") {
    const auto version = reply["version"].integer();
    if (version && *version > 0 && static_cast<std::uint64_t>(*version) > view().notebook.version) {
      if (early_replies_.size() >= max_early) early_replies_.clear();
      early_replies_.insert_or_assign(id, reply);
    }
  }
  if (!pending) return;
  if (ok) {
    pending->done(reply);
  } else {
    const auto& error = reply["error"];
    const auto status = error["status"].integer().value_or(500);
    pending->done(Error{static_cast<int>(std::clamp<std::int64_t>(status, 400, 599)),
                        error["code"].is_string() ? error["code"].text() : "unknown", error["message"].text(),
                        error["hint"].text(), error["details"].is_null() ? std::string() : error["details"].dump()});
  }
  look_again();
  if (over_) return;
  pump(false);
  // What was held behind our own edit. It may hold another one of ours, behind which the rest is held again.
  for (auto held = std::exchange(held_, {}); !held.empty(); held.pop_front()) {
    if (held_.empty()) held_bytes_ = 0;
    const auto generation = generation_;
    frame(std::move(held.front().first), held.front().second);
    if (over_ || generation_ != generation) return;
  }
}

void Live::own_edit_answered(const Json& reply) {
  auto own = *std::exchange(own_, {});
  const auto version = reply["version"].integer();
  if (!reply["ok"].boolean().value_or(false) || !reply["applied"].is_array() || !version || *version < 0) {
    return broken(state::bad_answer("a refusal of an edit that it has told of"));
  }
  own.data.find("transaction")->set("changes", reply["applied"]);
  event(std::move(own));
}

void Live::own_write_answered(const Json& body, const Json& reply) {
  const auto wrote = change([&](View& view) { return state::wrote(view.notebook, body, reply["revision"]); });
  if (!wrote) return broken(wrote.error());
  // The answer fell to a cut, and what others wrote since came first: in a gap, ours is not.
  if (!*wrote && view().replay == "gap") resync();
}

/// True when this is our own edit, whose changes are not known yet; it is looked at again when they are.
bool Live::waits_for_its_answer(const Event& event) {
  const auto& transaction = event.data["transaction"];
  if (event.op != "notebook-document-transaction" || transaction.find("changes") != nullptr) return false;
  const auto id = transaction["id"].text();
  const auto early = early_replies_.find(id);
  own_ = event;
  if (early != early_replies_.end()) {
    const auto reply = std::move(early->second);
    early_replies_.erase(early);
    own_edit_answered(reply);
  } else if (!pendings_.has(id)) {
    own_.reset();
    resync();  // we gave that command up, so its changes are not to be had
  }
  return true;
}

void Live::event(Event event) {
  const auto generation = generation_;
  const auto& data = event.data;
  if (event.op == "kernel-ready") begin(data);
  if (event.op == "consumer-capabilities") granted(data);
  if (over_ || generation != generation_ || waits_for_its_answer(event)) return;
  const auto applied = change([&](View& view) { return state::apply(view.notebook, event.op, data); });
  if (!applied) return broken(applied.error());
  if (event.op == "cell-op") run_moved(data);
  if (event.op == "takeover-answer") ask_answered(data["request_id"].integer().value_or(-1), data);
  if (event.op == "replay-complete") caught_up();
  if (over_ || generation != generation_) return;
  if (event.seq) {
    resume_ = stream_ + "." + std::to_string(*event.seq);
  } else if (event.op == "replay-complete" && data["seq"].integer()) {
    resume_ = stream_ + "." + data["seq"].dump();
  }
  published(event);
}

void Live::published(const Event& event) {
  look_again();
  if (options_.on_event) {
    const auto hear = options_.on_event;
    hear(event);
  }
  std::vector<std::shared_ptr<Subscription::Entry>> hearing;
  {
    const std::lock_guard lock(hearing_mutex_);
    std::erase_if(hearing_, [](const auto& entry) { return entry.use_count() == 1; });
    hearing = hearing_;
  }
  for (const auto& entry : hearing) {
    const std::lock_guard lock(entry->mutex);
    if (entry->alive) entry->hear(event);
  }
}

void Live::begin(const Json& ready) {
  const auto* theirs = ready["protocol"].as_string();
  if (theirs == nullptr || *theirs != protocol) return end(mismatch(theirs == nullptr ? "none" : *theirs));
  const auto id = ready["client"]["id"].text(), stream = ready["stream"].text();
  if (id.empty() || stream.empty()) return broken(state::bad_answer("kernel-ready without client or stream"));
  if (ready["client"]["secret"].is_string()) secret_ = ready["client"]["secret"].text();
  const auto key = id + "." + secret_;
  const auto plain = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
  };
  if (!plain(key)) return broken(state::bad_answer("a client key that is none"));
  client_key_ = key;
  stream_ = stream;
  const bool snapshot = ready["replay"].text() == "snapshot";
  if (!snapshot && (!ever_current_ || resume_.substr(0, resume_.rfind('.')) != stream)) {
    return broken(state::bad_answer("a gap that nobody asked for"));
  }
  // Half a snapshot is nothing to go on from.
  if (snapshot) resume_.clear();
  if (snapshot) early_replies_.clear();
  const auto begun = change([&](View& view) {
    view.client_id = id;
    view.connected = false;
    view.replay = ready["replay"].text();
    view.resumed = ready["resumed"].boolean().value_or(false);
    view.ready = ready;
    view.ready.erase("notebook");
    return state::begin(view.notebook, ready);
  });
  if (!begun) return broken(begun.error());
  // Cut for slowness: answers may have been among what was dropped.
  if (std::exchange(ready_seen_, true)) pendings_.link_lost();
  granted(ready);
  for (auto& pending : pendings_.take_unrepeatable(stream_)) {
    pending.done(Error{504,
                       "outcome_unknown",
                       "the host was started anew before it answered '" + pending.name + "'",
                       "look at the notebook before asking again",
                       {}});
  }
  // In a gap our own edits come without their changes, which stand in the replies that the cut took away.
  if (!snapshot) pump(true);
}

void Live::granted(const Json& data) {
  const auto& may = data["consumer_capabilities"];
  if (!may.is_object()) return;
  const auto epoch = data["epoch"].integer();
  change([&](View& view) {
    view.capabilities = {may["edit"].boolean().value_or(false), may["interact"].boolean().value_or(false)};
    view.epoch.reset();
    if (view.capabilities.edit && epoch && *epoch >= 0) view.epoch = static_cast<std::uint64_t>(*epoch);
  });
}

void Live::caught_up() {
  replay_.cancel();
  opening_.cancel();
  ever_current_ = true;
  backoff_ = Milliseconds(0);
  change([](View& view) {
    view.links += view.connected ? 0 : 1;
    view.connected = true;
  });
  look_after_runs();
  look_after_asks();
  if (opened_) std::exchange(opened_, {})({});
  if (!std::exchange(told_connected_, true)) tell(Link::connected);
  pump(false);
}

void Live::pump(bool again) {
  if (!link_ || !ready_seen_ || (!again && !view().connected)) return;
  for (auto& text : pendings_.due(stream_, view().epoch, again)) link_->send(std::move(text));
}

}  // namespace lectern::client
