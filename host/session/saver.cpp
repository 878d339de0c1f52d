#include "session/saver.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/workers.hpp"
#include "document/path_policy.hpp"
#include "session/editing.hpp"
#include "session/live_session.hpp"
#include "session/outside.hpp"
#include "session/running.hpp"

namespace lectern::session {
namespace {

constexpr std::int64_t longest_retry_ms = 60'000;
constexpr int most_tries = 3;  // of a save that finds the file changed each time
constexpr const char* gone = "file_gone";

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> out;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto end = std::min(text.find(' ', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::string joined(const std::vector<std::string>& list) {
  std::string out;
  for (const auto& word : list) out += (out.empty() ? "" : " ") + word;
  return out;
}

}  // namespace

struct Saver::Job {
  document::SaveRequest request;
  std::vector<std::pair<std::size_t, runtime::SavedOutputs>> outputs;  // by place in request.cells
  std::vector<std::string> heads;
  std::uint64_t touches = 0;
  std::optional<std::string> as;  // another path, as the client wrote it
  bool placed = false;            // it may be written to
  State before = State::saved;    // what was so when this save began
  std::string state_dir;
  std::shared_ptr<void> claim;                      // of another path
  document::NotebookLease lease;                    // of that, too
  document::FileLease file_lease;                   // of what takes the place of the notebook's own file
  std::optional<std::string> outputs_kept;          // beside the file: Fingerprint::outputs
  std::shared_ptr<const document::MergeBase> base;  // what the file holds when the save is done
  bool overwrite = false;
  bool asks = false;  // somebody has to choose before the notebook's own file is written
  int tries = 0;
  Done done;

  // [worker]
  Status take_outputs(const runtime::BlobStore& blobs) {
    for (const auto& [place, saved] : outputs) {
      LECTERN_TRY(auto text, saved.text(blobs));
      request.cells[place].outputs = std::move(text);
    }
    return {};
  }
};

Saver::Saver(LiveSession& session) : session_(session), timer_(session.loop()) {
  saved_heads_ = words(session.prepared().notebook.saved_heads);
}

void Saver::set_state(State state) {
  if (state_ == state && state != State::failed) return;
  state_ = state;
  session_.connections().publish(Op::save_state, state_json());
}

// A file that is gone is only told of: the next save writes it.
bool Saver::fails() const {
  return journal_error_ || (error_ && error_->code != gone);
}

// A save is over: what fails meanwhile goes before what the file has. Who reads "saved" would think that the next edit
// is safe, too.
void Saver::settle(State otherwise) {
  set_state(fails() ? State::failed : otherwise);
}

std::string Saver::state_json() const {
  static constexpr std::string_view names[] = {"saved", "dirty", "saving", "failed"};
  std::string out;
  json::Writer writer(out);
  writer.begin_object().member("state", names[static_cast<std::size_t>(state_)]).member("path", session_.path());
  if (error_) {
    writer.key("error");
    write_error(writer, *error_, false);
  }
  writer.key("heads").begin_array();
  for (const auto& head : saved_heads_) writer.string(head);
  writer.end_array().end_object();
  return out;
}

void Saver::touched() {
  ++touches_;
  if (first_touch_ms_ == 0) first_touch_ms_ = clock::now_ms();
  if (!saving_ && state_ != State::failed) set_state(State::dirty);
  schedule();
}

void Saver::schedule() {
  const auto& settings = session_.settings();
  if (!settings.autosave || settings.autosave_at_most_ms == 0 || session_.prepared().notebook.read_only || saving_)
    return;
  // A file somebody else changed is not saved over, and not asked about every few seconds: a person decides.
  if (session_.outside().asks()) return;
  const auto now = clock::now_ms();
  std::int64_t wait = settings.autosave_after_ms;
  if (failures_ > 0) {
    wait = std::min(longest_retry_ms, wait << std::min(failures_, 10));
  } else {
    wait = std::clamp<std::int64_t>(first_touch_ms_ + settings.autosave_at_most_ms - now, 0, wait);
  }
  timer_.start(std::chrono::milliseconds(wait), [this] {
    if (!dirty()) return;
    session_.editing().when_built([weak = session_.weak_from_this()](Status status) {
      const auto session = weak.lock();
      if (session && status && !session->saver().saving_) session->saver().start({}, false, std::nullopt);
    });
  });
}

void Saver::document_built() {
  const auto& notebook = session_.prepared().notebook;
  const bool ahead = notebook.start == document::Start::restored && saved_heads_ != session_.editing().heads();
  if (notebook.file == nullptr || ahead) return touched();
  saved_heads_ = session_.editing().heads();
}

void Saver::journal_failed(const Error& error) {
  journal_error_ = error;
  error_ = error;
  set_state(State::failed);
}

void Saver::journal_works() {
  const auto was = std::exchange(journal_error_, std::nullopt);
  if (!was) return;
  if (error_ && error_->code == was->code) error_.reset();
  if (state_ != State::failed || fails()) return;
  set_state(State::dirty);
  schedule();
}

void Saver::conflicted(const Error& error) {
  timer_.cancel();
  error_ = error;
  set_state(State::failed);
}

void Saver::file_merged(bool same) {
  failures_ = 0;
  error_ = journal_error_;
  if (saving_) return;
  if (same) {
    timer_.cancel();
    first_touch_ms_ = 0;
    saved_heads_ = session_.editing().heads();
    settle(State::saved);
  } else if (dirty()) {
    settle(State::dirty);
    schedule();
  }
}

void Saver::go_on() {
  while (!saving_ && !session_.outside().merging() && !queued_.empty()) {
    auto next = std::move(queued_.front());
    queued_.erase(queued_.begin());
    start(std::move(next.done), next.overwrite, std::move(next.as));
  }
}

void Saver::file_gone(bool is_gone) {
  if (is_gone) {
    error_ = Error{404, gone, session_.path() + " was deleted or moved away by another program; nothing is lost",
                   "the next save writes it anew", ""};
  } else if (error_ && error_->code == gone) {
    error_ = journal_error_;
  } else {
    return;
  }
  session_.connections().publish(Op::save_state, state_json());
}

void Saver::save(Invocation invocation) {
  std::optional<std::string> as;
  if (auto path = invocation.text("path"); !path.empty()) as = std::move(path);
  const auto* overwrite = invocation.body.find("overwrite");
  const bool over = overwrite != nullptr && overwrite->as_bool().value_or(false);
  start(
      [invocation = std::move(invocation)](Result<CommandReply> reply) mutable { invocation.reply(std::move(reply)); },
      over, std::move(as));
}

void Saver::flush(UniqueFunction<void(Status)> done) {
  timer_.cancel();
  if ((!dirty() && !saving_) || session_.prepared().notebook.read_only || session_.outside().asks()) {
    return done({});
  }
  session_.editing().when_built([this, done = std::move(done)](Status status) mutable {
    if (!status) return done(std::move(status));
    start([done = std::move(done)](
              Result<CommandReply> reply) mutable { done(reply ? Status() : Status(fail(reply.error()))); },
          false, std::nullopt);
  });
}

bool Saver::holds_all() const {
  return !saving_ && first_touch_ms_ == 0 && saved_heads_ == session_.editing().heads();
}

void Saver::render(UniqueFunction<void(Result<std::string>)> done) {
  session_.services().workers->submit([weak = session_.weak_from_this(), job = make_job(false, std::nullopt),
                                       blobs = &session_.services().runtime->blobs(), token = session_.at_work(),
                                       &loop = session_.loop(), done = std::move(done)]() mutable {
    const auto write = [&]() -> Result<std::string> {
      LECTERN_CHECK(job->take_outputs(*blobs));
      return document::render(job->request);
    };
    loop.post([weak, bytes = write(), done = std::move(done)]() mutable {
      if (const auto session = weak.lock()) return done(std::move(bytes));
      done(fail(404, "session_not_found", "the session has ended", "open the notebook again"));
    });
  });
}

std::shared_ptr<Saver::Job> Saver::make_job(bool overwrite, const std::optional<std::string>& as) {
  auto& prepared = session_.prepared();
  auto& document = session_.editing().document();
  auto& outputs = session_.running().runtime().outputs();
  auto job = std::make_shared<Job>();  // shared: a worker fills it, the reactor reads it
  auto& request = job->request;
  request.path = prepared.notebook.path;
  request.format = prepared.format;
  request.metadata = document.metadata_json();
  request.language = prepared.language;
  request.baseline = prepared.notebook.file;
  request.last_known = prepared.notebook.last_known;
  request.overwrite_foreign = overwrite;
  job->heads = session_.editing().heads();
  request.heads = joined(job->heads);
  request.cells.reserve(document.cells().size());
  for (const auto* cell : document.cells()) {
    auto& content = request.cells.emplace_back();
    content.id = cell->id;
    content.cell_type = cell->cell_type;
    content.source = cell->source;
    content.metadata = cell->metadata_json;
    content.attachments = cell->attachments_json;
    if (cell->cell_type != "code") continue;
    auto saved = outputs.to_nbformat(cell->id);
    if (saved.untouched() && session_.outside().file_has_outputs_of(cell->id)) continue;
    if (const auto count = session_.running().runtime().execution_count(cell->id)) content.execution_count = *count;
    job->outputs.emplace_back(request.cells.size() - 1, std::move(saved));
  }
  job->touches = touches_;
  job->as = as;
  job->overwrite = overwrite;
  job->asks = session_.outside().asks() && !overwrite;
  job->state_dir = prepared.notebook.state_dir;
  return job;
}

namespace {

// Where "save as" goes: inside the root, in a format that is there, never over what exists unless asked to. `hold`
// keeps others away from it.
template <class Hold>
Status redirect(document::SaveRequest& request, const std::string& as, const document::PathPolicy& paths,
                const document::Formats& formats, bool overwrite, bool asks, Hold&& hold) {
  LECTERN_TRY(auto where, paths.resolve(as));
  if (where.path == request.path && asks) {
    return fail(409, "conflict", where.path + " was changed by another program",
                "choose which version to keep, send \"overwrite\":true, or name another path");
  }
  if (where.path == request.path) return {};
  const auto path = where.path;
  LECTERN_CHECK(hold(path));
  LECTERN_TRY(where, paths.resolve(as));  // as it is now that nobody else makes or opens it
  if (where.path != path)
    return fail(409, "path_exists", as + " leads elsewhere now", "try again, or choose another name");
  if (where.kind == document::PathKind::file && !overwrite) {
    return fail(409, "path_exists", "there is a file at " + where.relative,
                "choose another name, or send \"overwrite\":true");
  }
  if (where.kind == document::PathKind::folder)
    return fail(400, "is_a_folder", "\"" + as + "\" is a folder", "name a file");
  LECTERN_TRY(request.format, document::format_for_path(where.path, formats));
  request.path = where.path;
  request.last_known.reset();
  if (where.kind == document::PathKind::file) {
    LECTERN_TRY(auto present, document::fingerprint(where.path));
    request.last_known = present;
  }
  return {};
}

}  // namespace

void Saver::start(Done done, bool overwrite, std::optional<std::string> as, int tries) {
  if (session_.ended()) {  // another host may have the file
    if (done) done(fail(404, "session_not_found", "the session has ended", "open the notebook again"));
    return;
  }
  if (saving_ || session_.outside().merging()) {
    queued_.push_back({std::move(done), overwrite, std::move(as)});
    return;
  }
  timer_.cancel();
  if (session_.prepared().notebook.read_only && !as) {
    if (done)
      done(fail(403, "permission_denied", session_.path() + " cannot be written by this server",
                "save it under another path"));
    return;
  }
  if (session_.outside().asks() && !as) {
    if (!overwrite) {
      if (done) done(fail(session_.outside().refusal()));
      return;
    }
    session_.outside().keep_ours();
  }
  saving_ = true;
  auto job = make_job(overwrite, as);
  if (auto* log = session_.running().output_log()) log->save_begins();
  job->before = state_;
  set_state(State::saving);
  job->tries = tries;
  job->done = std::move(done);
  if (session_.prepared().notebook.lease.held() && !as) {
    job->request.before_replacing = [store = session_.services().store, job = job.get()](int file) {
      auto lease = store->lease_replacement(file, job->request.path);
      if (lease) job->file_lease = std::move(*lease);
    };
  }
  job->request.outputs_kept = [job = job.get()](const std::string& outputs) { job->outputs_kept = outputs; };
  session_.services().workers->submit([weak = session_.weak_from_this(), job, journal = session_.prepared().journal,
                                       formats = session_.prepared().formats, paths = session_.services().paths,
                                       blobs = &session_.services().runtime->blobs(), token = session_.at_work(),
                                       store = session_.services().store, claim = session_.home().claim,
                                       &loop = session_.loop()] {
    const auto hold = [&](const std::string& path) -> Status {
      LECTERN_TRY(job->claim, claim(path));
      LECTERN_TRY(job->lease, store->lease_for(path));
      return {};
    };
    const auto write = [&]() -> Result<document::SavedFile> {
      LECTERN_CHECK(job->take_outputs(*blobs));
      if (job->as) {
        LECTERN_CHECK(redirect(job->request, *job->as, *paths, formats, job->overwrite, job->asks, hold));
        job->placed = true;
      }
      job->base = std::make_shared<const document::MergeBase>(
          document::merge_base_of(job->request.cells, job->request.metadata));
      job->request.base_json = document::to_json(*job->base);
      return document::save_notebook(*journal, job->state_dir, job->request);
    };
    auto saved = write();
    job->lease = {};
    job->claim.reset();
    loop.post([weak, job, saved = std::move(saved)]() mutable {
      if (const auto session = weak.lock()) session->saver().finished(std::move(job), std::move(saved));
    });
  });
}

void Saver::finished(std::shared_ptr<Job> job, Result<document::SavedFile> saved) {
  saving_ = false;
  auto& notebook = session_.prepared().notebook;
  const bool own_file = job->request.path == notebook.path && (!job->as || job->placed);
  const bool current = job->touches == touches_;
  auto* const log = session_.running().output_log();
  if (log != nullptr && (!own_file || !saved)) log->not_saved();
  if (own_file && !saved && job->outputs_kept && notebook.last_known) {
    notebook.last_known->outputs = *job->outputs_kept;
    if (log != nullptr) log->file_merged();
  }
  if (!own_file) {  // the sender's matter: it says nothing of how safe the notebook is
    settle(job->before == State::saved && current ? State::saved : State::dirty);
  } else if (saved) {
    failures_ = 0;
    error_ = journal_error_;
    notebook.last_known = saved->fingerprint;
    if (log != nullptr) log->saved();
    saved_heads_ = job->heads;
    if (saved->inode != 0 && saved->inode == job->file_lease.inode) {
      session_.take_file_lease(std::move(job->file_lease));
    }
    first_touch_ms_ = current ? 0 : clock::now_ms();
    settle(current ? State::saved : State::dirty);
    session_.outside().saved(&*saved, job->base, job->touches);
  } else {
    if (retry(job, saved.error())) return;
    ++failures_;
    // That edits are not safe weighs more than that the file is old, and is told first.
    error_ = journal_error_ ? *journal_error_ : saved.error();
    log::warning("session", "saving " + job->request.path + " failed: " + saved.error().message);
    set_state(State::failed);
  }
  if (!saved || !own_file) session_.outside().saved(nullptr, nullptr, 0);
  answer(*job, saved);
  go_on();
  if (saving_) return;
  if (dirty() && !session_.ended()) schedule();
  session_.check_idle();
}

// Somebody wrote the file while it was being saved, or just before: what they wrote is merged first.
bool Saver::retry(const std::shared_ptr<Job>& job, const Error& error) {
  if (error.code != "conflict" || job->asks || job->tries >= most_tries) return false;
  settle(State::dirty);
  session_.outside().look_then([weak = session_.weak_from_this(), job] {
    const auto session = weak.lock();
    if (!session) return;
    session->saver().start(std::move(job->done), job->overwrite, job->as, job->tries + 1);
  });
  return true;
}

void Saver::answer(Job& job, const Result<document::SavedFile>& saved) {
  if (job.done) {
    if (saved) {
      std::string out;
      json::Writer writer(out);
      writer.begin_object().member("path", job.request.path).member("bytes", saved->bytes).key("heads").begin_array();
      for (const auto& head : job.heads) writer.string(head);
      writer.end_array().end_object();
      job.done(CommandReply{200, std::move(out)});
    } else {
      job.done(fail(saved.error()));
    }
  }
}

}  // namespace lectern::session
