// What two cells of the matrix show, written down by the real log of outputs; what of it was told, and the check of it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/workers.hpp"
#include "document/journal.hpp"
#include "document/notebook_store.hpp"
#include "runtime/blobs.hpp"
#include "session/output_log.hpp"

namespace lectern::crash {

/// How the log of a run is used.
struct LogUse {
  /// Nothing of it is synced before its host ends; else each flush is.
  bool late = false;
  /// A log counts whichever content of the file it names. For proving that the matrix would notice.
  bool any_content = false;
};

/// The cells, code of the notebook that the matrix begins with. What they show is spelled as the numbers that they say,
/// "3,4,5"; "-" = none.
inline constexpr const char* output_cells[] = {"20314253", "1e2f4051"};
using Shown = std::map<std::string, std::string>;

/// What was told of the outputs, over all lives.
struct ToldOutputs {
  std::map<std::string, std::vector<std::string>> shown;  ///< per cell, in order: what it may show
  std::map<std::string, std::size_t> kept;                ///< of these: the oldest that it may still show
  bool unopened = false;                                  ///< by a life
  std::vector<std::string> wrong;                         ///< what lives found that had not to be
  ToldOutputs();
  /// `word` = "shows" (about to be told), "kept" (durable), "seen" (after a start: what came after it is gone),
  /// "unopened" (shown without the log).
  void read(const std::string& word, const std::string& cell, const std::string& state);
};

/// The session's side of the log, with a thread of journals of its own: that one's end syncs all of it at once.
class LittleOutputs {
 public:
  LittleOutputs(std::string state, LogUse use);

  /// Of the notebook as it was opened. False: the log cannot be opened, and what the file has is shown.
  bool open(const document::OpenedNotebook& book);
  [[nodiscard]] const Shown& shown() const { return shown_; }

  /// The cell shows `number`, after all else or in its place. Nothing of it is on the disk before write().
  void says(const std::string& cell, int number, bool anew);
  void put_into(document::SaveRequest& request) const;
  void save_begins();
  void saved();
  void not_saved();
  /// What was told is written when this returns.
  void write();
  enum class Synced { durable, failed, unopened };
  /// Syncs the log and opens it again; what it brings back is shown then. Not of a late one.
  Synced sync();
  [[nodiscard]] bool late() const { return use_.late; }

 private:
  void start_journals();
  bool open_log(bool same_history, std::optional<document::Fingerprint> file);

  std::string state_;
  LogUse use_;
  Shown shown_, in_file_, in_save_;
  bool broken_ = false;  // a call about it failed
  Workers workers_{1};
  runtime::BlobStore blobs_;
  std::unique_ptr<document::JournalWriter> writer_;
  std::unique_ptr<document::Journal> other_;
  const document::OpenedNotebook* book_ = nullptr;
  std::unique_ptr<session::OutputLog> log_;
};

/// What is wrong with what a fresh start shows.
std::vector<std::string> check_outputs(const std::string& state, LogUse use, const document::OpenedNotebook& book,
                                       const ToldOutputs& told);

}  // namespace lectern::crash
