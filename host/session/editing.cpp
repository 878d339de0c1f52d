#include "session/editing.hpp"

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/workers.hpp"
#include "session/attendance.hpp"
#include "session/authorization.hpp"
#include "session/changes_json.hpp"
#include "session/history.hpp"
#include "session/live_session.hpp"
#include "session/notebook_import.hpp"
#include "session/outside.hpp"
#include "session/running.hpp"
#include "session/saver.hpp"
#include "session/trust.hpp"

namespace lectern::session {
namespace {

// For many who join at once; shorter than the host waits before it gives memory back.
constexpr auto cache_kept = std::chrono::milliseconds(1500);

bool of_the_notebook(const document::Change& change) {
  const auto* metadata = std::get_if<document::SetMetadata>(&change);
  return metadata != nullptr && !metadata->cell_id;
}

constexpr std::uint64_t large_file = std::uint64_t{1} << 20;  // below, the document is built within a few milliseconds
constexpr std::chrono::milliseconds show_first{25};           // time for who opened it to connect and see its cells

}  // namespace

Editing::Editing(LiveSession& session)
    : session_(session),
      patience_(session.loop()),
      retry_(session.loop()),
      cache_kept_(session.loop()),
      shown_first_(session.loop()) {}

void Editing::begin() {
  auto& prepared = session_.prepared();
  snapshot_bytes_ = prepared.snapshot_bytes;
  if (prepared.document) {
    document_ = std::move(prepared.document);
    prepared.document.reset();
    published_ = document_->version();
    return;
  }
  // The cells are shown from the file: of a large one, building takes as long as showing, and both want the same cores.
  const auto& file = prepared.notebook.file;
  if (!file || file->fingerprint.size < large_file) return build();
  shown_first_.start(show_first, [this] { build(); });
}

void Editing::build() {
  const auto& prepared = session_.prepared();
  session_.services().workers->submit(
      [weak = session_.weak_from_this(), file = prepared.notebook.file, created = prepared.created,
       history = prepared.notebook.history_id, limits = document::DocumentLimits::of(session_.settings().file_limits),
       journal = prepared.journal, token = session_.at_work(), &loop = session_.loop()]() mutable {
        auto document = build_notebook(file.get(), created, history, limits);
        Status journaled;
        std::uint64_t bytes = 0;
        if (document) {
          auto snapshot = document->save();
          auto sidecar = document->sidecar();
          bytes = sidecar.size() + (snapshot ? snapshot->size() : 0);
          journaled = snapshot ? journal->rewrite_and_wait(std::move(*snapshot), std::move(sidecar))
                               : Status(fail(snapshot.error()));
        }
        loop.post([weak, bytes, document = std::move(document), journaled = std::move(journaled)]() mutable {
          if (const auto session = weak.lock()) {
            session->editing().snapshot_bytes_ = bytes;
            session->editing().built_with(std::move(document), std::move(journaled));
          }
        });
      });
}

void Editing::built_with(Result<document::NotebookDocument> document, Status journaled) {
  patience_.cancel();
  if (!document) {
    failed_ = document.error();
    log::error("session", "the document of " + session_.path() + " could not be built: " + failed_->message);
    return run_waiting(fail(*failed_));
  }
  document_ = std::move(*document);
  published_ = document_->version();
  if (!journaled) {  // what there is to lose is in the file; edits wait until the disk takes it
    ++batches_;
    unwritten_.emplace_back();
    refuse_edits(journaled.error());
  }
  for (const auto& [id, connection] : session_.connections().all()) {
    if (connection->live() && connection->options().document_changes && !connection->document_ready) {
      if (const auto message = document_for(*connection)) connection->send(message);
    }
  }
  session_.trust().look_at(metadata_json());
  session_.history().document_built();
  session_.outside().document_built();
  session_.saver().document_built();
  run_waiting({});
}

void Editing::run_waiting(const Status& status) {
  auto waiting = std::move(waiting_);
  waiting_.clear();
  for (auto& one : waiting) {
    if (status && (making_ || !quiet_waiters_.empty())) {
      waiting_.push_back(std::move(one));  // behind the long edit that one before it is, or what that waits for
    } else {
      one.work(status);
    }
  }
}

void Editing::when_built(UniqueFunction<void(Status)> work) {
  if (built() && !making_ && quiet_waiters_.empty()) return work({});
  if (failed_) return work(fail(*failed_));
  if (waiting_.size() >= session_.settings().max_edits_waiting) {
    return work(fail(503, "busy", "too many edits wait for the document to be built", "try again in a moment"));
  }
  waiting_.push_back({std::move(work)});
  if (shown_first_.armed()) {
    shown_first_.cancel();
    build();
  }
  if (built() || patience_.armed()) return;
  patience_.start(std::chrono::milliseconds(session_.settings().document_build_ms), [this] {
    run_waiting(fail(504, "document_building", "the document is still being built", "try again in a moment"));
  });
}

void Editing::when_durable(Task work) {
  const bool flushing = !staged_.empty() || flush_due_;
  if (making_ || flushing) {  // what a worker makes comes in a batch of its own, after what is staged
    durable_waiters_.emplace_back(batches_ + (making_ && flushing ? 2 : 1), std::move(work));
  } else if (batches_written_ < batches_) {
    durable_waiters_.emplace_back(batches_, std::move(work));
  } else {
    work();
  }
}

void Editing::when_quiet(Task work) {
  if (quiet() || safe_) return work();
  quiet_waiters_.push_back(std::move(work));
  if (refusing_) show_what_is_safe();
}

void Editing::run_quiet() {
  if (quiet_waiters_.empty()) return;
  if (!quiet() && !safe_) {
    if (refusing_) show_what_is_safe();
    return;
  }
  auto waiters = std::move(quiet_waiters_);
  quiet_waiters_.clear();
  for (auto& work : waiters) work();
  run_waiting({});
}

std::string Editing::by_json(MemberId member) const {
  return who_json(session_.room().find(member));
}

void Editing::transaction(Invocation invocation) {
  auto* client = session_.clients().by_number(invocation.member);
  const auto* list = invocation.body.find("changes")->as_array();
  auto changes = parse_changes(*list, "body.changes");
  if (!changes) return invocation.error(changes.error());
  if (refusing_) return invocation.error(*refusing_);
  const auto base = invocation.number("base_version");
  edit(client->host_actor(), std::move(*changes), base,
       [this, invocation = std::move(invocation)](Result<document::AppliedTransaction> applied) mutable {
         transacted(std::move(invocation), std::move(applied));
       });
}

void Editing::transacted(Invocation invocation, Result<document::AppliedTransaction> applied) {
  if (!applied) {
    // It may show the present source, part of which may not be on disk yet.
    return when_durable([invocation = std::move(invocation), error = applied.error()]() mutable {
      invocation.error(std::move(error));
    });
  }
  std::string reply;
  json::Writer writer(reply);
  writer.begin_object().member("version", applied->version).member_raw("applied", changes_json(applied->applied));
  writer.key("dropped").begin_array();
  for (const auto& dropped : applied->dropped) {
    writer.begin_object()
        .member("index", static_cast<std::uint64_t>(dropped.index))
        .member("reason", dropped.reason)
        .end_object();
  }
  writer.end_array().end_object();
  if (applied->chunks.empty()) {
    return when_durable(
        [invocation = std::move(invocation), reply = std::move(reply)]() mutable { invocation.ok(std::move(reply)); });
  }
  auto staged = staged_of(invocation.member, std::move(*applied));
  staged.id = invocation.id;
  staged.told = [invocation = std::move(invocation), reply = std::move(reply)](Status status) mutable {
    status ? invocation.ok(std::move(reply)) : invocation.error(status.error());
  };
  stage(std::move(staged));
}

Editing::Staged Editing::staged_of(MemberId number, document::AppliedTransaction applied) {
  const auto& client = *session_.clients().by_number(number);
  if (auto* member = session_.room().find(number)) session_.attendance().edited(*member);
  Staged staged;
  staged.logged.cells = document::touches_of(applied.told);
  staged.logged.author = session_.history().author_of(client);
  staged.steps = std::move(applied.steps);
  staged.chunks = std::move(applied.chunks);
  staged.changes = std::move(applied.applied);
  staged.version = applied.version;
  staged.source = "client";
  staged.by = by_json(number);
  staged.author = client.id;
  return staged;
}

void Editing::restore(Invocation invocation, const std::vector<document::Change>& changes, Restored from) {
  if (refusing_) return invocation.error(*refusing_);
  const auto actor = session_.clients().by_number(invocation.member)->host_actor();
  edit(actor, changes, std::nullopt,
       [this, invocation = std::move(invocation),
        from = std::move(from)](Result<document::AppliedTransaction> applied) mutable {
         restored(std::move(invocation), std::move(from), std::move(applied));
       });
}

void Editing::restored(Invocation invocation, Restored from, Result<document::AppliedTransaction> applied) {
  if (!applied) return invocation.error(applied.error());
  std::string reply;
  json::Writer(reply)
      .begin_object()
      .member("version", applied->version)
      .member("changes", static_cast<std::uint64_t>(applied->applied.size()))
      .end_object();
  if (applied->chunks.empty()) return invocation.ok(std::move(reply));
  auto staged = staged_of(invocation.member, std::move(*applied));
  staged.author_knows = false;
  staged.logged.source = "restore";
  staged.logged.restored = std::move(from.version);
  staged.logged.restored_cell = std::move(from.cell_id);
  staged.id = invocation.id;
  staged.told = [invocation = std::move(invocation), reply = std::move(reply)](Status status) mutable {
    status ? invocation.ok(std::move(reply)) : invocation.error(status.error());
  };
  stage(std::move(staged));
}

void Editing::host_edit(const std::vector<document::Change>& changes, std::string_view source,
                        UniqueFunction<void(Error)> refused, Task made) {
  static const std::string host_actor = "6c65637465726e2d686f73742d656469";  // "lectern-host-edi", any fixed 16 bytes
  edit(host_actor, changes, std::nullopt,
       [this, source = std::string(source), refused = std::move(refused),
        made = std::move(made)](Result<document::AppliedTransaction> applied) mutable {
         if (!applied) {
           log::warning("session", "an edit of the host could not be applied: " + applied.error().message);
           if (refused) refused(std::move(applied).error());
         } else if (!applied->chunks.empty()) {
           Staged staged;
           staged.logged.cells = document::touches_of(applied->told);
           staged.steps = std::move(applied->steps);
           staged.chunks = std::move(applied->chunks);
           staged.changes = std::move(applied->applied);
           staged.version = applied->version;
           staged.source = std::move(source);
           staged.by = "null";
           stage(std::move(staged));
         }
         if (made) made();
       });
}

void Editing::stage(Staged staged) {
  note_for_undo(staged.author, staged.steps, staged.direction);
  for (const auto& change : staged.changes) {
    if (const auto* deleted = std::get_if<document::DeleteCell>(&change))
      session_.running().cell_deleted(deleted->cell_id);
    if (const auto* typed = std::get_if<document::SetCellType>(&change); typed != nullptr && typed->cell_type != "code")
      session_.running().runtime().forget_cell(typed->cell_id);
  }
  staged.logged.heads = document_->heads();
  if (staged.logged.source.empty()) staged.logged.source = staged.source;
  staged_.push_back(std::move(staged));
  if (std::exchange(flush_due_, true)) return;
  session_.loop().at_turn_end([weak = session_.weak_from_this()] {
    const auto session = weak.lock();
    if (session && session->editing().flush_due_) session->editing().flush();
  });
}

void Editing::publish(Staged& staged) {
  published_ = std::max(published_, staged.version);
  session_.history().edited(std::move(staged.logged));
  auto& connections = session_.connections();
  const auto transaction = [&](bool with_changes) {
    std::string data;
    json::Writer writer(data);
    writer.begin_object().key("transaction").begin_object();
    if (with_changes) writer.member_raw("changes", changes_json(staged.changes));
    writer.member("source", staged.source).member("version", staged.version).member_raw("by", staged.by);
    if (!staged.id.empty()) writer.member("id", staged.id);
    writer.end_object().end_object();
    return data;
  };
  if (!staged.changes.empty()) {
    Publishing how;
    how.origin = staged.author;
    if (!staged.author.empty() && staged.author_knows) how.for_author = transaction(false);
    connections.publish(Op::document_transaction, transaction(true), std::move(how));
  }
  connections.changes(staged.by, staged.version, staged.chunks, staged.sender);
  if (std::any_of(staged.changes.begin(), staged.changes.end(), of_the_notebook)) {
    session_.trust().look_at(metadata_json());
  }
  if (staged.told) staged.told({});
}

std::vector<std::string> Editing::heads() const {
  std::vector<std::string> out;
  if (document_) {
    for (const auto& head : document_->heads()) out.push_back(head.hex());
  }
  return out;
}

std::string Editing::heads_json() const {
  std::string out;
  json::Writer writer(out);
  writer.begin_array();
  if (document_) {
    for (const auto& head : (safe_ ? *safe_ : *document_).heads()) writer.string(head.hex());
  }
  writer.end_array();
  return out;
}

std::uint64_t Editing::cell_count() const {
  if (document_) return document_->cells().size();
  const auto& file = session_.prepared().notebook.file;
  return file ? file->cells.size() : session_.prepared().created.cells.size();
}

std::string_view Editing::metadata_json() const {
  if (document_) return document_->metadata_json();
  const auto& prepared = session_.prepared();
  return prepared.notebook.file ? prepared.notebook.file->metadata : prepared.created.metadata_json;
}

namespace {

void write_cell(json::Writer& writer, std::string_view id, std::string_view type, std::string_view source,
                std::string_view metadata) {
  writer.begin_object()
      .member("id", id)
      .member("cell_type", type)
      .member("source", source)
      .member_raw("metadata", metadata.empty() ? std::string_view("{}") : metadata)
      .end_object();
}

}  // namespace

std::string Editing::notebook_json() {
  const std::uint64_t version = document_ ? shown_version() : 0;
  if (!notebook_cache_.empty() && cached_version_ == version && !safe_) return notebook_cache_;
  std::string out;
  json::Writer writer(out);
  const auto& file = session_.prepared().notebook.file;
  writer.begin_object().member_raw("metadata", document_ ? shown().metadata_json() : metadata_json());
  writer.key("cells").begin_array();
  if (document_) {
    for (const auto* cell : shown().cells()) {
      write_cell(writer, cell->id, cell->cell_type, cell->source, cell->metadata_json);
    }
  } else if (file) {
    for (const auto& cell : file->cells) write_cell(writer, cell.id, cell.cell_type, cell.source, cell.metadata);
  } else {
    for (const auto& cell : session_.prepared().created.cells) {
      write_cell(writer, cell.id, cell.cell_type, cell.source, cell.metadata_json);
    }
  }
  // 1 is the version every document begins with, also the one that is still being built.
  writer.end_array().member_raw("heads", heads_json()).member("version", document_ ? version : 1).end_object();
  notebook_cache_ = safe_ ? std::string() : out;
  cached_version_ = version;
  cache_kept_.start(cache_kept, [this] { notebook_cache_ = {}; });
  return out;
}

void Editing::close() {
  patience_.cancel();
  retry_.cancel();
  cache_kept_.cancel();
  shown_first_.cancel();
}

}  // namespace lectern::session
