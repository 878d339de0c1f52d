#include "runtime/keeping.hpp"

#include <utility>

#include "base/clock.hpp"
#include "base/json.hpp"

namespace lectern::runtime {

namespace {

// A queue of more code than this is not written down: it is lost with the host, as it always was.
constexpr std::size_t most_noted = 64u << 20;
constexpr std::size_t compact_past = 1u << 20;

KeptRun kept_run(const Execution& execution, bool with_code) {
  KeptRun run{execution.number, execution.id, execution.cell_id, execution.by, execution.execution_count};
  run.batch = execution.batch;
  run.stop_on_error = execution.stop_on_error;
  if (with_code) run.code = execution.code;
  return run;
}

}  // namespace

Keeping::Keeping(KeptKernels& kept, Loop& loop, const ModelStore& models, const TakenUpModels& taken_up)
    : kept_(kept), taken_up_(taken_up), notes_(loop, models) {
  notes_.when_noted([this] { models_noted(); });
}

void Keeping::under(std::string session_id, std::string path) {
  if (!kept_.enabled()) return;
  session_id_ = std::move(session_id);
  path_ = std::move(path);
}

void Keeping::moved(std::string path) {
  path_ = std::move(path);
  if (!record_) return;
  record_->path = path_;
  write();
}

void Keeping::begin(const KernelInfo& kernel, StartOptions& options) {
  notes_.into(nullptr);
  record_.reset();
  promised_ = false;
  forget_queue();
  if (session_id_.empty()) return;
  auto& record = record_.emplace();
  record.session_id = session_id_;
  record.path = path_;
  record.kernel = kernel;
  record.since = clock::rfc3339_now();
  options.keep = kept_.folder(session_id_);
  options.prepare = [&kept = kept_, record] { return kept.prepare(record); };
}

void Keeping::take_up(KeptKernel found, StartOptions& options) {
  promised_ = true;  // to the host before
  forget_queue();
  path_ = found.path;
  ++found.life;
  options.keep = kept_.folder(found.session_id);
  options.take_up = true;
  options.life = found.life;
  options.running = found.running ? found.running->number : 0;
  record_ = std::move(found);
  notes_.into(kept_.model_file(record_->session_id));
  write();
}

void Keeping::said(std::string_view metadata) {
  if (!record_ || metadata.empty()) return;
  const auto value = json::parse(metadata);
  const auto* kept = value ? value->find("kept") : nullptr;
  if (kept == nullptr || !kept->as_bool().value_or(false)) return;
  const auto* process = value->find("process");
  record_->process = process != nullptr ? process->as_int().value_or(0) : 0;
  record_->process_start.clear();
  record_->dead = false;
  promised_ = true;
  forget_queue();
  notes_.into(kept_.model_file(record_->session_id));
  write();
}

void Keeping::up() {
  if (record_ && !promised_) return ended();
  (void)note_queue();
}

void Keeping::runs(const Execution* execution) {
  if (!record_ || !promised_) return;
  if (execution == nullptr) {
    if (!std::exchange(record_->running, std::nullopt)) return;
  } else {
    const bool same = record_->running && record_->running->number == execution->number;
    auto question = same ? std::move(record_->running->question) : std::nullopt;
    const bool noted = same ? record_->running->models_noted : all_models_noted();
    record_->running = kept_run(*execution, false);
    record_->running->question = std::move(question);
    record_->running->models_noted = noted;
  }
  note_run();
}

void Keeping::asks(std::optional<KeptQuestion> question) {
  if (!record_ || !promised_ || !record_->running) return;
  if (!question && !record_->running->question) return;
  record_->running->question = std::move(question);
  note_run();
}

// From then on it holds: a model of which nothing is written down was made by what runs, or after it.
void Keeping::models_noted() {
  if (!record_ || !promised_ || !record_->running || record_->running->models_noted || !all_models_noted()) return;
  record_->running->models_noted = true;
  note_run();
}

void Keeping::note_run() {
  if (!kept_.note_run(record_->session_id, record_->running)) write();
}

/// Writes down all that waits, unless that was done. False when nothing is kept, or not written down yet.
bool Keeping::note_queue() {
  if (queue_noted_) return true;
  if (!record_ || !promised_ || executions_ == nullptr) return false;
  std::string lines;
  waiting_.clear();
  for (const auto& execution : executions_->waiting()) {
    if (lines.size() + execution.code.size() > most_noted) break;
    lines += KeptKernels::waits(kept_run(execution, true));
    waiting_.insert(execution.number);
  }
  noted_bytes_ = notes_from_ = lines.size();
  return queue_noted_ = kept_.note_waiting(record_->session_id, lines, true);
}

void Keeping::note(const std::string& line) {
  noted_bytes_ += line.size();
  queue_noted_ = noted_bytes_ < 4 * notes_from_ + compact_past && kept_.note_waiting(record_->session_id, line, false);
  (void)note_queue();
}

void Keeping::waits(const Execution& execution, bool newer) {
  if (!queue_noted_) return (void)note_queue();
  if (waiting_.contains(execution.number) && !newer) return;
  if (noted_bytes_ + execution.code.size() > most_noted) return;
  waiting_.insert(execution.number);
  note(KeptKernels::waits(kept_run(execution, true)));
}

void Keeping::waits_no_more(const Execution& execution) {
  if (!queue_noted_) return (void)note_queue();
  if (waiting_.erase(execution.number) != 0) note(KeptKernels::waits_no_more(execution.number));
}

void Keeping::forget_queue() {
  waiting_.clear();
  queue_noted_ = false;
}

void Keeping::died() {
  if (!record_) return;
  record_->dead = true;
  record_->process = 0;
  record_->running.reset();
  kept_.note_run(record_->session_id, {});
  kept_.note_waiting(record_->session_id, {}, true);
  forget_queue();
  notes_.none();
  promised_ = false;
  write();
}

void Keeping::ended() {
  promised_ = false;
  notes_.into(nullptr);
  forget_queue();
  if (!record_) return;
  kept_.forget(record_->session_id);
  record_.reset();
}

void Keeping::left() {
  notes_.last();
  let_go();
}

void Keeping::let_go() {
  notes_.into(nullptr);
  forget_queue();
  record_.reset();
  promised_ = false;
}

void Keeping::left_without_queue() {
  if (record_) kept_.none_waits(record_->session_id);
  let_go();
}

void Keeping::write() {
  kept_.put(*record_);
}

}  // namespace lectern::runtime
