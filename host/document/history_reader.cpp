#include "document/history_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "document/journal_format.hpp"
#include "document/system_file.hpp"

namespace lectern::document {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view current_name = "/journal.lj";

// The file as it is at this moment; the journal thread may be writing behind its end.
Result<std::string> read_journal(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) {
    return fail(500, "journal_unreadable", system_error(errno, "read", path).message);
  }
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto got = ::read(fd.get(), bytes.data() + at, bytes.size() - at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(500, "journal_unreadable", system_error(errno, "read", path).message);
    if (got == 0) break;
    at += static_cast<std::size_t>(got);
  }
  bytes.resize(at);
  return bytes;
}

struct Found {
  std::string_view snapshot;
  std::string history_id;
  std::vector<std::string_view> changes;
  bool has_snapshot = false;
};

void fold(const journal_format::View& view, Found& found) {
  switch (view.kind) {
    case RecordKind::snapshot:
      found.snapshot = view.payload;
      found.has_snapshot = true;
      found.changes.clear();
      break;
    case RecordKind::change:
      found.changes.push_back(view.payload);
      break;
    case RecordKind::meta:
      if (view.key == meta_key::history_id) found.history_id = view.payload;
      break;
    case RecordKind::sidecar:
    case RecordKind::entry:
      break;
  }
}

Result<Engine> build(const Found& found) {
  std::string error;
  if (!found.has_snapshot) return fail(500, "document_failed", "the journal holds no document");
  auto engine = Engine::load(found.snapshot, error);
  if (!engine) return fail(500, "document_failed", "the journal's document does not load: " + error);
  if (const auto outcome = engine->apply(found.changes, DocumentLimits::unbounded()); !outcome) {
    return fail(500, "document_failed", "the journal's changes do not apply: " + outcome.message);
  }
  return std::move(*engine);
}

Error gone() {
  return {410, "version_gone", "the document no longer holds this version",
          "the journal that was kept of its history is gone; see the notebook's kept copies", ""};
}

Result<std::vector<Cell>> read_at(Engine& engine, std::span<const ChangeHash> heads) {
  std::vector<Cell> cells;
  const auto outcome = engine.snapshot_at(heads, cells);
  if (outcome.status == LAM_NOT_FOUND) return fail(gone());
  if (!outcome) return fail(500, "document_failed", outcome.message);
  return cells;
}

}  // namespace

void HistoryReader::drop() {
  const std::scoped_lock lock(mutex_);
  copy_.reset();
}

void HistoryReader::get_ready() {
  const std::scoped_lock lock(mutex_);
  (void)fresh();
}

Result<HistoryReader::Copy*> HistoryReader::fresh() {
  LECTERN_TRY(const auto bytes, read_journal(state_dir_ + std::string(current_name)));
  const auto salt = journal_format::read_header(bytes);
  if (!salt) return fail(500, "journal_unreadable", "the journal in " + state_dir_ + " has no header");
  if (copy_ && copy_->salt == *salt && copy_->end <= bytes.size()) {
    // The same file, longer: only what is new.
    std::vector<std::string_view> changes;
    bool other_snapshot = false;
    auto at = static_cast<std::size_t>(copy_->end);
    auto whole = at;
    std::vector<std::string_view> group;
    while (const auto record = journal_format::decode(std::string_view(bytes).substr(at), *salt)) {
      at += record->size;
      other_snapshot |= record->kind == RecordKind::snapshot;
      if (record->kind == RecordKind::change) group.push_back(record->payload);
      if ((record->flags & journal_format::flag_more) != 0) continue;
      changes.insert(changes.end(), group.begin(), group.end());
      group.clear();
      whole = at;
    }
    if (!other_snapshot) {
      if (changes.empty() || copy_->engine.apply(changes, DocumentLimits::unbounded())) {
        copy_->end = whole;
        return &*copy_;
      }
    }
  }
  copy_.reset();
  Found found;
  const auto scan = journal_format::scan(bytes, [&](const auto& view) { fold(view, found); });
  LECTERN_TRY(auto engine, build(found));
  copy_.emplace(Copy{std::move(engine), std::move(found.history_id), scan.end, *salt});
  return &*copy_;
}

Result<std::vector<Cell>> HistoryReader::cells_at(const std::string& history_id, std::span<const ChangeHash> heads) {
  const std::scoped_lock lock(mutex_);
  LECTERN_TRY(auto* copy, fresh());
  if (copy->history_id != history_id) return kept_cells_at(history_id, heads);
  auto cells = read_at(copy->engine, heads);
  if (!cells && cells.error().code != "version_gone") copy_.reset();  // the engine may be of no use any more
  return cells;
}

Result<std::vector<Cell>> HistoryReader::kept_cells_at(const std::string& history_id,
                                                       std::span<const ChangeHash> heads) {
  std::error_code error;
  for (fs::directory_iterator entry(state_dir_, error), end; !error && entry != end; entry.increment(error)) {
    const auto name = entry->path().filename().string();
    if (!name.starts_with("journal-") || !name.ends_with(".kept.lj")) continue;
    const auto bytes = read_journal(entry->path().string());
    if (!bytes) continue;
    Found found;
    journal_format::scan(*bytes, [&](const auto& view) { fold(view, found); });
    if (found.history_id != history_id) continue;
    LECTERN_TRY(auto engine, build(found));
    return read_at(engine, heads);
  }
  return fail(gone());
}

Result<std::vector<Cell>> HistoryReader::cells_now() {
  const std::scoped_lock lock(mutex_);
  LECTERN_TRY(auto* copy, fresh());
  std::vector<Cell> cells;
  if (const auto outcome = copy->engine.snapshot(cells); !outcome) {
    copy_.reset();
    return fail(500, "document_failed", outcome.message);
  }
  return cells;
}

Result<std::vector<LineAuthor>> HistoryReader::blame(std::string_view cell_id,
                                                     std::span<const std::vector<ChangeHash>> groups) {
  const std::scoped_lock lock(mutex_);
  LECTERN_TRY(auto* copy, fresh());
  std::vector<LineAuthor> lines;
  const auto outcome = copy->engine.blame(cell_id, groups, lines);
  if (outcome.status == LAM_NOT_FOUND) {
    return fail(404, "unknown_cell", "there is no cell '" + std::string(cell_id.substr(0, 80)) + "'");
  }
  if (!outcome) {
    copy_.reset();
    return fail(500, "document_failed", outcome.message);
  }
  return lines;
}

}  // namespace lectern::document
