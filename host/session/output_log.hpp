// What cells showed since the notebook's file was written, kept on disk as it is told, so that a host that is killed
// loses none of it. The journal `outputs` in the notebook's state folder: per cell what viewers were told of its
// outputs, beginning with all of them.
//
// It adds to one content of the file, which it names. A file that has become another one since, by a save or by another
// program, goes before it. Nothing waits for it: it is written after a pause, synced within a second of that, and cut
// where it would become large (docs/decisions/0042-output-log.md). Everything [reactor] unless tagged otherwise.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "document/journal.hpp"
#include "document/notebook_file.hpp"
#include "runtime/blobs.hpp"

namespace lectern::session {

class OutputLog {
 public:
  /// What is told within this time is written at once: so much can be lost with the host.
  static constexpr std::chrono::milliseconds pause{100};
  struct Limits {
    std::size_t cell = 1u << 20;       // of what a cell shows when it is first written down
    std::size_t waiting = 8u << 20;    // bytes that the disk has not taken yet
    std::size_t file = 64u << 20;      // of the log
    std::size_t rewrite = 1u << 20;    // past this much it begins anew when the file has it all
    std::size_t at_once = 256u << 10;  // bytes told that do not wait for the pause to end
  };
  /// What the log has of a cell and the file has not, in nbformat 4 shape.
  struct Restored {
    std::string cell_id;
    std::string outputs;
    std::optional<std::int64_t> execution_count;
  };
  struct Opened {
    std::unique_ptr<OutputLog> log;
    std::vector<Restored> restored;
  };
  /// What it asks its session.
  struct Asked {
    std::function<std::optional<document::Fingerprint>()> file;   ///< the file's content as last read or written
    std::function<std::size_t(const std::string& cell_id)> size;  ///< bytes that the cell shows
    std::function<std::string(const std::string& cell_id)> all;   ///< an entry that says all of it, see whole_entry()
    std::function<bool(const std::string& cell_id)> untold;       ///< it shows what viewers were not told of yet
    std::function<void()> soon;                                   ///< hold() is due in `pause`
    std::function<void()> now;                                    ///< hold() is due
  };

  /// [worker] Of the notebook in the state folder `dir`. `file` = what it has now; nothing: there is none.
  /// `same_history`: its document came out of its journal. A log that does not belong to that is begun anew. Errors:
  /// the disk's, and nothing was written then; what is damaged counts as nothing.
  static Result<Opened> open(document::JournalWriter& writer, const std::string& dir,
                             const std::optional<document::Fingerprint>& file, bool same_history,
                             const runtime::BlobStore& blobs, const Limits& limits);

  ~OutputLog();
  OutputLog(const OutputLog&) = delete;
  OutputLog& operator=(const OutputLog&) = delete;

  /// Before anything else.
  void ask(Asked asked) { asked_ = std::move(asked); }
  /// Viewers are told `entry` of a cell: the data of a cell-op.
  void changed(const std::string& cell_id, std::string_view entry);
  /// What was told until now goes to the disk with release(), when the blobs are durable that it names.
  void hold();
  void release();
  /// Both: what was told goes to the disk.
  void flush();
  /// What was told of the cell counts no more: it shows what the file has of it, or is gone.
  void forget(const std::string& cell_id);
  /// Another program's content of the file was merged: the log adds to that from now on. Not of the cell `but_not`,
  /// which is just being told.
  void file_merged(const std::string& but_not = {});
  /// The file is about to be written with all outputs as they are now; and was: `file` is what it has now.
  void save_begins();
  void saved();
  void not_saved() { since_.reset(); }

  /// An entry for a cell that shows `outputs` (JSON array text).
  static std::string whole_entry(std::string_view outputs, std::optional<std::int64_t> execution_count);

 private:
  struct Waiting;
  struct Batch {
    std::vector<document::Record> records;
    std::size_t bytes = 0;
    bool rewrites = false;  // it begins a new file
  };
  OutputLog(std::unique_ptr<document::Journal> journal, bool past, std::string base, const Limits& limits);
  void begin_anew(std::vector<std::string> cells);
  void write_all_of(const std::string& cell_id);
  void cut(const std::string& cell_id);
  void write(const std::string& cell_id, std::string entry);
  void give(Batch batch);
  [[nodiscard]] bool full(std::size_t more) const;

  std::unique_ptr<document::Journal> journal_;
  Limits limits_;
  Asked asked_;
  std::string base_;                            // the file's content that it adds to
  bool past_;                                   // the journal has a file
  bool anew_ = true;                            // what is written down so far counts no more
  bool stale_ = false;                          // and the disk does not say so yet: it has entries for another content
  std::set<std::string> whole_;                 // cells that are in it with all they show
  std::set<std::string> cut_;                   // cells of which nothing more is written down, until the next save
  std::optional<std::set<std::string>> since_;  // while a save is under way: cells that changed meanwhile
  Batch told_;                                  // since hold()
  std::vector<Batch> held_;
  std::shared_ptr<Waiting> waiting_;  // shared with the journal's thread
};

}  // namespace lectern::session
