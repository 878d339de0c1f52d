// Who made which version of a notebook, and when by this host's clock. Changes say neither in a way that could be
// trusted: their times are their authors' claims. Kept in the notebook's state folder as a journal of its own,
// "history"; losing it loses names and times, never content.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/history_version.hpp"
#include "document/journal.hpp"
#include "document/notebook_document.hpp"

namespace lectern::document {

struct HistoryLimits {
  std::int64_t quiet_ms = 60'000;     ///< an edit after a longer pause begins a version
  std::int64_t at_most_ms = 600'000;  ///< so does one this long after the version's first
  std::size_t most_versions = 2'000;  ///< past it the older half is thinned: two versions become one
};

/// One edit, as the log hears of it.
struct LoggedEdit {
  std::string source;      ///< see Version::source
  Author author;           ///< client_id empty: nobody's
  std::string history_id;  ///< of the document now
  std::vector<ChangeHash> heads;
  std::vector<CellTouch> cells;
  std::string restored, restored_cell;
  bool together = false;  ///< several people edit at once: an edit of another person does not begin a version
};

/// Lives on one reactor; opened and caught up on a worker before. No locks.
class HistoryLog {
 public:
  /// [worker] What is logged in `dir`. A damaged log is kept aside, named in the host's log, and begun anew.
  static Result<HistoryLog> open(JournalWriter& writer, const std::string& dir, HistoryLimits limits = {});
  /// [worker] The same for a notebook that is only read: what is logged in `dir`, and nothing is written.
  static HistoryLog only_read(JournalWriter& writer, const std::string& dir, HistoryLimits limits = {});

  /// [worker] Forgets what is logged: another notebook is at this place now.
  void forget();

  /// [worker] or [reactor] The document a session begins with: when its last version is not its heads, a version of
  /// `source` ("import", "create" for a new history) or, for a history the log knows, "recovered" is added. Of
  /// a document that goes on under another history than the log's it is "trimmed", without any log "earlier".
  /// `author_of` names who had an actor; may be null.
  void catch_up(std::string_view history_id, NotebookDocument& document, std::string_view source, bool goes_on,
                std::int64_t now_ms, const std::function<Author(std::string_view actor)>& author_of);

  /// [reactor] Notes an edit that is on disk. Cheap; written within some seconds by flush().
  void note(LoggedEdit edit, std::int64_t now_ms);
  /// [reactor] Queues what the log's file does not say yet.
  void flush();
  [[nodiscard]] bool dirty() const { return dirty_from_ < versions_.size(); }

  /// [reactor] Oldest first, by rising number. References hold until the next note().
  [[nodiscard]] const std::vector<Version>& versions() const { return versions_; }
  [[nodiscard]] const Version* find(std::uint64_t number) const;

 private:
  HistoryLog(std::unique_ptr<Journal> journal, HistoryLimits limits) : journal_(std::move(journal)), limits_(limits) {}
  void take(const Recovered& past);
  void add(Version version);
  void thin();
  void rewrite();
  [[nodiscard]] bool joins(const LoggedEdit& edit, std::int64_t now_ms) const;

  std::unique_ptr<Journal> journal_;
  HistoryLimits limits_;
  std::vector<Version> versions_;
  std::uint64_t next_ = 1;
  std::size_t dirty_from_ = 0;     // versions from here on are not written as they are
  bool whole_ = true;              // the file must be written anew as a whole
  std::uint64_t whole_bytes_ = 0;  // what that took last
  bool open_ = false;              // the last version may grow
};

}  // namespace lectern::document
