// What a kernel says, turned into events.
#include <chrono>
#include <utility>

#include "kernel.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/plugin.hpp"
#include "questions.hpp"

namespace jupyter {
namespace json = lectern::sdk::json;
namespace {

constexpr std::size_t remembered_comms = 20'000;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::uint64_t number_in(std::string_view text) {
  return static_cast<std::uint64_t>(json::integer(text).value_or(0));
}

std::string_view or_empty(std::string_view slice) {
  return json::is_object(slice) ? slice : std::string_view("{}");
}

}  // namespace

/// What follows "<session>_" in an id of ours: the kind and the rest. Empty for anybody else's.
std::string_view Kernel::own_part(std::string_view parent_id) const {
  const auto& session = connection_->wire.session();
  if (parent_id.size() < session.size() + 2 || !parent_id.starts_with(session)) return {};
  return parent_id.substr(session.size() + 1);
}

std::uint64_t Kernel::execution_of(std::string_view parent_id) const {
  const auto part = own_part(parent_id);
  if (part.empty()) return 0;
  if (part.front() == 'x') return number_in(part.substr(1));
  if (part.front() != 'c') return 0;
  const auto it = comm_execution_.find(part.substr(1));
  return it == comm_execution_.end() ? 0 : it->second;
}

void Kernel::on_shell(const Message& message) {
  const auto part = own_part(message.parent_id);
  if (part.empty()) return;
  if (message.type == "kernel_info_reply") {
    if (phase_ == Phase::starting && info_.empty()) {
      info_ = std::string(message.content);
      if (!iopub_seen_) info_asked_ms_ = 0;
      become_ready();
    }
    if (part.front() == 's') no_reply_comes(number_in(part.substr(1)));
    return;
  }
  if (part.front() == 'r') {
    lectern::sdk::RuntimeEvent event;
    event.kind = LECTERN_RUN_REPLY;
    event.request = number_in(part.substr(1));
    event.json = message.content;
    return send_event(event);
  }
  if (message.type == "execute_reply" && part.front() == 'q') {
    const auto answer = answer_of(message.content);
    lectern::sdk::RuntimeEvent event;
    event.kind = LECTERN_RUN_REPLY;
    event.request = number_in(part.substr(1));
    event.json = answer;
    return send_event(event);
  }
  if (message.type != "execute_reply" || part.front() != 'x') return;
  const auto execution = number_in(part.substr(1));
  const auto it = runs_.find(execution);
  if (it == runs_.end()) return;
  const auto status = json::text(json::member(message.content, "status"));
  it->second.replied = true;
  it->second.since_ms = now_ms();
  it->second.finished = status == "ok"      ? LECTERN_FINISHED_OK
                        : status == "error" ? LECTERN_FINISHED_ERROR
                                            : LECTERN_FINISHED_ABORTED;
  it->second.reply = std::string(message.content);
  on_pages(json::member(message.content, "payload"), execution);
  finish_if_done(execution);
}

/// `?name` answers with a page, which belongs among the outputs of its cell.
void Kernel::on_pages(std::string_view payload, std::uint64_t execution) {
  json::each_item(payload, [&](std::string_view item) {
    if (json::text(json::member(item, "source")) != "page") return true;
    const auto output = R"({"output_type":"display_data","metadata":{},"data":)" +
                        std::string(or_empty(json::member(item, "data"))) + "}";
    lectern::sdk::RuntimeEvent event;
    event.kind = LECTERN_RUN_OUTPUT;
    event.execution = execution;
    event.json = output;
    send_event(event);
    return true;
  });
}

void Kernel::finish_if_done(std::uint64_t execution) {
  const auto it = runs_.find(execution);
  if (it == runs_.end() || !it->second.replied || !it->second.idle) return;
  const auto run = std::move(it->second);
  runs_.erase(it);
  input_parent_.clear();
  lectern::sdk::RuntimeEvent event;
  event.kind = LECTERN_RUN_FINISHED;
  event.execution = execution;
  event.value = run.finished;
  event.json = run.reply;
  send_event(event);
}

/// The kernel went on to the next request without an answer to this one.
void Kernel::no_reply_comes(std::uint64_t execution) {
  const auto it = runs_.find(execution);
  if (it == runs_.end() || it->second.replied) return;
  auto& run = it->second;
  if (!run.failed) {
    lectern::sdk::RuntimeEvent event;
    event.kind = LECTERN_RUN_OUTPUT;
    event.execution = execution;
    event.json =
        run.interrupted
            ? R"({"output_type":"error","ename":"KeyboardInterrupt","evalue":"","traceback":["KeyboardInterrupt"]})"
            : R"({"output_type":"error","ename":"NoReply","evalue":"the kernel ended this run without saying how","traceback":["NoReply: the kernel ended this run without saying how"]})";
    send_event(event);
  }
  run.replied = run.idle = true;
  run.finished = LECTERN_FINISHED_ERROR;
  run.reply = R"({"status":"error"})";
  finish_if_done(execution);
}

void Kernel::on_input(const Message& message) {
  if (message.type != "input_request") return;
  input_parent_ = std::string(message.header);
  const auto prompt = json::text(json::member(message.content, "prompt"));
  lectern::sdk::RuntimeEvent event;
  event.kind = LECTERN_RUN_INPUT;
  event.execution = execution_of(message.parent_id);
  event.text = prompt;
  event.value = json::member(message.content, "password") == "true" ? 1 : 0;
  send_event(event);
}

void Kernel::on_iopub(const Message& message) {
  if (phase_ == Phase::starting && !iopub_seen_ && !own_part(message.parent_id).empty()) {
    iopub_seen_ = true;
    become_ready();
  }
  if (own_part(message.parent_id).starts_with('q')) return;  // what a question makes the kernel print is no output
  const auto execution = execution_of(message.parent_id);
  const auto& type = message.type;
  if (type == "status") return on_status(message, execution);
  if (type.starts_with("comm_")) return on_comm(message, execution);
  if (type == "execute_input") {
    const auto part = own_part(message.parent_id);
    if (part.empty() || part.front() != 'x') return;
    lectern::sdk::RuntimeEvent event;
    event.kind = LECTERN_RUN_STARTED;
    event.execution = execution;
    event.value = json::integer(json::member(message.content, "execution_count")).value_or(0);
    return send_event(event);
  }
  on_output(message, execution);
}

void Kernel::on_status(const Message& message, std::uint64_t execution) {
  const auto part = own_part(message.parent_id);
  if (part.empty()) return;
  const auto said = json::member(message.content, "execution_state");
  if (part.front() == 'p' && said == "\"idle\"") {
    const auto probed = number_in(part.substr(1));
    if (const auto it = runs_.find(probed); it != runs_.end()) it->second.idle = true;
    return finish_if_done(probed);
  }
  if (part.front() != 'x') return;  // busy with a completion or a comm message is nobody's business
  if (said == "\"busy\"" && !std::exchange(busy_, true)) state(LECTERN_KERNEL_BUSY);
  if (said != "\"idle\"") return;
  if (const auto it = runs_.find(execution); it != runs_.end()) {
    it->second.idle = true;
    it->second.since_ms = now_ms();
  }
  finish_if_done(execution);
  if (std::exchange(busy_, false)) state(LECTERN_KERNEL_IDLE);
}

void Kernel::on_output(const Message& message, std::uint64_t execution) {
  const auto& content = message.content;
  const auto& type = message.type;
  lectern::sdk::RuntimeEvent event;
  event.execution = execution;
  std::string name, text, output;
  if (type == "stream") {
    name = json::text(json::member(content, "name"));
    text = json::text(json::member(content, "text"));
    event.kind = LECTERN_RUN_STREAM;
    event.name = name == "stderr" ? "stderr" : "stdout";
    event.text = text;
  } else if (type == "display_data" || type == "update_display_data" || type == "execute_result") {
    name = json::text(json::member(json::member(content, "transient"), "display_id"));
    output = R"({"output_type":")" + std::string(type == "execute_result" ? "execute_result" : "display_data") +
             R"(","data":)" + std::string(or_empty(json::member(content, "data"))) + R"(,"metadata":)" +
             std::string(or_empty(json::member(content, "metadata")));
    if (type == "execute_result") {
      const auto count = json::integer(json::member(content, "execution_count"));
      output += ",\"execution_count\":" + (count ? std::to_string(*count) : "null");
    }
    output += '}';
    event.kind = type == "update_display_data" ? LECTERN_RUN_UPDATE : LECTERN_RUN_OUTPUT;
    event.name = name;
    event.json = output;
  } else if (type == "error") {
    const auto traceback = json::member(content, "traceback");
    output = R"({"output_type":"error","ename":)" + json::quoted(json::text(json::member(content, "ename"))) +
             ",\"evalue\":" + json::quoted(json::text(json::member(content, "evalue"))) +
             ",\"traceback\":" + std::string(json::is_array(traceback) ? traceback : std::string_view("[]")) + "}";
    event.kind = LECTERN_RUN_OUTPUT;
    event.json = output;
    if (const auto it = runs_.find(execution); it != runs_.end()) it->second.failed = true;
  } else if (type == "clear_output") {
    event.kind = LECTERN_RUN_CLEAR;
    event.value = json::member(content, "wait") == "true" ? 1 : 0;
  } else {
    return;  // what later protocols add is not for us
  }
  send_event(event);
}

void Kernel::on_comm(const Message& message, std::uint64_t execution) {
  const auto id = json::text(json::member(message.content, "comm_id"));
  const auto target = json::text(json::member(message.content, "target_name"));
  lectern::sdk::RuntimeEvent event;
  event.execution = execution;
  event.name = id;
  event.json = or_empty(json::member(message.content, "data"));
  event.metadata = message.metadata;
  event.buffers = message.buffers;
  if (message.type == "comm_open") {
    event.kind = LECTERN_RUN_COMM_OPEN;
    event.text = target;
    if (execution != 0 && comm_execution_.size() < remembered_comms) comm_execution_[id] = execution;
  } else if (message.type == "comm_msg") {
    event.kind = LECTERN_RUN_COMM_MESSAGE;
  } else if (message.type == "comm_close") {
    event.kind = LECTERN_RUN_COMM_CLOSE;
    comm_execution_.erase(id);
  } else {
    return;
  }
  send_event(event);
}

}  // namespace jupyter
