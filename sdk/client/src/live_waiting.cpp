// Who waits for what: answers, runs, the pen, a condition.
#include <algorithm>

#include "live.hpp"
#include "state.hpp"
#include "utf8.hpp"

namespace lectern::client {
namespace {

constexpr std::size_t ended_kept = 1'000;
constexpr std::size_t early_answers_kept = 64;
constexpr Milliseconds tick{500};
// What the host takes as one message, less what goes around the body. More would cost the connection, each time anew.
constexpr std::size_t max_body = (16u << 20) - 4096;

Error timeout(Milliseconds after) {
  return {0, "timeout", "it took longer than " + std::to_string(after.count()) + " ms", {}, {}};
}

}  // namespace

struct Live::Waiter {
  Condition condition;
  Callback<void> done;
  net::Timer timer;
};

struct Live::Batch {
  std::vector<Execution> executions;
  std::size_t left = 0;
  Callback<std::vector<Execution>> done;
  net::Timer timer;
  void end(Result<std::vector<Execution>> result) {
    timer.cancel();
    if (done) std::exchange(done, {})(std::move(result));
  }
};

// -- answers -------------------------------------------------------------------------------------------------

void Live::command(std::string name, Json body, Callback<Json> done) {
  if (over_) return done(*view().ended);
  const auto text = body.dump();
  if (!utf8::valid(name) || !utf8::valid(text)) {
    return done(Error{0, "bad_request", "the command has text that is not UTF-8", "encode it first", {}});
  }
  if (text.size() > max_body) {
    return done(Error{413,
                      "too_large",
                      "the command '" + name.substr(0, 80) + "' has " + std::to_string(text.size()) +
                          " bytes; a host takes 16 MiB at a time",
                      "send it in parts",
                      {}});
  }
  Pending pending;
  pending.name = std::move(name);
  pending.body = std::move(body);
  pending.done = std::move(done);
  pending.deadline = Clock::now() + options_.answer_timeout;
  if (pendings_.empty()) watch_deadlines();
  pendings_.add(std::move(pending));
  pump(false);
}

void Live::watch_deadlines() {
  tick_.start(tick, [this] {
    for (auto& late : pendings_.take_late(Clock::now())) {
      late.done(Error{504,
                      "outcome_unknown",
                      "no answer to '" + late.name + "' came in time",
                      "look at the notebook before asking again",
                      {}});
    }
    look_again();
    if (own_ && !pendings_.has(own_->data["transaction"]["id"].text())) resync();
    if (!over_ && !pendings_.empty()) watch_deadlines();
  });
}

void Live::confirm_sync(Callback<std::uint64_t> done) {
  if (over_) return done(*view().ended);
  auto ask = [self = weak_from_this(), done = std::move(done)](Result<void> settled) {
    const auto live = self.lock();
    if (!settled || !live) return done(settled ? Error{0, "ended", "the session ended", {}, {}} : settled.error());
    live->command("room", Json::Object{}, [self, done](Result<Json> reply) {
      if (!reply) return done(reply.error());
      const auto here = self.lock();
      done(here ? here->view().notebook.version : 0);
    });
  };
  barriers_.emplace_back(pendings_.newest(), std::move(ask));
  look_again();
}

// -- conditions ----------------------------------------------------------------------------------------------

void Live::wait_for(Condition condition, std::optional<Milliseconds> time, Callback<void> done) {
  auto waiter = std::make_shared<Waiter>();
  waiter->condition = std::move(condition);
  waiter->done = std::move(done);
  if (time) {
    waiter->timer.start(*time, [this, time, raw = waiter.get()] {
      const auto at = std::find_if(waiters_.begin(), waiters_.end(), [&](const auto& one) { return one.get() == raw; });
      if (at == waiters_.end()) return;
      const auto late = *at;
      waiters_.erase(at);
      late->done(timeout(*time));
    });
  }
  waiters_.push_back(std::move(waiter));
  look_again();
}

/// After anything changed: barriers, then conditions.
void Live::look_again() {
  std::vector<Callback<void>> passed;
  std::erase_if(barriers_, [&](auto& barrier) {
    if (!pendings_.settled(barrier.first)) return false;
    passed.push_back(std::move(barrier.second));
    return true;
  });
  for (auto& done : passed) done({});
  for (auto at = waiters_.begin(); at != waiters_.end();) {
    const auto waiter = *at;
    const bool holds = waiter->condition(view());
    if (!holds && !view().ended) {
      ++at;
      continue;
    }
    at = waiters_.erase(at);
    waiter->timer.cancel();
    holds ? waiter->done({}) : waiter->done(*view().ended);
  }
}

// -- runs ----------------------------------------------------------------------------------------------------

void Live::execute(const std::vector<std::string>& cell_ids, std::optional<Milliseconds> time,
                   Callback<std::vector<Execution>> done) {
  const auto batch = std::make_shared<Batch>();
  batch->done = std::move(done);
  if (time) batch->timer.start(*time, [batch, time] { batch->end(timeout(*time)); });
  const auto started = [weak = weak_from_this(), batch](Result<Json> reply) {
    const auto self = weak.lock();
    if (!reply || !self) return batch->end(reply ? Error{0, "ended", "the session ended", {}, {}} : reply.error());
    const auto* executions = (*reply)["executions"].as_array();
    if (executions == nullptr) return batch->end(state::bad_answer("an answer to execute without executions"));
    for (const auto& one : *executions) {
      batch->executions.push_back({one["cell_id"].text(), one["execution_id"].text(), {}, {}});
    }
    batch->left = executions->size();
    if (batch->left == 0) return batch->end(std::vector<Execution>());
    for (std::size_t i = 0; i < executions->size(); ++i) {
      const auto run = batch->executions[i];
      self->await_run(run.execution_id, run.cell_id, [weak, batch, i](Result<std::string> status) {
        if (!status) return batch->end(status.error());
        batch->executions[i].status = *status;
        const auto here = weak.lock();
        if (--batch->left > 0 || !here) return;
        for (auto& execution : batch->executions) {
          if (const auto* cell = here->view().notebook.find(execution.cell_id)) execution.cell = *cell;
        }
        batch->end(std::move(batch->executions));
      });
    }
  };
  command("execute", Json().set("cell_ids", Json::Array(cell_ids.begin(), cell_ids.end())), started);
}

void Live::await_run(const std::string& execution_id, const std::string& cell_id, Callback<std::string> done) {
  if (over_) return done(*view().ended);
  if (const auto ended = ended_runs_.find(execution_id); ended != ended_runs_.end()) return done(ended->second);
  // The host answers a cell that waits already with the run that it waits for.
  runs_.emplace(execution_id, Run{cell_id, std::move(done)});
}

void Live::run_moved(const Json& data) {
  const auto status = data["status"].text(), execution_id = data["execution_id"].text();
  if (!execution_id.empty() && state::ended(status)) run_ended(execution_id, status);
}

void Live::run_ended(const std::string& execution_id, const std::string& status) {
  if (ended_runs_.insert_or_assign(execution_id, status).second) ended_order_.push_back(execution_id);
  if (ended_order_.size() > ended_kept) {
    ended_runs_.erase(ended_order_.front());
    ended_order_.pop_front();
  }
  const auto [first, last] = runs_.equal_range(execution_id);
  std::vector<Callback<std::string>> waiting;
  for (auto run = first; run != last; ++run) waiting.push_back(std::move(run->second.done));
  runs_.erase(first, last);
  for (auto& done : waiting) done(status);
}

/// A snapshot tells how cells are, not which run left them so.
void Live::look_after_runs() {
  std::vector<std::pair<std::string, std::string>> over;
  for (const auto& [execution_id, run] : runs_) {
    const auto* cell = view().notebook.find(run.cell_id);
    if (cell == nullptr) {
      over.emplace_back(execution_id, "cancelled");
    } else if (view().replay == "snapshot" && state::ended(cell->status)) {
      over.emplace_back(execution_id, cell->status);
    }
  }
  for (const auto& [execution_id, status] : over) run_ended(execution_id, status);
}

// -- the pen -------------------------------------------------------------------------------------------------

void Live::takeover(const TakeoverOptions& options, Callback<Grant> done) {
  Json body = Json::Object{};
  if (!options.reason.empty()) body.set("reason", options.reason);
  if (options.if_epoch) body.set("if_epoch", *options.if_epoch);
  const auto grant = [weak = weak_from_this(), done](Result<void> held) {
    const auto self = weak.lock();
    if (!held || !self) return done(held ? Error{0, "ended", "the session ended", {}, {}} : held.error());
    done(Grant{self->view().epoch.value_or(0), self->view().capabilities});
  };
  command("takeover", std::move(body), [weak = weak_from_this(), done, grant](Result<Json> reply) {
    const auto self = weak.lock();
    if (!reply || !self) return grant(reply ? Status() : Status(reply.error()));
    const auto request_id = (*reply)["request_id"].integer();
    if ((*reply)["asked"].is_null()) {
      self->granted(*reply);
      return grant({});
    }
    if (!request_id) return done(state::bad_answer("an answer to takeover without a request_id"));
    self->asks_[*request_id] = [weak, grant](Result<void> answer) {
      const auto here = weak.lock();
      if (!answer || !here) return grant(answer);
      here->wait_for([](const View& view) { return view.can_edit(); }, here->options_.answer_timeout, grant);
    };
    if (const auto early = self->early_answers_.find(*request_id); early != self->early_answers_.end()) {
      self->ask_answered(*request_id, Json(early->second));
    }
  });
}

void Live::ask_answered(std::int64_t request_id, const Json& answer) {
  const auto ask = asks_.find(request_id);
  if (ask == asks_.end()) {
    if (early_answers_.size() >= early_answers_kept) early_answers_.erase(early_answers_.begin());
    early_answers_.insert_or_assign(request_id, answer);
    return;
  }
  const auto done = std::move(ask->second);
  asks_.erase(ask);
  if (answer["allowed"].boolean().value_or(false)) return done({});
  const auto reason = answer["reason"].text();
  done(Error{403, "denied", reason.empty() ? "the editor said no" : reason, {}, {}});
}

/// The answer is told once, to whoever is there: what is no longer open was answered, or withdrawn, while we were not.
void Live::look_after_asks() {
  const auto* open = view().ready["requests"].as_array();
  std::vector<Callback<void>> over;
  std::erase_if(asks_, [&](auto& ask) {
    const auto is_it = [&](const Json& request) { return request["request_id"].integer() == ask.first; };
    if (open != nullptr && std::any_of(open->begin(), open->end(), is_it)) return false;
    over.push_back(std::move(ask.second));
    return true;
  });
  for (auto& done : over) {
    if (view().can_edit()) {
      done({});
    } else {
      done(
          Error{409, "request_closed", "the request for the pen ended while the connection was gone", "ask again", {}});
    }
  }
}

void Live::withdraw(Callback<void> done) {
  if (asks_.empty()) return done({});
  const auto left = std::make_shared<std::size_t>(asks_.size());
  std::vector<std::int64_t> open;
  for (const auto& [request_id, ask] : asks_) open.push_back(request_id);
  for (const auto request_id : open) {
    command("withdraw", Json().set("request_id", request_id),
            [weak = weak_from_this(), request_id, left, done](Result<Json> reply) {
              const auto self = weak.lock();
              if (reply && self && self->asks_.contains(request_id)) {
                self->ask_answered(request_id, Json().set("allowed", false).set("reason", "withdrawn"));
              }
              if (--*left == 0) done(reply ? Status() : Status(reply.error()));
            });
  }
}

// -- blobs, events -------------------------------------------------------------------------------------------

void Live::blob(const std::string& sha256, Callback<std::string> done) {
  if (over_) return done(*view().ended);
  const auto number = next_blob_++;
  blobs_.emplace(number, std::move(done));
  ask(server_, "GET", "/blobs/" + percent_encode(sha256), Json(), options_.answer_timeout, options_.max_message_bytes,
      [weak = weak_from_this(), number](Result<std::string> bytes) {
        const auto self = weak.lock();
        if (!self) return;
        auto waiting = self->blobs_.extract(number);
        if (!waiting.empty()) waiting.mapped()(std::move(bytes));
      });
}

std::shared_ptr<Subscription::Entry> Live::subscribe(std::function<void(const Event&)> hear) {
  auto entry = std::make_shared<Subscription::Entry>();
  entry->hear = std::move(hear);
  const std::lock_guard lock(hearing_mutex_);
  hearing_.push_back(entry);
  return entry;
}

}  // namespace lectern::client
