#include "document/history_log.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/log.hpp"

namespace lectern::document {
namespace {

constexpr std::string_view journal_name = "history";
constexpr std::uint64_t rewrite_after = 4u << 20;
// Changes of an unclean end that are looked at one by one for their authors.
constexpr std::size_t most_recovered = 20'000;

void report(Status status) {
  if (!status) log::warning("document", "the history log could not be written: " + status.error().message);
}

Record entry_of(const Version& version) {
  return Record::entry(std::to_string(version.number), to_json(version));
}

bool same_person(const Version& version, const Author& author) {
  return version.authors.size() == 1 && version.authors.front().client_id == author.client_id;
}

}  // namespace

Result<HistoryLog> HistoryLog::open(JournalWriter& writer, const std::string& dir, HistoryLimits limits) {
  auto recovered = Journal::recover(dir, journal_name);
  if (!recovered) log::error("document", "the history log is begun anew: " + recovered.error().message);
  const auto* past = recovered && *recovered ? &**recovered : nullptr;
  LECTERN_TRY(auto journal, Journal::open(writer, dir, past, journal_name));
  HistoryLog made(std::move(journal), limits);
  if (past != nullptr) made.take(*past);
  return made;
}

HistoryLog HistoryLog::only_read(JournalWriter& writer, const std::string& dir, HistoryLimits limits) {
  const auto found = Journal::peek(dir, journal_name);
  HistoryLog made(Journal::in_memory(writer), limits);
  if (found && *found) made.take(**found);
  return made;
}

void HistoryLog::take(const Recovered& past) {
  std::map<std::uint64_t, Version> by_number;  // a version that grew was written again
  for (const auto& entry : past.entries) {
    auto version = version_from_json(entry.bytes);
    if (version) by_number.insert_or_assign(version->number, std::move(*version));
  }
  for (auto& [number, version] : by_number) {
    next_ = number + 1;
    versions_.push_back(std::move(version));
  }
  dirty_from_ = versions_.size();
  whole_ = past.end == 0 || past.entries.size() > 2 * versions_.size() + 64;
}

void HistoryLog::forget() {
  versions_.clear();
  dirty_from_ = 0;
  whole_ = true;
  open_ = false;
}

const Version* HistoryLog::find(std::uint64_t number) const {
  const auto at = std::lower_bound(versions_.begin(), versions_.end(), number,
                                   [](const Version& one, std::uint64_t wanted) { return one.number < wanted; });
  return at == versions_.end() || at->number != number ? nullptr : &*at;
}

void HistoryLog::catch_up(std::string_view history_id, NotebookDocument& document, std::string_view source,
                          bool goes_on, std::int64_t now_ms,
                          const std::function<Author(std::string_view actor)>& author_of) {
  const bool known = !versions_.empty() && versions_.back().history_id == history_id;
  if (known && versions_.back().heads == document.heads()) return;
  Version version;
  version.history_id = history_id;
  version.source = known ? "recovered" : !goes_on ? std::string(source) : versions_.empty() ? "earlier" : "trimmed";
  version.first_ms = version.last_ms = now_ms;
  version.heads = document.heads();
  if (known) {
    const auto missing = document.changes_since(versions_.back().heads);
    if (missing && missing->empty()) return;
    version.edits = missing ? missing->size() : 0;
    if (missing && missing->size() <= most_recovered && author_of) {
      const auto infos = NotebookDocument::inspect_changes(*missing);
      std::set<std::string> actors;
      if (infos) {
        for (const auto& info : *infos) actors.insert(info.actor);
      }
      for (const auto& actor : actors) merge_author(version, author_of(actor));
    }
  }
  add(std::move(version));
  flush();
}

void HistoryLog::add(Version version) {
  version.number = next_++;
  versions_.push_back(std::move(version));
  open_ = false;
  if (versions_.size() > limits_.most_versions) thin();
}

bool HistoryLog::joins(const LoggedEdit& edit, std::int64_t now_ms) const {
  if (!open_ || !edit.restored.empty()) return false;
  const auto& last = versions_.back();
  if (last.history_id != edit.history_id || now_ms - last.last_ms > limits_.quiet_ms ||
      now_ms - last.first_ms > limits_.at_most_ms) {
    return false;
  }
  // What a run does to the notebook belongs to whoever runs.
  if (edit.source == "kernel") return last.source == "client" || last.source == "kernel";
  if (last.source != edit.source) return false;
  return edit.together || edit.author.client_id.empty() || same_person(last, edit.author);
}

void HistoryLog::note(LoggedEdit edit, std::int64_t now_ms) {
  if (!joins(edit, now_ms)) {
    Version version;
    version.source = edit.source;
    version.history_id = std::move(edit.history_id);
    version.first_ms = now_ms;
    version.restored = std::move(edit.restored);
    version.restored_cell = std::move(edit.restored_cell);
    add(std::move(version));
    open_ = versions_.back().restored.empty();
  }
  auto& version = versions_.back();
  version.last_ms = std::max(version.first_ms, now_ms);
  version.heads = std::move(edit.heads);
  version.edits += 1;
  merge_author(version, edit.author);
  merge_touches(version, edit.cells);
  dirty_from_ = std::min(dirty_from_, versions_.size() - 1);
}

void HistoryLog::thin() {
  std::vector<Version> kept;
  kept.reserve(versions_.size());
  const auto half = versions_.size() / 2;
  for (std::size_t i = 0; i < versions_.size(); ++i) {
    auto& version = versions_[i];
    const bool pair = i % 2 == 1 && i < half && !kept.empty() && kept.back().history_id == version.history_id &&
                      kept.back().source == version.source && version.restored.empty();
    if (!pair) {
      kept.push_back(std::move(version));
      continue;
    }
    auto& into = kept.back();
    into.number = version.number;
    into.last_ms = version.last_ms;
    into.heads = std::move(version.heads);
    into.edits += version.edits;
    into.more_cells += version.more_cells;
    for (const auto& author : version.authors) merge_author(into, author);
    merge_touches(into, version.cells);
  }
  versions_ = std::move(kept);
  whole_ = true;
}

void HistoryLog::rewrite() {
  std::vector<Record> records;
  records.reserve(versions_.size());
  whole_bytes_ = 0;
  for (const auto& version : versions_) whole_bytes_ += records.emplace_back(entry_of(version)).bytes.size();
  journal_->rewrite({}, {}, std::move(records), report);
  whole_ = false;
}

void HistoryLog::flush() {
  if (!dirty()) return;
  // The version that grows is written again and again.
  if (whole_ || journal_->failed() || journal_->bytes_since_rewrite() > std::max(rewrite_after, 4 * whole_bytes_)) {
    rewrite();
  } else {
    std::vector<Record> records;
    for (std::size_t i = dirty_from_; i < versions_.size(); ++i) records.push_back(entry_of(versions_[i]));
    journal_->append(std::move(records), report, Durability::relaxed);
  }
  dirty_from_ = versions_.size();
}

}  // namespace lectern::document
