#include "runtime/executions.hpp"

#include <algorithm>
#include <utility>

#include "base/crypto.hpp"

namespace lectern::runtime {
std::string_view run_status_name(RunStatus status) {
  switch (status) {
    case RunStatus::queued:
      return "queued";
    case RunStatus::running:
      return "running";
    case RunStatus::idle:
      return "idle";
    case RunStatus::error:
      return "error";
    case RunStatus::cancelled:
      break;
  }
  return "cancelled";
}

Executions::Executions(Hooks hooks) : hooks_(std::move(hooks)) {}

Result<std::vector<Execution>> Executions::enqueue(std::vector<CellRun> runs, std::string by, bool stop_on_error) {
  if (waiting_.size() + runs.size() > max_waiting) {
    return fail(429, "queue_full", std::to_string(waiting_.size()) + " cells wait already",
                "let some finish, or interrupt");
  }
  std::vector<Execution> result, fresh;
  const auto batch = next_batch_++;
  for (auto& run : runs) {
    const auto same = std::find_if(waiting_.begin(), waiting_.end(),
                                   [&](const Execution& waiting) { return waiting.cell_id == run.cell_id; });
    // A run without a cell has nothing that a second one could replace.
    if (same != waiting_.end() && !run.cell_id.empty()) {
      same->code = std::move(run.code);
      if (hooks_.recoded) hooks_.recoded(*same);
      result.push_back(*same);
      continue;
    }
    Execution execution;
    execution.number = next_number_++;
    execution.id = crypto::uuid();
    execution.cell_id = std::move(run.cell_id);
    execution.code = std::move(run.code);
    execution.batch = batch;
    execution.by = by;
    execution.stop_on_error = stop_on_error;
    waiting_.push_back(execution);
    result.push_back(execution);
    fresh.push_back(std::move(execution));
  }
  const auto sent = begin();
  for (const auto& execution : fresh) hooks_.changed(execution, {});
  began(sent);
  return result;
}

void Executions::go_on(std::optional<Execution> running, std::uint64_t last_number, std::vector<Execution> waiting) {
  running_ = std::move(running);
  next_number_ = last_number + 1;
  next_batch_ = running_ ? running_->batch + 1 : 1;  // what was asked for before is of no batch of ours
  for (auto& execution : waiting) {
    execution.number = next_number_++;
    execution.status = RunStatus::queued;
    next_batch_ = std::max(next_batch_, execution.batch + 1);
    waiting_.push_back(std::move(execution));
  }
}

void Executions::set_ready(bool ready) {
  ready_ = ready;
  next();
}

void Executions::next() {
  began(begin());
}

// Before anybody is told: the kernel begins meanwhile.
std::optional<Executions::Sent> Executions::begin() {
  if (!ready_ || running_ || waiting_.empty()) return {};
  running_ = std::move(waiting_.front());
  waiting_.pop_front();
  running_->status = RunStatus::running;
  const auto number = running_->number;
  return Sent{number, hooks_.send(*running_)};
}

void Executions::began(const std::optional<Sent>& sent) {
  if (!sent || !running_ || running_->number != sent->number) return;  // who was told may have ended it
  hooks_.changed(*running_, {});
  if (!sent->status) cancel_all(sent->status.error().message);
}

bool Executions::announced(std::uint64_t number, const std::string& cell_id) {
  const auto is_of_cell = [&](const Execution& run) { return run.cell_id == cell_id; };
  const bool waits = std::any_of(waiting_.begin(), waiting_.end(), is_of_cell) ||
                     std::any_of(own_.begin(), own_.end(), [&](const auto& run) { return is_of_cell(run.second); });
  if (waits || (running_ && is_of_cell(*running_)) || own_.contains(number) || own_.size() >= max_waiting) return false;
  Execution run;
  run.number = number;
  run.id = crypto::uuid();
  run.cell_id = cell_id;
  run.own = true;
  own_.emplace(number, run);
  hooks_.changed(run, {});
  return true;
}

void Executions::started(std::uint64_t number, std::int64_t execution_count) {
  if (const auto own = own_.find(number); own != own_.end()) {
    if (std::exchange(own->second.status, RunStatus::running) == RunStatus::running) return;
    auto begun = own->second;  // who is told may end it
    hooks_.changed(begun, {});
    begun.execution_count = execution_count;
    if (const auto still = own_.find(number); still == own_.end()) return;
    own_[number].execution_count = execution_count;
    return hooks_.changed(begun, {});
  }
  if (!running_ || running_->number != number) return;
  running_->execution_count = execution_count;
  hooks_.changed(*running_, {});
}

void Executions::finished(std::uint64_t number, Finish finish, std::string_view) {
  const auto as = finish == Finish::ok      ? RunStatus::idle
                  : finish == Finish::error ? RunStatus::error
                                            : RunStatus::cancelled;
  if (own_.contains(number)) return end_own([&](const Execution& run) { return run.number == number; }, as, {});
  if (!running_ || running_->number != number) return;
  auto execution = std::move(*running_);
  running_.reset();
  execution.status = as;
  ended_.add(execution.number, execution.cell_id);
  hooks_.changed(execution, {});
  if (finish == Finish::aborted || (finish == Finish::error && execution.stop_on_error)) {
    cancel([batch = execution.batch](const Execution& waiting) { return waiting.batch == batch; },
           "a cell before it failed");
  }
  next();
}

void Executions::cancel(const std::function<bool(const Execution&)>& which, std::string_view reason) {
  std::deque<Execution> kept;
  std::vector<Execution> gone;
  for (auto& execution : waiting_) {
    if (which(execution)) {
      execution.status = RunStatus::cancelled;
      gone.push_back(std::move(execution));
    } else {
      kept.push_back(std::move(execution));
    }
  }
  waiting_ = std::move(kept);
  for (const auto& execution : gone) hooks_.changed(execution, reason);
}

void Executions::end_own(const std::function<bool(const Execution&)>& which, RunStatus as, std::string_view reason) {
  std::vector<Execution> gone;
  for (auto run = own_.begin(); run != own_.end();) {
    if (!which(run->second)) {
      ++run;
      continue;
    }
    gone.push_back(std::move(run->second));
    run = own_.erase(run);
  }
  for (auto& run : gone) {
    ended_.add(run.number, run.cell_id);
    run.status = as;
    hooks_.changed(run, reason);
  }
}

void Executions::interrupt() {
  if (!running_) {
    // Nothing runs yet (the kernel is starting): what waits is what the interrupt is about.
    cancel([](const Execution&) { return true; }, "interrupted");
    return;
  }
  cancel([batch = running_->batch](const Execution& waiting) { return waiting.batch == batch; }, "interrupted");
}

void Executions::cancel_all(std::string_view reason) {
  cancel([](const Execution&) { return true; }, reason);
  end_own([](const Execution& run) { return run.status == RunStatus::running; }, RunStatus::error, reason);
  end_own([](const Execution&) { return true; }, RunStatus::cancelled, reason);
  if (!running_) return;
  auto execution = std::move(*running_);
  running_.reset();
  execution.status = RunStatus::error;
  ended_.add(execution.number, execution.cell_id);
  hooks_.changed(execution, reason);
}

void Executions::cancel_cell(std::string_view cell_id, std::string_view reason) {
  const auto of_cell = [cell_id](const Execution& run) { return run.cell_id == cell_id; };
  cancel(of_cell, reason);
  end_own(of_cell, RunStatus::cancelled, reason);
}

const std::string* Executions::cell_of(std::uint64_t number) const {
  if (running_ && running_->number == number) return &running_->cell_id;
  if (const auto own = own_.find(number); own != own_.end()) return &own->second.cell_id;
  return ended_.cell_of(number);
}

}  // namespace lectern::runtime
