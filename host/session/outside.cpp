#include "session/outside.hpp"

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/workers.hpp"
#include "document/atomic_file.hpp"
#include "document/kept_outputs.hpp"
#include "document/notebook_store.hpp"
#include "document/path_policy.hpp"
#include "document/system_file.hpp"
#include "lectern/sdk/json_slice.hpp"
#include "runtime/service.hpp"
#include "session/editing.hpp"
#include "session/live_session.hpp"
#include "session/running.hpp"
#include "session/saver.hpp"

namespace lectern::session {
namespace {

constexpr int quiet_ms = 40;          // editors write in several steps
constexpr int at_latest_ms = 250;     // some never stop
constexpr int half_written_ms = 300;  // what cannot be read may be whole by then

}  // namespace

struct Outside::Seen {
  FileIdentity identity;
  bool missing = false;
  std::optional<document::Fingerprint> same;  // as the file we know
  std::shared_ptr<const document::LoadedNotebook> file;
  std::optional<Error> error;
  std::optional<document::FileLease> lease;  // when it is another file than the one that is leased
};

struct Outside::Compared {
  std::string cell_id;
  runtime::SavedOutputs ours;
  bool differs = false;
};

Outside::Outside(LiveSession& session) : session_(session), timer_(session.loop()) {}

void Outside::begin(FileWatch& watch) {
  const auto& notebook = session_.prepared().notebook;
  if (notebook.outside || notebook.file_went) {  // a file that went may come back
    if (auto base = document::merge_base_from_json(notebook.base_json)) base_ = std::move(*base);
  } else if (notebook.file) {
    base_ = document::merge_base_of(*notebook.file);
  } else {
    base_.known = true;
  }
  watch_ = &watch;
  watch_here();
}

void Outside::watch_here() {
  auto held = std::exchange(session_.prepared().held, {});
  if (held.device != 0) device_ = held.device;
  held.device = device_;  // what is moved stays on its file system
  // Without a token: the directory stops the watch before the loops may go.
  guard_ = watch_->watch(
      session_.path(),
      [weak = session_.weak_from_this(), &loop = session_.loop()](const FileWatch::Event& event) {
        loop.post([weak, event] {
          const auto session = weak.lock();
          if (session && !session->ended()) session->outside().heard(event);
        });
      },
      std::move(held));
}

void Outside::close() {
  closed_ = true;
  guard_ = {};
  timer_.cancel();
  for (auto& task : std::exchange(waiting_, {})) task();
}

void Outside::document_built() {
  soon();  // it may have been changed after it was read and before it was watched
  auto& notebook = session_.prepared().notebook;
  if (!std::exchange(notebook.outside, false) || !notebook.file) return;
  looking_ = true;
  merge(notebook.file, true);
}

void Outside::heard(const FileWatch::Event& event) {
  if (closed_) return;
  // Of a move of our own the watch may hear before it is done, or after.
  if (renaming_ && event.kind != FileWatch::Event::Kind::touched) return;
  if (event.kind == FileWatch::Event::Kind::moved && event.path == session_.path()) return;
  switch (event.kind) {
    case FileWatch::Event::Kind::moved:
      return moved(event.path);
    case FileWatch::Event::Kind::gone:
      return vanished();
    case FileWatch::Event::Kind::touched:
      return soon();
  }
}

void Outside::soon() {
  const auto now = clock::now_ms();
  if (heard_ms_ == 0) heard_ms_ = now;
  const auto wait = std::clamp<std::int64_t>(heard_ms_ + at_latest_ms - now, 0, quiet_ms);
  timer_.start(std::chrono::milliseconds(wait), [this] {
    heard_ms_ = 0;
    look();
  });
}

void Outside::look_then(Task done) {
  if (closed_) return done();
  waiting_.push_back(std::move(done));
  again_ = looking_;
  look();
}

void Outside::look() {
  if (closed_) return;
  if (looking_ || session_.saver().saving()) {
    again_ = true;
    return;
  }
  looking_ = true;
  again_ = false;
  session_.editing().when_built([weak = session_.weak_from_this()](Status status) {
    const auto session = weak.lock();
    if (!session || session->ended()) return;
    auto& self = session->outside();
    if (!status) {
      if (session->editing().built()) self.soon();  // else document_built() does
      return self.finish_look();
    }
    const auto& prepared = session->prepared();
    session->services().workers->submit(
        [weak, token = session->at_work(), &loop = session->loop(), path = prepared.notebook.path,
         known = prepared.notebook.last_known, state_dir = prepared.notebook.state_dir, identity = self.identity_,
         unread = self.unread_, formats = prepared.formats, store = session->services().store,
         guarded = prepared.notebook.lease.held(), device = prepared.notebook.file_lease.device,
         inode = prepared.notebook.file_lease.inode] {
          Seen seen;
          seen.identity = identity_of(path);
          seen.missing = !seen.identity.exists();
          const auto& limits = store->limits();
          if (guarded && !seen.missing && (seen.identity.device != device || seen.identity.inode != inode)) {
            auto lease = store->lease_file(seen.identity.device, seen.identity.inode, path);
            if (!lease) log::warning("session", "two sessions write one file. " + lease.error().message);
            seen.lease = lease ? std::move(*lease) : document::FileLease{seen.identity.device, seen.identity.inode, {}};
          }
          const bool untouched = seen.identity == identity || seen.identity == unread;
          if (!seen.missing && !untouched) {
            auto print = document::fingerprint(path);
            if (print && known && *print == *known) {
              seen.same = std::move(*print);
            } else if (auto file = document::load(path, formats, limits)) {
              seen.file = document::with_kept_outputs(std::move(*file), state_dir);
            } else {
              seen.error = std::move(file).error();
            }
          }
          loop.post([weak, seen = std::move(seen)]() mutable {
            const auto still = weak.lock();
            if (still && !still->ended()) still->outside().seen(std::move(seen));
          });
        });
  });
}

void Outside::seen(Seen seen) {
  auto& notebook = session_.prepared().notebook;
  if (closed_) return;
  if (session_.saver().saving()) again_ = true;  // whose file that was is known when the save is over
  if (seen.lease && !session_.saver().saving()) session_.take_file_lease(std::move(*seen.lease));
  if (seen.missing || session_.saver().saving()) return finish_look();
  const bool known = seen.file && notebook.last_known && seen.file->fingerprint == *notebook.last_known;
  if (seen.same || known || seen.file) file_is_back();
  if (seen.same || known) {
    identity_ = seen.identity;
    unread_ = {};
    if (std::exchange(unreadable_, std::nullopt)) tell_conflict();
  } else if (seen.file) {
    identity_ = seen.identity;
    unread_ = {};
    unreadable_.reset();
    // Behind an edit that a worker makes: what is merged is what the document says then.
    return session_.editing().when_built(
        [weak = session_.weak_from_this(), file = std::move(seen.file)](Status status) {
          const auto session = weak.lock();
          if (!session || session->outside().closed_) return;
          auto& self = session->outside();
          if (status) return self.merge(file, false);
          self.identity_ = {};  // it was not compared
          self.soon();
          self.finish_look();
        });
  } else if (seen.error && seen.error->code == "not_found") {
    soon();
  } else if (seen.error && unread_ == FileIdentity{} && !unreadable_) {
    unread_.size = 1;  // looked at once: no file is like this
    timer_.start(std::chrono::milliseconds(half_written_ms), [this] { look(); });
  } else if (seen.error) {
    unread_ = seen.identity;
    leave_alone(std::move(*seen.error), "read");
    tell_conflict();
  }
  finish_look();
}

void Outside::finish_look() {
  looking_ = false;
  if (again_) return look();
  for (auto& task : std::exchange(waiting_, {})) task();
}

void Outside::leave_alone(Error why, std::string_view what) {
  unreadable_ = std::move(why);
  unreadable_->message = "cannot be " + std::string(what) + ": " + unreadable_->message;
  if (!unreadable_->message.ends_with('.')) unreadable_->message += '.';
  log::warning("session", refusal().message);
}

void Outside::merge(std::shared_ptr<const document::LoadedNotebook> file, bool restored) {
  auto& notebook = session_.prepared().notebook;
  auto& document = session_.editing().document();
  auto merged = document::merge_outside(base_, document.cells(), document.metadata_json(), *file);
  const bool clean = !restored && !session_.saver().dirty() && notebook.last_known.has_value() && conflicts_.empty();
  const auto version = document.version() + (merged.changes.empty() ? 0 : 1);
  merging_ = true;
  auto was = std::exchange(notebook.file, document::renamed(file, merged.ids));
  notebook.last_known = file->fingerprint;
  unmerged_.reset();
  auto base = std::exchange(base_, std::move(merged.base));
  conflicts_ = std::move(merged.conflicts);
  if (!conflicts_.empty() || merged.passed_over) keep_copy(file);
  if (!merged.changes.empty()) {
    session_.editing().host_edit(merged.changes, "file",
                                 [this, was = std::move(was), base = std::move(base), file](Error why) mutable {
                                   // The file is one that nobody here knows, until the next look, choice or start.
                                   auto& opened = session_.prepared().notebook;
                                   opened.file = std::move(was);
                                   opened.last_known.reset();
                                   unmerged_ = file->fingerprint;
                                   base_ = std::move(base);
                                   conflicts_.clear();
                                   keep_copy(file);
                                   leave_alone(std::move(why), "merged");
                                 });
  }
  std::unordered_map<std::string_view, std::string_view> there;
  for (const auto& cell : notebook.file->cells) there.emplace(cell.id, cell.outputs);
  for (const auto& cell : document.cells()) {
    const auto outputs = session_.running().runtime().outputs().to_nbformat(cell->id);
    const auto it = there.find(cell->id);
    if (outputs.untouched() && (it == there.end() || it->second != outputs.file_text())) elsewhere_.insert(cell->id);
  }
  log::info("session", session_.path() + " was changed by another program: " + std::to_string(merged.changes.size()) +
                           " changes to merge, " + std::to_string(conflicts_.size()) + " cells to be chosen");
  session_.editing().when_durable([weak = session_.weak_from_this(), from_there = std::move(merged.from_there), version,
                                   clean = clean && !merged.passed_over] {
    const auto session = weak.lock();
    if (!session || session->outside().closed_) return;
    session->outside().merged(from_there, clean && session->editing().document().version() == version);
  });
}

// The edits are on disk and told; outputs of new cells come after the cells. `same`: the document says what the file
// says.
void Outside::merged(const std::vector<std::string>& from_there, bool same) {
  merging_ = false;
  if (!unreadable_) take_outputs(from_there);
  if (auto* const log = session_.running().output_log()) log->file_merged();
  tell_conflict();
  if (!asks()) {
    record(same);
    session_.saver().file_merged(same);
  } else if (!unreadable_) {
    record(false);
  }
  finish_look();
  session_.saver().go_on();
}

std::optional<document::Fingerprint> Outside::content() const {
  const auto& known = session_.prepared().notebook.last_known;
  return known ? known : unmerged_;
}

void Outside::file_is_back() {
  if (std::exchange(gone_, false)) session_.saver().file_gone(false);
}

const plugin::FormatCell* Outside::in_file(const std::string& cell_id) const {
  const auto& file = session_.prepared().notebook.file;
  if (!file) return nullptr;
  const auto it = std::find_if(file->cells.begin(), file->cells.end(),
                               [&](const plugin::FormatCell& cell) { return cell.id == cell_id; });
  return it == file->cells.end() ? nullptr : &*it;
}

// Outputs that ran here since the last save stay. Those the file had are taken from the new one; those that ran here
// and were saved may have been run again elsewhere: a worker compares.
void Outside::take_outputs(const std::vector<std::string>& from_there) {
  auto& outputs = session_.running().runtime().outputs();
  const auto& file = session_.prepared().notebook.file;
  std::unordered_set<std::string_view> asked;
  for (const auto& conflict : conflicts_) asked.insert(conflict.cell_id);
  const std::unordered_set<std::string_view> edited(from_there.begin(), from_there.end());
  std::vector<Compared> unsure;
  for (const auto& cell : file->cells) {
    const std::string id(cell.id);
    if (cell.cell_type != "code" || asked.contains(id) || ran_.contains(id)) continue;
    if (session_.editing().document().find_cell(id) == nullptr) continue;
    auto ours = outputs.to_nbformat(id);
    const auto bare = sdk::json::trim(cell.outputs);
    const bool none = bare.empty() || bare == "[]";
    const auto count = session_.running().runtime().execution_count(id).value_or(-1);
    if (edited.contains(id) || elsewhere_.contains(id) || count != cell.execution_count || (ours.empty() && !none)) {
      take(id);
    } else if (!ours.untouched() && !ours.empty()) {
      unsure.push_back({id, std::move(ours), false});
    }
  }
  if (unsure.empty()) return;
  session_.services().workers->submit([weak = session_.weak_from_this(), token = session_.at_work(),
                                       &loop = session_.loop(), file, blobs = &session_.services().runtime->blobs(),
                                       unsure = std::move(unsure)]() mutable {
    std::unordered_map<std::string_view, std::string_view> there;
    for (const auto& cell : file->cells) there.emplace(cell.id, cell.outputs);
    for (auto& one : unsure) {
      const auto text = one.ours.text(*blobs);
      one.differs = text && document::outputs_hash(*text) != document::outputs_hash(there[one.cell_id]);
    }
    loop.post([weak, file, unsure = std::move(unsure)]() mutable {
      const auto session = weak.lock();
      if (!session || session->ended() || session->prepared().notebook.file != file) return;
      session->outside().compared(std::move(unsure));
    });
  });
}

void Outside::compared(std::vector<Compared> cells) {
  for (const auto& one : cells) {
    if (one.differs && !ran_.contains(one.cell_id)) take(one.cell_id);
  }
}

void Outside::take(const std::string& cell_id) {
  const auto* there = in_file(cell_id);
  if (there == nullptr) return;
  if (session_.running().reload(cell_id, session_.prepared().notebook.file, there->outputs, there->execution_count)) {
    elsewhere_.erase(cell_id);
  }
}

// The file as it is now, before anybody's choice or the next save takes something of it away.
void Outside::keep_copy(std::shared_ptr<const document::LoadedNotebook> file) {
  const auto& notebook = session_.prepared().notebook;
  session_.services().workers->submit([file = std::move(file), folder = notebook.state_dir + "/copies",
                                       name = document::name_of(notebook.path).substr(0, 180)] {
    const auto kept = [&]() -> Status {
      LECTERN_CHECK(document::make_folders(folder));
      const auto path = folder + "/" + std::to_string(clock::wall_ms()) + "-" + name;
      return document::replace_file(path, *file->bytes, 0600).map([](auto&&) {});
    }();
    if (!kept) log::warning("session", "a copy of a changed file could not be kept: " + kept.error().message);
  });
}

// With `same`, the document says what the file says; then nothing has to be saved after a restart. While somebody has
// to choose, the base is remembered and the file is not: a restart merges it again, asks again, and takes nothing
// twice.
void Outside::record(bool same) {
  const auto& notebook = session_.prepared().notebook;
  if (!notebook.last_known) return;
  std::string heads;
  if (same) {
    for (const auto& head : session_.editing().heads()) heads += (heads.empty() ? "" : " ") + head;
  }
  const auto print = asks() ? document::Fingerprint{} : *notebook.last_known;
  document::record_file(*session_.prepared().journal, print, heads, document::to_json(base_));
}

void Outside::saved(const document::SavedFile* saved, std::shared_ptr<const document::MergeBase> base,
                    std::uint64_t touches) {
  if (saved != nullptr) {
    base_ = *base;
    gone_ = false;
    unread_ = {};
    if (saved->inode != 0) {
      identity_ = {saved->device, saved->inode, saved->fingerprint.size, saved->fingerprint.mtime_ns,
                   saved->changed_ns};
    }
    std::erase_if(ran_, [&](const auto& one) { return one.second <= touches; });
    unreadable_.reset();
    conflicts_.clear();
    tell_conflict();
  }
  if (again_ && !looking_) soon();
}

void Outside::ran(const std::string& cell_id, std::uint64_t touches) {
  ran_[cell_id] = touches;
  elsewhere_.erase(cell_id);
}

void Outside::moved(const std::string& path) {
  if (path == session_.path()) return;
  session_.services().workers->submit([weak = session_.weak_from_this(), token = session_.at_work(),
                                       &loop = session_.loop(), paths = session_.services().paths,
                                       store = session_.services().store, path, from = session_.path()] {
    const auto where = paths->resolve(path);
    const bool inside = where && where->kind == document::PathKind::file && where->path == path;
    Result<document::NotebookLease> lease;
    if (inside) lease = store->lease_for(path);
    loop.post([weak, path, from, inside, lease = std::move(lease)]() mutable {
      const auto session = weak.lock();
      if (!session || session->ended()) return;
      auto& self = session->outside();
      if (self.renaming_ || session->path() != from) {  // renamed here meanwhile: what the watch saw is the past
        self.watch_here();
        return self.soon();
      }
      if (!inside || !lease || !session->follow(path)) {
        self.watch_here();  // the watch went with the file
        self.soon();
        return self.vanished();
      }
      session->prepared().notebook.lease = std::move(*lease);
      session->take_file_lease({});  // it names the old path; the look that follows takes another one
      log::info("session", "the file of a session was moved to " + path);
      self.soon();
    });
  });
}

void Outside::vanished() {
  if (std::exchange(gone_, true)) return;
  identity_ = {};
  session_.take_file_lease({});
  log::warning("session", session_.path() + " was deleted or moved away; the session goes on");
  session_.saver().file_gone(true);
}

}  // namespace lectern::session
