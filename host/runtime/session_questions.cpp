// Questions of a session: the kernel's to whoever answers with a line, and those of clients to the kernel.
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lectern/sdk/json_slice.hpp"
#include "runtime/session_runtime.hpp"

namespace lectern::runtime {
namespace {

// What is asked while somebody types. Others, such as formatting, are asked of several cells at a time.
bool only_newest_counts(std::string_view kind) {
  return kind == "complete" || kind == "inspect" || kind == "is_complete" || kind == "history";
}

}  // namespace

void SessionRuntime::on_input(const plugin::RuntimeEvent& event) {
  end_input();
  const KeptQuestion question{event.text, event.value != 0};
  const auto* running = executions_->running();
  if (running != nullptr && running->number == event.execution) keeping_.asks(question);
  ask_for_line(question, cell_of(event.execution));
}

void SessionRuntime::ask_for_line(const KeptQuestion& question, const std::string* cell) {
  input_id_ = "input-" + std::to_string(next_input_++);
  input_data_.clear();
  json::Writer writer(input_data_);
  writer.begin_object()
      .member("request_id", std::string_view(input_id_))
      .member("prompt", std::string_view(question.prompt));
  writer.member("password", question.password);
  if (cell != nullptr) writer.member("cell_id", std::string_view(*cell));
  writer.end_object();
  flush_outputs();  // what was printed before the question belongs above it
  listener_.on_input_request(input_id_, input_data_);
}

Status SessionRuntime::input(std::string_view request_id, std::string_view value) {
  if (input_id_.empty() || input_id_ != request_id) {
    return fail(404, "request_not_found", "the input request " + std::string(request_id) + " is not open",
                "somebody answered it, or the run ended");
  }
  LECTERN_CHECK(kernel_->input(value));
  end_input();
  return {};
}

void SessionRuntime::end_input() {
  asks_again_.reset();
  if (input_id_.empty()) return;
  const auto request_id = std::exchange(input_id_, {});
  input_data_.clear();
  keeping_.asks({});
  listener_.on_input_done(request_id);
}

std::vector<std::string> SessionRuntime::open_inputs() const {
  return input_id_.empty() ? std::vector<std::string>{} : std::vector{input_data_};
}

void SessionRuntime::request(std::string_view kind, std::string_view content, int deadline_ms,
                             Callback<std::string> done, std::uint64_t asker) {
  // One that is about to end would take the question along.
  const bool ending = state_ == KernelState::dead || state_ == KernelState::restarting;
  if (!kernel_ || ending) return done(fail(no_kernel()));
  care_.active();
  if (asker != 0 && only_newest_counts(kind)) {
    cancel_questions(asker, kind,
                     {409, "cancelled", "a newer question of the same kind took its place",
                      "use the answer to the newest; ask as another client what has to be answered in any case", ""});
  }
  const auto number = next_request_++;
  if (const auto sent = kernel_->request(number, kind, content); !sent) return done(fail(sent.error()));
  auto deadline = std::make_unique<Timer>(loop_);
  deadline->start(std::chrono::milliseconds(deadline_ms), [this, number] {
    const auto it = requests_.find(number);
    if (it == requests_.end()) return;
    auto late = std::move(it->second);
    requests_.erase(it);
    late.done(fail(504, "kernel_timeout", "the kernel did not answer in time", "it may be busy running a cell"));
  });
  requests_.emplace(number, Waiting{std::move(done), std::move(deadline), std::string(kind), asker});
}

void SessionRuntime::asker_left(std::uint64_t asker) {
  cancel_questions(asker, {}, {409, "cancelled", "the client that asked has left the session", "", ""});
}

// Of all kinds where none is named. The kernel's answer, when it comes, is nobody's.
void SessionRuntime::cancel_questions(std::uint64_t asker, std::string_view kind, const Error& why) {
  if (asker == 0) return;
  std::vector<Callback<std::string>> stale;
  for (auto it = requests_.begin(); it != requests_.end();) {
    auto& waiting = it->second;
    if (waiting.asker != asker || (!kind.empty() && waiting.kind != kind)) {
      ++it;
      continue;
    }
    stale.push_back(std::move(waiting.done));
    it = requests_.erase(it);
  }
  for (auto& done : stale) done(fail(why));
}

void SessionRuntime::on_reply(plugin::RuntimeEvent& event) {
  if (event.request == 0 && event.refused) return not_told(event);
  const auto it = requests_.find(event.request);
  if (it == requests_.end()) return;
  auto waiting = std::move(it->second);
  requests_.erase(it);
  if (event.refused) return waiting.done(fail(std::move(*event.refused)));
  if (sdk::json::valid(event.json)) return waiting.done(std::move(event.json));
  waiting.done(fail(502, "kernel_garbled", "the kernel's answer is not JSON"));
}

}  // namespace lectern::runtime
