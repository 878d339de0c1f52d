// The journal of a notebook: what was acknowledged is in it, fsynced, before anybody is told. One file per notebook and
// one thread for all of them, which writes what has come up since the last turn and fsyncs each file once per turn.
//
// A journal file is a header and records, each with its length and CRC-32C. A torn tail (a crash in the middle of the
// last, never acknowledged, write) is cut at recovery. Damage before that stops recovery and keeps the file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"

namespace lectern::document {

enum class RecordKind : std::uint8_t {
  snapshot = 1,  ///< the whole document: changes before it no longer count
  sidecar = 2,   ///< what belongs to the snapshot but is not in it (NotebookDocument::sidecar); the last one counts
  change = 3,    ///< one raw change chunk, after the snapshot, in order
  meta = 4,      ///< key and value, the last value of a key counts; an empty value removes it
  entry = 5,     ///< an item of a log without snapshot semantics (outputs), in order
};

struct Record {
  RecordKind kind = RecordKind::change;
  std::string key;  ///< meta and entry only, at most 255 bytes
  std::string bytes;

  static Record change(std::string chunk) { return {RecordKind::change, {}, std::move(chunk)}; }
  static Record meta(std::string key, std::string value) {
    return {RecordKind::meta, std::move(key), std::move(value)};
  }
  static Record entry(std::string key, std::string value) {
    return {RecordKind::entry, std::move(key), std::move(value)};
  }
};

/// Keys of meta records that this folder writes and reads. Others are the session's own ("clients", "policy", ...).
namespace meta_key {
inline constexpr std::string_view notebook_id = "notebook_id";
inline constexpr std::string_view history_id = "history_id";
inline constexpr std::string_view path = "path";
/// JSON: the fingerprint of the file as last read or written here, see Fingerprint.
inline constexpr std::string_view file = "file";
/// JSON: fingerprint and heads of the save that was begun last.
inline constexpr std::string_view save_intent = "save_intent";
/// JSON: the cells the file had then, see MergeBase.
inline constexpr std::string_view file_base = "file_base";
}  // namespace meta_key

/// What a journal file says. Bytes are as they were appended.
struct Recovered {
  std::string snapshot;
  std::string sidecar;
  std::vector<std::string> changes;         ///< since the snapshot
  std::map<std::string, std::string> meta;  ///< last values
  std::vector<Record> entries;
  std::uint64_t cut_bytes = 0;  ///< of a torn tail; they are in `<file>.torn` when records could be read in them
  bool has_snapshot = false;

  // Where Journal::open goes on.
  std::uint64_t end = 0;
  std::uint32_t turn = 0;
  std::uint32_t salt = 0;
};

using JournalDone = UniqueFunction<void(Status)>;

enum class Durability {
  synced,   ///< done is called after the fsync
  relaxed,  ///< done is called after the write; the fsync comes within a second
};

/// The thread that writes and fsyncs all journals of the host. Outlives every Journal.
class JournalWriter {
 public:
  /// [control] Starts the thread.
  JournalWriter();
  /// [control] Writes and syncs what is queued, then joins.
  ~JournalWriter();
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  struct Figures {
    std::uint64_t appends = 0, records = 0, bytes = 0, fsyncs = 0, failures = 0;
    std::uint64_t slowest_fsync_us = 0;
  };
  /// [any]
  [[nodiscard]] Figures figures() const;

 private:
  friend class Journal;
  struct State;
  std::shared_ptr<State> state_;
};

/// One journal. Every function is [any]; calls about one journal take effect in the order they were made, and so do
/// their callbacks, which run on the journal thread: post to your loop there, do nothing else.
class Journal {
 public:
  /// [worker] What the newest whole journal file `name` of the folder `dir` says; nullopt when there is none.
  /// 500 `journal_corrupt`: damage before the tail; the file was renamed to `<file>.corrupt`, named in the message.
  /// 500 `journal_unreadable`: the operating system refused. What an earlier Journal of this process still has queued
  /// for the file is written first; that object refuses everything from then on.
  static Result<std::optional<Recovered>> recover(const std::string& dir, std::string_view name = "journal");

  /// [worker] Opens the journal `name` in `dir` to append to it. Call recover() first and pass what it gave (its meta
  /// are carried on). Without it, or with one made by hand (only its meta count), the first call must be rewrite().
  static Result<std::unique_ptr<Journal>> open(JournalWriter& writer, std::string dir, const Recovered* recovered,
                                               std::string_view name = "journal");
  /// [any] A journal of a notebook that is only read: nothing of it reaches a disk, and everything succeeds.
  static std::unique_ptr<Journal> in_memory(JournalWriter& writer, const Recovered* recovered = nullptr);

  /// [worker] What recover() would give, for who must not, or cannot, write: nothing is cut, kept aside or renamed. The
  /// same errors.
  static Result<std::optional<Recovered>> peek(const std::string& dir, std::string_view name = "journal");

  /// Queued records are still written; callbacks still run.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Queues `records`; they are kept or lost together. `done(ok)` after the fsync. `done(error)`: they may be lost; the
  /// journal is then abandoned (after a failed fsync the kernel may have dropped the pages, so nothing written to the
  /// same file can be trusted): every append fails with 503 `journal_failed` until rewrite() succeeded.
  void append(std::vector<Record> records, JournalDone done, Durability durability = Durability::synced);

  /// Begins a new file with `snapshot`, `sidecar`, the present meta values and then `more`, fsyncs it and its folder,
  /// and only then lets go of the old one. For compaction, for the first snapshot, and after a failure: the caller's
  /// memory is then the truth, so `snapshot` must hold everything it applied. Records appended later follow it. On an
  /// error the old file goes on being used unless it was abandoned.
  void rewrite(std::string snapshot, std::string sidecar, std::vector<Record> more, JournalDone done);

  /// append() and rewrite() that wait; never on a reactor. [worker]
  Status append_and_wait(std::vector<Record> records);
  Status rewrite_and_wait(std::string snapshot, std::string sidecar, std::vector<Record> more = {});

  /// The last value given to append() for `key`, written or not; empty when there is none.
  [[nodiscard]] std::string meta(std::string_view key) const;
  [[nodiscard]] std::map<std::string, std::string> all_meta() const;
  /// Bytes appended since the last rewrite, by whichever process: time to compact when this is past a few times the
  /// snapshot's size.
  [[nodiscard]] std::uint64_t bytes_since_rewrite() const;
  [[nodiscard]] bool failed() const;

  struct File;  // internal

 private:
  explicit Journal(std::shared_ptr<File> file, std::shared_ptr<JournalWriter::State> writer);
  std::shared_ptr<File> file_;
  std::shared_ptr<JournalWriter::State> writer_;
};

}  // namespace lectern::document
