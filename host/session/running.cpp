#include "session/running.hpp"

#include <chrono>
#include <filesystem>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"
#include "base/workers.hpp"
#include "runtime/service.hpp"
#include "session/authorization.hpp"
#include "session/editing.hpp"
#include "session/live_session.hpp"
#include "session/models_feed.hpp"
#include "session/outside.hpp"
#include "session/saver.hpp"

namespace lectern::session {
namespace {

// For many who join at once; shorter than the host waits before it gives memory back.
constexpr auto looks_kept = std::chrono::milliseconds(1500);
constexpr int kernel_reply_ms = 10'000;
constexpr std::size_t look_batch = 256u << 10;  // bytes of outputs a worker hands back at once

bool flag(const json::Value& body, std::string_view key, bool fallback) {
  const auto* value = body.find(key);
  return value != nullptr ? value->as_bool().value_or(fallback) : fallback;
}

// The store of models knows the message alone, its author the body around it.
Error in_body(Error error) {
  constexpr std::string_view place = R"({"path":"message)";
  if (!error.details.starts_with(place)) return error;
  error.message.insert(0, "body.");
  error.details.insert(place.find("message"), "body.");
  return error;
}

// A kernel that is asked past the end of the code, or for a history without saying of what, need not answer at all.
Status complete_question(json::Value& body, std::string_view kind) {
  if (kind == "history") {
    const auto fill = [&](std::string_view key, json::Value value) {
      if (const auto* said = body.find(key); said == nullptr || said->is_null()) body.set(key, std::move(value));
    };
    fill("hist_access_type", "tail");
    fill("output", false);
    fill("raw", true);
  }
  const auto* cursor = body.find("cursor_pos");
  if (cursor == nullptr || (kind != "complete" && kind != "inspect")) return {};
  const auto length = text::code_points(*body.find("code")->as_string());
  if (cursor->as_uint().value_or(0) <= length) return {};
  return fail(json::error_at("body.cursor_pos",
                             " is past the end of body.code, which has " + std::to_string(length) + " code points"));
}

}  // namespace

Running::Running(LiveSession& session)
    : session_(session),
      runtime_(session.loop(), *session.services().runtime, *this),
      looks_kept_(session.loop()),
      logs_(session.loop()) {
  runtime_.limit({session.settings().cull_idle_ms, session.settings().kernel_memory});
  runtime_.give_out_under("/api/v1/sessions/" + session.id() + "/outputs/");
  if (const auto& file = session.prepared().notebook.file) {
    for (const auto& cell : file->cells) {
      if (!cell.outputs.empty()) runtime_.outputs().load(cell.id, file, cell.outputs);
      if (cell.execution_count >= 0) runtime_.load_count(std::string(cell.id), cell.execution_count);
    }
  }
}

// With a language, another kernel of it will do when the named one is not here.
void Running::start(std::string runtime_name, std::string language,
                    UniqueFunction<void(Result<runtime::KernelInfo>)> done) {
  runtime_.start(std::move(runtime_name), std::move(language), start_options(), std::move(done));
}

runtime::StartOptions Running::start_options() const {
  runtime::StartOptions options;
  options.cwd = session_.prepared().cwd;
  if (options.cwd.empty()) options.cwd = std::filesystem::path(session_.path()).parent_path().string();
  return options;
}

// A notebook that is only watched here is another host's, and one without a file is not found again.
void Running::begin() {
  bring_back_outputs();
  const auto& notebook = session_.prepared().notebook;
  const bool without_file = session_.path().starts_with(session_.services().state_dir + "/");
  if (notebook.temporary || notebook.unwritable || without_file) return;
  runtime_.keep_as(session_.id(), session_.path());
  auto found = std::exchange(session_.prepared().kernel, std::nullopt);
  if (!found) return;
  found->path = session_.path();
  // A document that is still to be built is another one than theirs: the journal of theirs was lost.
  auto& editing = session_.editing();
  std::erase_if(found->waiting, [&](const runtime::KeptRun& run) {
    return !editing.built() || (!run.cell_id.empty() && editing.document().find_cell(run.cell_id) == nullptr);
  });
  runtime_.take_up(std::move(*found), start_options());
}

// What an earlier host that was killed had shown, and not saved.
void Running::bring_back_outputs() {
  auto opened = std::exchange(session_.prepared().outputs, {});
  output_log_ = std::move(opened.log);
  if (!output_log_) return;
  output_log_->ask({[this] { return session_.outside().content(); },
                    [this](const std::string& id) { return runtime_.outputs().bytes(id); },
                    [this](const std::string& id) {
                      return OutputLog::whole_entry(runtime_.outputs().shown(id), runtime_.execution_count(id));
                    },
                    [this](const std::string& id) { return runtime_.outputs().has_changed(id); },
                    [this] { logs_.start(OutputLog::pause, [this] { write_log(); }); }, [this] { write_log(); }});
  for (auto& was : opened.restored) {
    const auto& editing = session_.editing();
    const auto* cell = editing.built() ? session_.editing().document().find_cell(was.cell_id) : nullptr;
    if (cell == nullptr || cell->cell_type != "code") {
      output_log_->forget(was.cell_id);
      continue;
    }
    runtime_.outputs().load(was.cell_id, std::make_shared<const std::string>(std::move(was.outputs)));
    if (was.execution_count) runtime_.load_count(was.cell_id, *was.execution_count);
    session_.saver().touched();
    session_.outside().ran(was.cell_id, session_.saver().touches());
    session_.outside().not_in_file(was.cell_id);
    ++brought_back_;
  }
}

// Only what the disk has is named in the log: who reads it after a crash finds the plot, too.
void Running::write_log() {
  if (log_waits_) {
    log_due_ = true;
    return;
  }
  log_waits_ = true;
  output_log_->hold();
  session_.services().runtime->blobs().when_written(
      [this](const std::string& sha256) { return runtime_.outputs().has_blob(sha256); },
      [weak = session_.weak_from_this(), token = session_.at_work(), &loop = session_.loop()] {
        loop.dispatch([weak] {
          if (const auto session = weak.lock()) session->running().release_log();
        });
      });
}

void Running::release_log() {
  output_log_->release();
  log_waits_ = false;
  if (std::exchange(log_due_, false)) write_log();
}

// The first run starts the kernel: a notebook that is only read costs none. Runs wait while it starts; should it not
// start, kernel-status says why and the runs end with that error.
void Running::ensure_kernel() {
  if (runtime_.state() != runtime::KernelState::none) return;
  const auto& prepared = session_.prepared();
  start(prepared.runtime, prepared.language, [](Result<runtime::KernelInfo>) {});
}

void Running::execute(Invocation invocation) {
  const auto* ids = invocation.body.find("cell_ids");
  const auto* code = invocation.body.find("code");
  const bool has_ids = ids != nullptr && !ids->is_null(), has_code = code != nullptr && !code->is_null();
  if (has_ids == has_code) {
    return invocation.error(json::error_at("body", " must have either cell_ids or code"));
  }
  std::vector<runtime::CellRun> runs;
  if (has_code) {
    runs.push_back({"", *code->as_string()});
  } else {
    for (const auto& id : *ids->as_array()) {
      const auto* cell = session_.editing().document().find_cell(*id.as_string());
      if (cell == nullptr) {
        return invocation.error(404, "unknown_cell", "there is no cell '" + text::label(*id.as_string(), 80) + "'");
      }
      if (cell->cell_type == "code") runs.push_back({cell->id, cell->source});
    }
  }
  if (!session_.services().runtime->can_run()) {
    return invocation.error(503, "no_runtime_plugin", "no runtime plugin is loaded, so nothing can run code",
                            "put one (runtime-jupyter) into the plugin path and restart the host");
  }
  queue_when_durable(std::move(runs), std::move(invocation));
}

void Running::restart(Invocation invocation) {
  const bool run_all = flag(invocation.body, "run_all", false);
  const bool none = runtime_.state() == runtime::KernelState::none;
  if (none && runtime_.culled() && !run_all) {
    start_kernel(std::move(invocation));
    return;
  }
  if (!none || !run_all) {
    if (const auto status = runtime_.restart(); !status) return invocation.error(status.error());
  }
  if (!run_all) return invocation.ok();
  std::vector<runtime::CellRun> runs;
  for (const auto* cell : session_.editing().document().cells()) {
    if (cell->cell_type == "code") runs.push_back({cell->id, cell->source});
  }
  queue_when_durable(std::move(runs), std::move(invocation));
}

void Running::queue_when_durable(std::vector<runtime::CellRun> runs, Invocation invocation) {
  const auto* client = session_.clients().by_number(invocation.member);
  // Nobody hears of a run of a cell, or of a text, before the edit that made it is on disk and told. By then the pen
  // may be somebody else's.
  session_.editing().when_durable(
      [this, runs = std::move(runs), by = client->id, invocation = std::move(invocation)]() mutable {
        const auto* member = session_.room().find(invocation.member);
        if (member == nullptr || member->grant == 0 || invocation.epoch != member->grant) {
          return invocation.error(stale_epoch(
              session_.room(), "epoch " + std::to_string(invocation.epoch.value_or(0)) + " is no longer the sender's"));
        }
        queue(std::move(runs), by, std::move(invocation));
      });
}

void Running::queue(std::vector<runtime::CellRun> runs, const std::string& by, Invocation invocation) {
  if (runs.empty()) return invocation.ok(R"({"executions":[]})");
  ensure_kernel();
  auto queued = runtime_.execute(std::move(runs), by, flag(invocation.body, "stop_on_error", true));
  if (!queued) return invocation.error(queued.error());
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("executions").begin_array();
  for (const auto& execution : *queued) {
    writer.begin_object().member("cell_id", execution.cell_id).member("execution_id", execution.id).end_object();
  }
  writer.end_array().end_object();
  invocation.ok(std::move(out));
}

void Running::start_kernel(Invocation invocation) {
  const auto wanted = invocation.text("runtime");
  const auto& prepared = session_.prepared();
  auto done = [invocation = std::move(invocation)](Result<runtime::KernelInfo> started) mutable {
    if (!started) return invocation.error(started.error());
    std::string out;
    json::Writer(out).begin_object().member("runtime", started->name).end_object();
    invocation.ok(std::move(out));
  };
  if (wanted.empty()) return start(prepared.runtime, prepared.language, std::move(done));
  start(wanted, "", std::move(done));
}

void Running::kernel_request(Invocation invocation, std::string_view kind) {
  if (const auto status = complete_question(invocation.body, kind); !status) return invocation.error(status.error());
  const auto content = json::write(invocation.body);
  const auto asker = invocation.member;
  runtime_.request(
      kind, content, kernel_reply_ms,
      [invocation = std::move(invocation)](Result<std::string> reply) mutable {
        if (!reply) return invocation.error(reply.error());
        invocation.ok("{\"content\":" + *reply + "}");
      },
      asker);
}

void Running::front_end_file(const std::string& path, UniqueFunction<void(Result<std::string>)> done) {
  std::string content;
  json::Writer(content).begin_object().member("path", path).end_object();
  runtime_.request(
      "front_end_file", content, kernel_reply_ms, [path, done = std::move(done)](Result<std::string> reply) mutable {
        if (!reply && reply.error().code == "kernel_timeout") return done(fail(reply.error()));
        const auto answer = reply ? json::parse(*reply) : Result<json::Value>(json::Value());
        const auto error = answer ? json::string_or_empty(*answer, "error") : std::string();
        if (error == "too_large") {
          return done(fail(413, "too_large", "'" + text::label(path, 200) + "' is larger than 16 MiB"));
        }
        auto bytes = answer ? text::from_base64(json::string_or_empty(*answer, "data")) : std::nullopt;
        const bool there = bytes && answer->find("data") != nullptr;
        if (there) return done(std::move(*bytes));
        done(fail(404, "not_found", "the kernel's environment has no file '" + text::label(path, 200) + "'",
                  "the package of the widget has to be installed where the kernel runs"));
      });
}

void Running::model(Invocation invocation) {
  const auto message = std::move(*invocation.body.find("message"));
  auto buffers = std::move(invocation.buffers);
  if (const auto* inline_buffers = invocation.body.find("buffers");
      inline_buffers != nullptr && inline_buffers->is_array()) {
    const auto& list = *inline_buffers->as_array();
    for (std::size_t i = 0; i < list.size(); ++i) {
      auto bytes = text::from_base64(*list[i].as_string());
      if (!bytes) {
        return invocation.error(json::error_at("body.buffers[" + std::to_string(i) + "]", " is not padded base64"));
      }
      buffers.push_back(std::move(*bytes));
    }
  }
  const auto* client = session_.clients().by_number(invocation.member);
  const auto model_id = invocation.text("model_id");
  runtime_.model(model_id, message, std::move(buffers), client->id,
                 [invocation = std::move(invocation)](Result<std::uint64_t> revision) mutable {
                   if (!revision) return invocation.error(in_body(std::move(revision).error()));
                   std::string out;
                   json::Writer(out).begin_object().member("revision", *revision).end_object();
                   invocation.ok(std::move(out));
                 });
}

void Running::input(Invocation invocation) {
  auto done = runtime_.input(invocation.text("request_id"), invocation.text("value"));
  done ? invocation.ok() : invocation.error(done.error());
}

void Running::clear_outputs(Invocation invocation) {
  std::vector<std::string> cells;
  if (const auto* ids = invocation.body.find("cell_ids"); ids != nullptr && ids->is_array()) {
    for (const auto& id : *ids->as_array()) cells.push_back(*id.as_string());
    if (cells.empty()) return invocation.ok();  // an empty list is none, not all
  }
  runtime_.clear_outputs(cells);
  invocation.ok();
}

void Running::add_cells(Replay& replay) {
  std::vector<runtime::LoadedPtr> unread;
  const auto add = [&](const std::string& cell_id) {
    auto view = runtime_.cell_view(cell_id);
    if (auto outputs = view.outputs.unread(); outputs && outputs->ask()) unread.push_back(std::move(outputs));
    replay.add(std::move(view));
  };
  if (session_.editing().built()) {
    for (const auto* cell : session_.editing().document().cells()) add(cell->id);
  } else if (const auto& file = session_.prepared().notebook.file) {
    for (const auto& cell : file->cells) add(std::string(cell.id));
  }
  if (!unread.empty()) look_at(std::move(unread));
  looks_kept_.start(looks_kept, [this] { runtime_.outputs().forget_looks(); });
}

// In the order joiners get them, and back in pieces, so that the first are on their way while the last are read.
void Running::look_at(std::vector<runtime::LoadedPtr> outputs, Task then) {
  using Looked = std::vector<std::pair<runtime::LoadedPtr, runtime::LoadedOutputs::Look>>;
  session_.services().workers->submit([weak = session_.weak_from_this(), token = session_.at_work(),
                                       &loop = session_.loop(), &blobs = session_.services().runtime->blobs(),
                                       blob_over = runtime_.outputs().limits().blob_over, outputs = std::move(outputs),
                                       then = std::move(then)]() mutable {
    Looked done;
    std::size_t bytes = 0;
    for (const auto& one : outputs) {
      if (weak.expired()) return;
      done.emplace_back(one, one->look(blobs, blob_over));
      bytes += one->json().size();
      if (bytes < look_batch && &one != &outputs.back()) continue;
      bytes = 0;
      const bool last = &one == &outputs.back();
      loop.post([weak, done = std::exchange(done, {}), then = last ? std::exchange(then, {}) : Task()]() mutable {
        const auto session = weak.lock();
        if (!session) return;
        auto& store = session->running().runtime().outputs();
        for (auto& [loaded, look] : done) store.looked_at(*loaded, std::move(look));
        for (const auto& [id, connection] : session->connections().all()) connection->go_on();
        if (then) then();
      });
    }
  });
}

void Running::cell_deleted(const std::string& cell_id) {
  runtime_.cell_deleted(cell_id);
  if (output_log_) output_log_->forget(cell_id);  // undone, it comes back without outputs
}

bool Running::reload(const std::string& cell_id, std::shared_ptr<const void> file, std::string_view outputs_json,
                     std::int64_t count) {
  if (!runtime_.reload(cell_id, std::move(file), outputs_json, count)) return false;
  if (output_log_) output_log_->forget(cell_id);
  auto view = runtime_.cell_view(cell_id);
  auto unread = view.outputs.unread();
  if (!unread) {
    tell_cell(view);
    return true;
  }
  look_at({std::move(unread)}, [this, view = std::move(view)] { tell_cell(view); });
  return true;
}

void Running::tell_cell(const runtime::CellView& view) {
  auto data = view.data();
  if (view.outputs.outputs().empty()) {
    data.clear();
    json::Writer writer(data);
    writer.begin_object().member("cell_id", view.cell_id).member("status", runtime::run_status_name(view.status));
    if (view.execution_count) writer.member("execution_count", *view.execution_count);
    writer.member_raw("outputs", R"([{"op":"clear"}])").end_object();
  }
  session_.connections().publish(Op::cell_op, std::move(data));
}

void Running::add_models(Replay& replay) {
  for (const auto& event : runtime_.models()) {
    auto message = event_message(Op::model_lifecycle, event.data(false));
    for (const auto& buffer : event.buffers) {
      message->payload += *buffer;
      message->sizes.push_back(buffer->size());
    }
    replay.add_opening(std::move(message), {event.model_id});
  }
}

void Running::on_cell_op(const std::string& cell_id, std::string data, bool outputs_changed) {
  session_.models_feed().before_output();
  if (outputs_changed && output_log_) output_log_->changed(cell_id, data);
  session_.connections().publish(Op::cell_op, std::move(data));
  if (outputs_changed) {
    session_.saver().touched();
    session_.outside().ran(cell_id, session_.saver().touches());
  }
  session_.summary_changed();
  session_.check_idle();
}

void Running::on_kernel_status(std::string data) {
  session_.connections().publish(Op::kernel_status, std::move(data));
  session_.summary_changed();
  session_.check_idle();
}

void Running::on_input_request(const std::string&, std::string data) {
  session_.connections().publish(Op::input_request, std::move(data));
  session_.summary_changed();
}

void Running::on_input_done(const std::string& request_id) {
  std::string data;
  json::Writer(data).begin_object().member("request_id", request_id).end_object();
  session_.connections().publish(Op::input_done, std::move(data));
  session_.summary_changed();
}

void Running::on_model(const runtime::ModelEvent& event) {
  session_.models_feed().changed(event);
  Publishing how;
  how.origin = event.origin;
  how.recorded = event.recorded();
  for (const auto& buffer : event.buffers) how.buffers.push_back(*buffer);
  session_.connections().publish(Op::model_lifecycle, event.data(false), std::move(how));
}

void Running::on_kernel_figures() {
  session_.summary_changed();
}

void Running::on_not_told(const Error& why) {
  std::string data;
  json::Writer(data).begin_object().member("text", "The kernel was not told everything. " + why.message).end_object();
  for (const auto& [id, member] : session_.room().members()) session_.connections().tell(id, Op::notice, data);
}

// A notebook that names its kernel keeps what it says: a file is not rewritten because it was run elsewhere.
void Running::on_kernel_info(const runtime::KernelInfo& kernel, std::string info_json) {
  if (!session_.editing().built()) return;
  const auto metadata = json::parse(session_.editing().document().metadata_json());
  if (!metadata) return;
  std::vector<document::Change> changes;
  const auto* spec = metadata->find("kernelspec");
  if (spec == nullptr || json::string_or_empty(*spec, "name") != kernel.kernel) {
    std::string text;
    json::Writer(text)
        .begin_object()
        .member("display_name", kernel.display_name)
        .member("language", kernel.language)
        .member("name", kernel.kernel)
        .end_object();
    changes.push_back(document::SetMetadata{std::nullopt, {"kernelspec"}, std::move(text)});
  }
  const auto info = json::parse(info_json);
  const auto* language = info ? info->find("language_info") : nullptr;
  if (language != nullptr && metadata->find("language_info") == nullptr) {
    changes.push_back(document::SetMetadata{std::nullopt, {"language_info"}, json::write(*language)});
  }
  if (!changes.empty()) session_.editing().host_edit(changes, "kernel");
}

}  // namespace lectern::session
