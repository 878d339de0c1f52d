#include "conversation.hpp"

#include <utility>

#include "clock.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "questions.hpp"

namespace jupyter {
namespace json = lectern::sdk::json;
namespace {

constexpr std::size_t remembered_comms = 20'000;
constexpr std::int64_t lost_end_ms = 1'000;

std::uint64_t number_in(std::string_view text) {
  return static_cast<std::uint64_t>(json::integer(text).value_or(0));
}

std::string_view or_empty(std::string_view slice) {
  return json::is_object(slice) ? slice : std::string_view("{}");
}

constexpr std::string_view execute_options(bool history, bool silent) {
  if (silent) return R"(,"silent":true,"store_history":false)";
  return history ? R"(,"silent":false,"store_history":true)" : R"(,"silent":false,"store_history":false)";
}

}  // namespace

void Conversation::begin(std::string session) {
  session_ = std::move(session);
  info_.clear();
  makers_ = {};
  end();
  busy_ = false;
  listen_again();
}

void Conversation::go_on(std::string session, std::uint64_t running, std::uint64_t next_id, Makers makers) {
  begin(std::move(session));
  next_id_ = next_id;
  makers_ = std::move(makers);
  if (running == 0) return;
  runs_[running] = {};
  busy_ = true;
  input_parent_ = "{}";  // it may wait for an answer to what the host before was asked
}

Conversation::Makers Conversation::makers_in(std::string_view taken_up) {
  Makers out;
  json::each_member(json::member(taken_up, "comms"), [&](std::string_view id, std::string_view execution) {
    out.known.emplace(json::text(id), number_in(execution));
    return out.known.size() < remembered_comms;
  });
  if (out.known.size() < remembered_comms) out.others = number_in(json::member(taken_up, "others"));
  return out;
}

void Conversation::end() {
  runs_.clear();
  input_parent_.clear();
  fence_.clear();
}

void Conversation::state(std::int64_t value, std::string_view why, std::string_view info, std::string_view metadata) {
  lectern::sdk::RuntimeEvent event;
  event.kind = LECTERN_RUN_STATE;
  event.value = value;
  event.text = why;
  event.json = info;
  event.metadata = metadata;
  send(event);
}

void Conversation::reply(std::uint64_t request, std::string_view content) {
  lectern::sdk::RuntimeEvent event;
  event.kind = LECTERN_RUN_REPLY;
  event.request = request;
  event.json = content;
  send(event);
}

std::string Conversation::id(char kind, std::string_view rest) const {
  return session_ + "_" + kind + std::string(rest);
}

std::string Conversation::next_id(char kind) {
  return id(kind, std::to_string(next_id_++));
}

std::string Conversation::begin_run(std::uint64_t execution, std::string_view code, std::uint32_t flags) {
  runs_[execution] = {};
  std::string content = "{\"code\":";
  json::quote(code, content);
  content += execute_options((flags & LECTERN_EXECUTE_NO_HISTORY) == 0, (flags & LECTERN_EXECUTE_SILENT) != 0);
  content += R"(,"user_expressions":{},"stop_on_error":true,"allow_stdin":)";
  content += (flags & LECTERN_EXECUTE_NO_STDIN) != 0 ? "false}" : "true}";
  return content;
}

std::string Conversation::comm_content(const CommCopy& message) {
  std::string content = "{\"comm_id\":" + json::quoted(message.comm_id);
  if (message.kind == "open") content += ",\"target_name\":" + json::quoted(message.target);
  return content + ",\"data\":" + (message.data.empty() ? "{}" : message.data) + "}";
}

std::string Conversation::input_content(std::string_view value) {
  return "{\"status\":\"ok\",\"value\":" + json::quoted(value) + "}";
}

std::string Conversation::answer_input() {
  return std::exchange(input_parent_, {});
}

std::string_view Conversation::own_part(std::string_view id) const {  // "<session>_<kind><rest>"
  if (id.size() < session_.size() + 2 || !id.starts_with(session_)) return {};
  return id.substr(session_.size() + 1);
}

std::uint64_t Conversation::execution_of(std::string_view parent_id) const {
  const auto part = own_part(parent_id);
  if (part.empty()) return 0;
  if (part.front() == 'x') return number_in(part.substr(1));
  if (part.front() != 'c') return 0;
  const auto it = makers_.known.find(part.substr(1));
  return it == makers_.known.end() ? makers_.others : it->second;
}

void Conversation::on_shell(const KernelMessage& message) {
  const auto part = own_part(message.parent_id);
  if (part.empty()) return;
  if (message.type == "kernel_info_reply") {
    shell_heard_ = true;
    if (info_.empty()) info_ = std::string(message.content);
    if (part.front() == 'f' && part.substr(1) == fence_) {
      fence_replied_ = true;
      end_what_was_lost();
    }
    if (part.front() == 's') no_reply_comes(number_in(part.substr(1)));
    return;
  }
  if (part.front() == 'r') return reply(number_in(part.substr(1)), message.content);
  if (part.front() == 'q' && message.type == "execute_reply") {
    return reply(number_in(part.substr(1)), answer_of(message.content));
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
void Conversation::on_pages(std::string_view payload, std::uint64_t execution) {
  json::each_item(payload, [&](std::string_view item) {
    if (json::text(json::member(item, "source")) != "page") return true;
    const auto output = R"({"output_type":"display_data","metadata":{},"data":)" +
                        std::string(or_empty(json::member(item, "data"))) + "}";
    lectern::sdk::RuntimeEvent event;
    event.kind = LECTERN_RUN_OUTPUT;
    event.execution = execution;
    event.json = output;
    send(event);
    return true;
  });
}

void Conversation::finish_if_done(std::uint64_t execution) {
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
  send(event);
}

void Conversation::on_input(const KernelMessage& message) {
  if (message.type != "input_request") return;
  input_parent_ = std::string(message.header);
  const auto prompt = json::text(json::member(message.content, "prompt"));
  lectern::sdk::RuntimeEvent event;
  event.kind = LECTERN_RUN_INPUT;
  event.execution = execution_of(message.parent_id);
  event.text = prompt;
  event.value = json::member(message.content, "password") == "true" ? 1 : 0;
  send(event);
}

void Conversation::on_iopub(const KernelMessage& message) {
  const auto part = own_part(message.parent_id);
  if (!part.empty()) iopub_heard_ = true;
  if (part.starts_with('q') || part.starts_with('k')) return;
  const auto execution = execution_of(message.parent_id);
  const auto& type = message.type;
  if (type == "status") return on_status(message, execution);
  if (type.starts_with("comm_")) return on_comm(message, execution);
  if (type == "execute_input") {
    if (part.empty() || part.front() != 'x') return;
    lectern::sdk::RuntimeEvent event;
    event.kind = LECTERN_RUN_STARTED;
    event.execution = execution;
    event.value = json::integer(json::member(message.content, "execution_count")).value_or(0);
    return send(event);
  }
  on_output(message, execution);
}

void Conversation::on_status(const KernelMessage& message, std::uint64_t execution) {
  const auto part = own_part(message.parent_id);
  if (part.empty()) return;
  const auto said = json::member(message.content, "execution_state");
  if (part.front() == 'p' && said == "\"idle\"") {
    const auto probed = number_in(part.substr(1));
    if (const auto it = runs_.find(probed); it != runs_.end()) it->second.idle = true;
    return finish_if_done(probed);
  }
  if (part.front() == 'f' && part.substr(1) == fence_ && said == "\"idle\"") {
    fence_idle_ = true;
    return end_what_was_lost();
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

void Conversation::on_output(const KernelMessage& message, std::uint64_t execution) {
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
  send(event);
}

void Conversation::on_comm(const KernelMessage& message, std::uint64_t execution) {
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
    if (makers_.known.contains(id) || makers_.known.size() < remembered_comms) {
      makers_.known[id] = execution;
    } else {
      makers_.others = 0;  // from now on these are among the others
    }
  } else if (message.type == "comm_msg") {
    event.kind = LECTERN_RUN_COMM_MESSAGE;
  } else if (message.type == "comm_close") {
    event.kind = LECTERN_RUN_COMM_CLOSE;
    makers_.known.erase(id);
  } else {
    return;
  }
  send(event);
}

Conversation::Probes Conversation::probes(std::int64_t now) {
  Probes out;
  for (auto& [execution, run] : runs_) {
    if (run.replied == run.idle || now - run.since_ms < lost_end_ms) continue;
    run.since_ms = now;
    if (run.replied) {
      out.control.push_back(id('p', std::to_string(execution)));
    } else {
      out.shell.push_back(id('s', std::to_string(execution)));
    }
  }
  return out;
}

void Conversation::interrupted() {
  for (auto& [execution, run] : runs_) run.interrupted = true;
}

void Conversation::say_error(std::uint64_t execution, std::string_view name, std::string_view words) {
  const auto output = R"({"output_type":"error","ename":)" + json::quoted(name) + ",\"evalue\":" + json::quoted(words) +
                      ",\"traceback\":[" +
                      json::quoted(std::string(name) + (words.empty() ? "" : ": ") + std::string(words)) + "]}";
  lectern::sdk::RuntimeEvent event;
  event.kind = LECTERN_RUN_OUTPUT;
  event.execution = execution;
  event.json = output;
  send(event);
}

void Conversation::no_reply_comes(std::uint64_t execution) {
  const auto it = runs_.find(execution);
  if (it == runs_.end() || it->second.replied) return;
  auto& run = it->second;
  if (!run.failed) {
    run.interrupted ? say_error(execution, "KeyboardInterrupt", "")
                    : say_error(execution, "NoReply", "the kernel ended this run without saying how");
  }
  end_with_error(execution, run);
}

void Conversation::cannot_run(std::uint64_t execution, std::string_view words) {
  say_error(execution, "NotSent", words);
  end_with_error(execution, runs_[execution]);
}

void Conversation::end_with_error(std::uint64_t execution, Run& run) {
  run.replied = run.idle = true;
  run.finished = LECTERN_FINISHED_ERROR;
  run.reply = R"({"status":"error"})";
  finish_if_done(execution);
}

std::string Conversation::fence() {
  fence_.clear();
  if (runs_.empty()) return {};
  fence_ = std::to_string(next_id_++);
  fence_replied_ = fence_idle_ = false;
  before_fence_.clear();
  for (const auto& [execution, run] : runs_) before_fence_.insert(execution);
  return id('f', fence_);
}

void Conversation::end_what_was_lost() {
  if (!fence_replied_ || !fence_idle_) return;
  fence_.clear();
  for (const auto execution : std::exchange(before_fence_, {})) {
    const auto it = runs_.find(execution);
    if (it == runs_.end()) continue;
    auto& run = it->second;
    if (!run.idle && !run.replied) {
      say_error(execution, "ConnectionLost",
                "the connection to the kernel was lost while this ran: what it printed meanwhile, and its end, are not "
                "known");
      run.failed = true;
    }
    if (!run.replied) run.finished = run.failed ? LECTERN_FINISHED_ERROR : LECTERN_FINISHED_OK;
    run.replied = run.idle = true;
    if (run.reply.empty()) run.reply = run.failed ? R"({"status":"error"})" : R"({"status":"ok"})";
    finish_if_done(execution);
  }
  if (std::exchange(busy_, false)) state(LECTERN_KERNEL_IDLE);
}

}  // namespace jupyter
