// When and how a session writes its file: some seconds after the last edit or output, now when somebody says so, once
// more after a failure, and before the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "document/notebook_file.hpp"
#include "runtime/outputs.hpp"
#include "session/invocation.hpp"

namespace lectern::session {

class LiveSession;

class Saver {
 public:
  explicit Saver(LiveSession& session);

  /// An edit or output happened that the file does not have.
  void touched();
  /// The document is there: a restored or new one may want a save.
  void document_built();
  void journal_failed(const Error& error);
  /// After journal_failed(): it can be written again.
  void journal_works();
  /// Somebody has to choose before anything is saved.
  void conflicted(const Error& error);
  /// What another program wrote is in the document; `same`: and the document holds nothing else.
  void file_merged(bool same);
  /// Nothing is merged any more: what waited for that is saved.
  void go_on();
  /// The file is not there any more; or is again.
  void file_gone(bool is_gone);
  /// Command `save`.
  void save(Invocation invocation);
  /// What a save would write now, on this reactor; the document must be built. Nothing is saved.
  void render(UniqueFunction<void(Result<std::string>)> done);
  /// Writes what is dirty, then calls `done`; at once when nothing is.
  void flush(UniqueFunction<void(Status)> done);
  [[nodiscard]] bool dirty() const { return state_ != State::saved; }
  /// The file has every edit and output there is, also those that the journal has not.
  [[nodiscard]] bool holds_all() const;
  [[nodiscard]] bool saving() const { return saving_; }
  /// Rises with every edit and output.
  [[nodiscard]] std::uint64_t touches() const { return touches_; }
  /// Data of save-state.
  [[nodiscard]] std::string state_json() const;

 private:
  enum class State { saved, dirty, saving, failed };
  struct Job;
  using Done = UniqueFunction<void(Result<CommandReply>)>;
  void schedule();
  void start(Done done, bool overwrite, std::optional<std::string> as, int tries = 0);
  void answer(Job& job, const Result<document::SavedFile>& saved);
  bool retry(const std::shared_ptr<Job>& job, const Error& error);
  void finished(std::shared_ptr<Job> job, Result<document::SavedFile> saved);
  void set_state(State state);
  [[nodiscard]] bool fails() const;
  void settle(State otherwise);
  [[nodiscard]] std::shared_ptr<Job> make_job(bool overwrite, const std::optional<std::string>& as);

  LiveSession& session_;
  Timer timer_;
  State state_ = State::saved;
  std::optional<Error> error_;
  std::optional<Error> journal_error_;  // as long as edits cannot be made safe
  std::vector<std::string> saved_heads_;
  std::uint64_t touches_ = 0;        // rises with every change
  std::int64_t first_touch_ms_ = 0;  // the oldest change the file does not have
  int failures_ = 0;
  bool saving_ = false;
  struct Queued {
    Done done;
    bool overwrite;
    std::optional<std::string> as;
  };
  std::vector<Queued> queued_;  // asked for while a save runs
};

}  // namespace lectern::session
