#include "document/notebook_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <mutex>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "document/atomic_file.hpp"
#include "document/file_lock.hpp"
#include "document/file_mark.hpp"
#include "document/kept_outputs.hpp"
#include "document/merge.hpp"
#include "document/move_order.hpp"
#include "document/moves_since_crash.hpp"
#include "document/notebook_places.hpp"
#include "document/rename_intent.hpp"
#include "document/system_file.hpp"

namespace lectern::document {

struct NotebookStore::State {
  State(Options options_, JournalWriter& writer_)
      : options(std::move(options_)),
        writer(writer_),
        places(options.state_dir + "/notebooks",
               options.registry ? options.state_dir + "/notebooks.db" : std::string()) {}

  Options options;
  JournalWriter& writer;
  NotebookPlaces places;
  MovesSinceCrash since_crash;
  std::mutex moving;  // held while a move is told
  MoveOrder moves;    // guarded by `moving`, but for next()
  std::mutex mutex;   // guards url
  std::string url;

  void moved(const NotebookIdentity& notebook, const std::string& session_id, const std::string& state_dir,
             std::uint64_t move) {
    const std::scoped_lock lock(moving);
    const auto now = moves.told(notebook.notebook_id, notebook.path, move);
    if (now) places.moved({notebook.notebook_id, *now}, session_id, state_dir);
  }
  void folder_moved(const std::string& from, const std::string& to, std::uint64_t move) {
    const std::scoped_lock lock(moving);
    moves.folder_told(from, to, move);
    places.renamed(from, to, [&](const NotebookIdentity& one) { return !moves.moved_since(one.notebook_id, move); });
  }

  void identify(OpenedNotebook& book, const std::optional<KnownNotebook>& known);

  /// What keeps other hosts away from a file that no session has.
  struct Kept {
    NotebookLease state, path;
    FileLease file;
  };
  [[nodiscard]] Result<Kept> keep_away(const std::string& path, const std::string& state_dir);
  [[nodiscard]] Result<RenameIntent> intend(const std::string& from, const std::string& to, std::uint64_t move) const {
    return RenameIntent::write(renames(), from, to, move);
  }
  [[nodiscard]] std::string renames() const { return options.state_dir + "/renames"; }
  [[nodiscard]] std::string lease_file_name(std::uint64_t device, std::uint64_t inode) const {
    return options.lease_dir + "/file-" + std::to_string(device) + "-" + std::to_string(inode);
  }

  NotebookLease::Holder holder(const std::string& path) {
    const std::scoped_lock lock(mutex);
    return {url, path};
  }
  Result<NotebookLease> lease(const std::string& path) {
    if (options.lease_dir.empty()) return NotebookLease{};
    return NotebookLease::take({options.lease_dir + "/" + crypto::sha256_hex(path)}, path, holder(path));
  }
  /// `file`: when it is open already.
  Result<FileLease> lease_file(std::uint64_t device, std::uint64_t inode, const std::string& path,
                               Descriptor file = {});
  Status lock(OpenedNotebook& book) {
    LECTERN_TRY(book.state_lock, NotebookLease::take({book.state_dir + "/lock"}, book.path, holder(book.path)));
    LECTERN_TRY(book.lease, lease(book.path));
    struct stat info {};
    if (::lstat(book.path.c_str(), &info) != 0) return {};
    LECTERN_TRY(book.file_lease, lease_file(info.st_dev, info.st_ino, book.path));
    return {};
  }
};

namespace {

constexpr std::string_view journal_name = "journal";

Status check_kind(const ResolvedPath& where) {
  if (where.kind == PathKind::folder) {
    return fail(400, "is_a_folder", where.path + " is a folder, not a notebook.", "Name a notebook file in it.");
  }
  if (where.kind == PathKind::other) {
    return fail(400, "not_a_file", where.path + " is not a regular file.", "Name a notebook file.");
  }
  return {};
}

void begin_history(OpenedNotebook& book) {
  book.start = Start::imported;
  book.history_id = crypto::uuid();
}

std::map<std::string, std::string> first_meta(const OpenedNotebook& book) {
  std::map<std::string, std::string> meta;
  meta[std::string(meta_key::notebook_id)] = book.notebook_id;
  meta[std::string(meta_key::history_id)] = book.history_id;
  meta[std::string(meta_key::path)] = book.path;
  if (book.file != nullptr) {
    meta[std::string(meta_key::file)] = mark_json({book.file->fingerprint, {}});
    if (auto base = to_json(merge_base_of(*book.file)); base.size() <= kMostBaseBytes) {
      meta[std::string(meta_key::file_base)] = std::move(base);
    }
  }
  return meta;
}

// By docs/files.md: the journal tells the truth as long as the file is what we last read or wrote, or were about to
// write. Otherwise somebody edited the file while no host had it open: the session merges the two.
Status decide(OpenedNotebook& book, std::optional<Recovered> recovered) {
  if (!recovered || !recovered->has_snapshot) {
    if (recovered) book.previous_meta = std::move(recovered->meta);
    begin_history(book);
    return {};
  }
  book.previous_meta = recovered->meta;
  const auto last = read_mark(recovered->meta, meta_key::file);
  const auto intent = read_mark(recovered->meta, meta_key::save_intent);
  const FileMark* mark = nullptr;
  if (book.file != nullptr && last && last->print == book.file->fingerprint) mark = &*last;
  if (book.file != nullptr && intent && intent->print == book.file->fingerprint) mark = &*intent;
  book.outside = book.file != nullptr && mark == nullptr;
  book.file_went = book.file == nullptr && last;
  if (const auto base = recovered->meta.find(std::string(meta_key::file_base));
      (book.outside || book.file_went) && base != recovered->meta.end()) {
    book.base_json = base->second;
  }
  if (book.outside) {
    book.notices.push_back(book.path + " was changed by another program since it was last open here; its changes " +
                           "are merged cell by cell.");
  }
  book.start = Start::restored;
  book.history_id = book.previous_meta[std::string(meta_key::history_id)];
  if (mark != nullptr) book.saved_heads = mark->heads;
  if (book.file_went) {
    book.notices.push_back(book.path +
                           " is gone. The notebook was restored from the host's journal; saving writes it again.");
  }
  if (recovered->cut_bytes > 0) {
    log::info("document", "Cut " + std::to_string(recovered->cut_bytes) +
                              " bytes of an unfinished write from the journal of " + book.path);
  }
  book.restored = std::move(*recovered);
  return {};
}

// With the lease: the host that had it may have saved since the file was read, and that would look like somebody else's
// edit. What cannot be read any more stays as it was read; the session's watch sees to it.
void take_file(OpenedNotebook& book, const Formats& formats, const FileLimits& limits) {
  const auto& read_in = book.file->read_in;
  if (!read_in || !is_in_state(book.path, *read_in)) {
    const auto now = fingerprint(book.path);
    if (now && !(*now == book.file->fingerprint)) {
      if (auto again = load(book.path, formats, limits)) book.file = std::move(*again);
    }
  }
  book.file = with_kept_outputs(std::move(book.file), book.state_dir);
  book.last_known = book.file->fingerprint;
  book.notices = book.file->notices;
  book.read_only = !book.file->writable;
}

// A save that a crash stopped after it had replaced the file. It has to stand in the journal as done before the next
// save's intent takes the place of its own: else a crash in that save would make the file look like somebody else's.
void take_intent_as_done(OpenedNotebook& book) {
  const auto intent = read_mark(book.journal->all_meta(), meta_key::save_intent);
  if (!intent || !(intent->print == book.file->fingerprint)) return;
  record_file(*book.journal, intent->print, intent->heads, to_json(merge_base_of(*book.file)));
}

// False for a lease whose holder's file was replaced or deleted, so that another file has its number now; the holder
// finds out soon. Also for one of the path that is `asked` for: who asks holds the lease of that path, so the one
// before is on its way out.
bool still_has(const Error& taken, std::uint64_t device, std::uint64_t inode, const std::string& asked) {
  const auto details = json::parse(taken.details);
  const auto* holder = details ? details->find("holder") : nullptr;
  const auto* path = holder != nullptr && holder->is_object() ? holder->find("path") : nullptr;
  struct stat info {};
  if (path == nullptr || !path->is_string()) return true;
  if (*path->as_string() == asked) return false;
  if (::lstat(path->as_string()->c_str(), &info) != 0) return errno != ENOENT && errno != ENOTDIR;
  return info.st_dev == device && info.st_ino == inode;
}

}  // namespace

Result<FileLease> NotebookStore::State::lease_file(std::uint64_t device, std::uint64_t inode, const std::string& path,
                                                   Descriptor file) {
  FileLease out{device, inode, {}};
  if (options.lease_dir.empty()) return out;
  auto lease = NotebookLease::take_passing(lease_file_name(device, inode), path, holder(path));
  if (lease) {
    LECTERN_TRY(out.locked, file ? lock_file(std::move(file), path) : lock_file_at(path, device, inode));
    out.lease = std::move(*lease);
  } else if (lease.error().code != "open_elsewhere") {
    log::warning("document", "Other paths of " + path + " are not guarded. " + lease.error().message);
  } else if (still_has(lease.error(), device, inode, path)) {
    return fail(std::move(lease).error());
  } else {
    out.device = out.inode = 0;  // to be taken once the holder has noticed
  }
  return out;
}

Result<NotebookStore::State::Kept> NotebookStore::State::keep_away(const std::string& path,
                                                                   const std::string& state_dir) {
  Kept kept;
  // Of files that are no notebooks nothing is kept, so nothing is made for them either.
  if (::access(state_dir.c_str(), F_OK) == 0) {
    LECTERN_TRY(kept.state, NotebookLease::take({state_dir + "/lock"}, path, holder(path)));
  }
  if (!options.lease_dir.empty()) {
    LECTERN_TRY(kept.path,
                NotebookLease::take_passing(options.lease_dir + "/" + crypto::sha256_hex(path), path, holder(path)));
  }
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) {
    LECTERN_TRY(kept.file, lease_file(info.st_dev, info.st_ino, path));
  }
  return kept;
}

void NotebookStore::State::identify(OpenedNotebook& book, const std::optional<KnownNotebook>& known) {
  if (!options.registry) return;
  const bool same = known && known->notebook_id == book.notebook_id;
  book.session_id = same && !known->session_id.empty() ? known->session_id : crypto::uuid();
  const KnownNotebook now{book.notebook_id, book.session_id, name_of(book.state_dir)};
  if (same && known->session_id == now.session_id && known->state == now.state) return;
  places.remember(book.path, now);
}

NotebookStore::NotebookStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
NotebookStore::~NotebookStore() = default;

Result<std::unique_ptr<NotebookStore>> NotebookStore::create(Options options, JournalWriter& writer) {
  const std::string folder = options.state_dir + "/notebooks";
  if (auto made = make_folders(folder); !made) {
    return fail(500, "state_dir", made.error().message, "Name a folder the host may write with --state-dir.");
  }
  if (::access(folder.c_str(), W_OK) != 0) {
    return fail(500, "state_dir", system_error(errno, "write", folder).message,
                "Name a folder the host may write with --state-dir.");
  }
  if (!options.lease_dir.empty()) {
    if (auto made = make_folders(options.lease_dir); !made) {
      log::warning("document", "Other hosts will not see which notebooks are open here. " + made.error().message);
      options.lease_dir.clear();
    }
  }
  auto state = std::make_unique<State>(std::move(options), writer);
  RenameIntent::finish_all(state->renames(), [&](const auto& from, const auto& to) {
    state->places.renamed(from, to);
    state->since_crash.add(from, to);
  });
  return std::unique_ptr<NotebookStore>(new NotebookStore(std::move(state)));
}

std::string NotebookStore::state_dir_of(std::string_view canonical_path) const {
  return state_->places.usual_state_of(canonical_path);
}

const FileLimits& NotebookStore::limits() const {
  return state_->options.limits;
}

Result<OpenedNotebook> NotebookStore::open(const ResolvedPath& where, const Formats& formats) {
  LECTERN_CHECK(check_kind(where));
  OpenedNotebook book;
  book.path = where.path;
  const auto known = state_->places.known(where.path);
  book.state_dir = state_->places.state_of(where.path, known);
  // The file first: a notebook that cannot be read leaves nothing behind.
  if (where.kind == PathKind::file) {
    LECTERN_TRY(book.file, load(where.path, formats, state_->options.limits));
  } else {
    LECTERN_CHECK(format_for_path(where.path, formats).map([](auto&&) {}));
    book.read_only = !where.writable;
  }
  LECTERN_CHECK(make_folders(book.state_dir));
  LECTERN_CHECK(state_->lock(book));
  state_->since_crash.taken(book.path);
  // Somebody may have made it since it was looked for.
  if (struct stat info{}; !book.file && ::lstat(where.path.c_str(), &info) == 0) {
    LECTERN_TRY(book.file, load(where.path, formats, state_->options.limits));
  }
  if (book.file) take_file(book, formats, state_->options.limits);
  remove_all_leftovers(book.state_dir);
  remove_all_leftovers(book.state_dir + "/copies");
  if (!book.read_only) remove_leftovers(where.path);
  LECTERN_CHECK(identity_is_readable(book.state_dir));
  book.notebook_id = read_identity(book.state_dir).notebook_id;
  if (book.notebook_id.empty()) {
    book.notebook_id = known ? known->notebook_id : crypto::uuid();
    LECTERN_CHECK(write_identity(book.state_dir, {book.notebook_id, book.path}));
  }
  state_->identify(book, known);
  std::optional<Recovered> recovered;
  if (auto found = Journal::recover(book.state_dir, journal_name); found) {
    recovered = std::move(*found);
  } else if (found.error().code == "journal_corrupt" && book.file != nullptr) {
    log::error("document", found.error().message);
    book.notices.push_back(found.error().message + " The notebook was opened from its file.");
  } else {
    return fail(std::move(found).error());
  }
  LECTERN_CHECK(decide(book, std::move(recovered)));
  Recovered fresh;
  fresh.meta = first_meta(book);
  LECTERN_TRY(book.journal, Journal::open(state_->writer, book.state_dir,
                                          book.start == Start::restored ? &book.restored : &fresh, journal_name));
  if (book.start == Start::restored && book.file != nullptr && !book.outside) take_intent_as_done(book);
  if (book.start == Start::restored && book.journal->meta(meta_key::path) != book.path) {
    // Renamed while nobody had it open. A save compares with it; what cannot be written is told by the next edit.
    book.journal->append({Record::meta(std::string(meta_key::path), book.path)}, [](const Status&) {});
  }
  return book;
}

Result<OpenedNotebook> NotebookStore::open_to_watch(const ResolvedPath& where, const Formats& formats) {
  LECTERN_CHECK(check_kind(where));
  OpenedNotebook book;
  book.path = where.path;
  LECTERN_TRY(book.file, load(where.path, formats, state_->options.limits));
  const auto kept_in = state_->places.state_of(where.path, state_->places.known(where.path));
  book.file = with_kept_outputs(std::move(book.file), kept_in);
  book.last_known = book.file->fingerprint;
  book.notices = book.file->notices;
  book.read_only = true;
  book.notebook_id = read_identity(kept_in).notebook_id;
  if (book.notebook_id.empty()) book.notebook_id = crypto::uuid();
  book.state_dir = state_->options.state_dir + "/watching/" + crypto::uuid();
  LECTERN_CHECK(make_folders(book.state_dir));
  book.temporary = {nullptr, [dir = book.state_dir](void*) {
                      std::error_code ignored;
                      std::filesystem::remove_all(dir, ignored);
                    }};
  begin_history(book);
  Recovered fresh;
  fresh.meta = first_meta(book);
  LECTERN_TRY(book.journal, Journal::open(state_->writer, book.state_dir, &fresh, journal_name));
  return book;
}

Result<OpenedNotebook> NotebookStore::open_to_read(const ResolvedPath& where, const Formats& formats,
                                                   const Error& why) {
  LECTERN_CHECK(check_kind(where));
  OpenedNotebook book;
  book.path = where.path;
  const auto known = state_->places.known(where.path);
  book.state_dir = state_->places.state_of(where.path, known);
  if (where.kind == PathKind::file) {
    LECTERN_TRY(book.file, load(where.path, formats, state_->options.limits));
    book.file = with_kept_outputs(std::move(book.file), book.state_dir);
    book.last_known = book.file->fingerprint;
    book.notices = book.file->notices;
  }
  book.notebook_id = read_identity(book.state_dir).notebook_id;
  if (book.notebook_id.empty()) book.notebook_id = known ? known->notebook_id : crypto::uuid();
  if (known) book.session_id = known->session_id;
  std::optional<Recovered> recovered;
  if (auto found = Journal::peek(book.state_dir, journal_name); found) {
    recovered = std::move(*found);
  } else {
    book.notices.push_back(found.error().message + " What is shown is the file.");
  }
  LECTERN_CHECK(decide(book, std::move(recovered)));
  if (book.file == nullptr && book.start == Start::imported) {
    return fail(404, "not_found", where.path + " does not exist.", "Check the path.");
  }
  book.read_only = true;
  book.unwritable = why;
  book.notices.push_back("Only for reading just now, because the host could not keep edits safe. " + why.message);
  Recovered fresh;
  fresh.meta = first_meta(book);
  book.journal = Journal::in_memory(state_->writer, book.start == Start::restored ? &book.restored : &fresh);
  return book;
}

Result<NotebookLease> NotebookStore::lease_for(const std::string& path) {
  return state_->lease(path);
}

Result<FileLease> NotebookStore::lease_file(std::uint64_t device, std::uint64_t inode, const std::string& path) {
  return state_->lease_file(device, inode, path);
}

Result<FileLease> NotebookStore::lease_replacement(int file, const std::string& path) {
  Descriptor own(::fcntl(file, F_DUPFD_CLOEXEC, 0));
  struct stat info {};
  if (!own || ::fstat(own.get(), &info) != 0) return fail(system_error(errno, "lock", path));
  return state_->lease_file(info.st_dev, info.st_ino, path, std::move(own));
}

namespace {

// A rename that could only not be made durable is one all the same: whoever is not told of it looks at the old name.
Status unless_carried_out(Status done, const RenameIntent* intent) {
  if (done || intent == nullptr || !intent->carried_out()) return done;
  log::error("document", done.error().message);
  return {};
}

}  // namespace

Status NotebookStore::rename_open(const std::string& from, const std::string& to, const std::string& notebook_id,
                                  const std::string& session_id, const std::string& state_dir,
                                  const std::function<Status()>& work) {
  const auto move = next_move();
  LECTERN_TRY(const auto intent, state_->intend(from, to, move));
  LECTERN_CHECK(unless_carried_out(work(), &intent));
  state_->since_crash.renamed(from, to);
  state_->since_crash.taken(to);
  state_->moved({notebook_id, to}, session_id, state_dir, move);
  return {};
}

std::string NotebookStore::place_since_crash(std::string_view path) {
  return state_->since_crash.place_of(path);
}

std::uint64_t NotebookStore::next_move() {
  return state_->moves.next();
}

void NotebookStore::moved(const std::string& notebook_id, const std::string& session_id, const std::string& state_dir,
                          const std::string& path, std::uint64_t move) {
  state_->since_crash.taken(path);
  state_->moved({notebook_id, path}, session_id, state_dir, move);
}

Status NotebookStore::rename(const std::string& from, const std::string& to, bool same_format,
                             const std::function<Status()>& work) {
  const auto known = state_->places.known(from);
  const auto dir = state_->places.state_of(from, known);
  LECTERN_TRY(const auto source, state_->keep_away(from, dir));
  LECTERN_TRY(const auto target, state_->keep_away(to, state_->places.state_of(to, state_->places.known(to))));
  const auto identity = read_identity(dir);
  const bool goes_along = same_format && !identity.notebook_id.empty() && identity.path == from;
  const auto move = next_move();
  std::optional<RenameIntent> intent;
  if (goes_along) {
    LECTERN_TRY(auto written, state_->intend(from, to, move));
    intent.emplace(std::move(written));
  }
  LECTERN_CHECK(unless_carried_out(work(), intent ? &*intent : nullptr));
  state_->since_crash.renamed(from, to);
  state_->since_crash.taken(to);
  state_->places.put_aside(to);
  if (!same_format) {
    state_->places.put_aside(from);
  } else if (goes_along) {
    state_->moved({identity.notebook_id, to}, known ? known->session_id : std::string(), dir, move);
  }
  return {};
}

Status NotebookStore::remove(const std::string& path, const std::function<Status()>& work) {
  LECTERN_TRY(const auto kept, state_->keep_away(path, state_->places.state_of(path, state_->places.known(path))));
  LECTERN_CHECK(work());
  state_->since_crash.removed(path);
  state_->places.put_aside(path);
  return {};
}

Status NotebookStore::rename_folder(const std::string& from, const std::string& to,
                                    const std::function<Status()>& work) {
  const auto move = next_move();
  LECTERN_TRY(const auto intent, state_->intend(from, to, move));
  LECTERN_CHECK(unless_carried_out(work(), &intent));
  state_->since_crash.renamed(from, to);
  state_->since_crash.taken(to);
  state_->folder_moved(from, to, move);
  return {};
}

void NotebookStore::folder_removed(const std::string& path) {
  state_->since_crash.removed(path);
  state_->places.folder_removed(path);
}

Status NotebookStore::check_closed(std::uint64_t device, std::uint64_t inode, const std::string& path) {
  if (state_->options.lease_dir.empty()) return {};
  const auto name = state_->lease_file_name(device, inode);
  if (::access(name.c_str(), F_OK) != 0) return {};
  const auto lease = NotebookLease::take_passing(name, path, state_->holder(path));
  if (lease || lease.error().code != "open_elsewhere" || !still_has(lease.error(), device, inode, {})) return {};
  return fail(lease.error());
}

void NotebookStore::session_ended(const std::string& path) {
  state_->places.session_ended(path);
}

void NotebookStore::set_url(std::string url) {
  const std::scoped_lock lock(state_->mutex);
  state_->url = std::move(url);
}

Result<OpenedNotebook> NotebookStore::create_new(const ResolvedPath& where, const Formats& formats) {
  if (where.kind != PathKind::missing) {
    return fail(409, "exists", where.path + " exists already.", "Open it, or choose another name.");
  }
  LECTERN_CHECK(format_for_path(where.path, formats).map([](auto&&) {}));
  OpenedNotebook book;
  book.path = where.path;
  book.state_dir = state_->places.state_of(where.path, state_->places.known(where.path));
  book.read_only = !where.writable;
  if (book.read_only) {
    return fail(403, "permission_denied", "Cannot make " + where.path + ": its folder is read-only.",
                "Choose a folder the host may write.");
  }
  LECTERN_CHECK(make_folders(book.state_dir));
  LECTERN_CHECK(state_->lock(book));
  if (struct stat info{}; ::lstat(where.path.c_str(), &info) == 0) {
    return fail(409, "exists", where.path + " was made by somebody else just now.", "Open it, or choose another name.");
  }
  state_->since_crash.taken(book.path);
  // The copies first: without its journal the earlier notebook would be a new one that shows them.
  LECTERN_CHECK(keep_aside(book.state_dir, "copies", "").map([](auto&&) {}));
  LECTERN_TRY(const std::string kept, keep_aside(book.state_dir, journal_name, ".lj"));
  if (!kept.empty())
    log::info("document", "The journal of an earlier notebook at " + where.path + " was kept as " + kept);
  book.notebook_id = crypto::uuid();
  LECTERN_CHECK(write_identity(book.state_dir, {book.notebook_id, book.path}));
  state_->identify(book, std::nullopt);
  begin_history(book);
  Recovered fresh;
  fresh.meta = first_meta(book);
  LECTERN_TRY(book.journal, Journal::open(state_->writer, book.state_dir, &fresh, journal_name));
  return book;
}

}  // namespace lectern::document
