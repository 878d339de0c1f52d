// Which models of a kept kernel are to be written down again: those that come and go soon, what they are set to after a
// pause, so that a slider that is turned costs one line a second; all of them when the file has not got them all.
// Everything [reactor].
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "runtime/kept_model_file.hpp"
#include "runtime/models.hpp"

namespace lectern::runtime {

class ModelNotes {
 public:
  /// Both outlive it.
  ModelNotes(Loop& loop, const ModelStore& models);
  ~ModelNotes();
  ModelNotes(const ModelNotes&) = delete;
  ModelNotes& operator=(const ModelNotes&) = delete;

  /// From now on they are written down there, all that are known at first; a null: nowhere.
  void into(std::shared_ptr<KeptModelFile> file);
  /// The store has it already.
  void changed(const ModelEvent& event);
  /// One that the store has not got, and its kernel has: it is written down by what is known of it. Past as many as a
  /// store takes they are not, and then not all is noted().
  void values_unknown(ModelEvent maker);
  /// Such a one is gone.
  void forget(const std::string& id);
  /// Those that are known now, and no more from here on.
  void last();
  /// There are none any more, and no more come from here on.
  void none();

  /// All that came and went is in the file.
  [[nodiscard]] bool noted() const;
  /// `what` is called whenever something was written and that is so.
  void when_noted(std::function<void()> what) { when_noted_ = std::move(what); }

 private:
  void arm();
  void write();
  void written();
  [[nodiscard]] std::vector<ModelNote> all() const;
  [[nodiscard]] std::vector<ModelNote> news();

  Loop& loop_;
  const ModelStore& models_;
  std::shared_ptr<KeptModelFile> file_;
  std::vector<ModelEvent> came_;              // and went, in order; of `open` events the id alone counts
  std::set<std::string> set_;                 // to other values
  std::map<std::string, ModelEvent> makers_;  // of those that the store has not got, by id
  bool all_ = false;
  bool too_many_ = false;            // that the store has not got
  bool writing_ = false;             // written() comes
  bool tried_all_ = false;           // by what is written now
  bool try_all_ = false;             // again after the pause: their values were too much
  int failures_ = 0;                 // in a row
  std::int64_t pause_until_ms_ = 0;  // values wait, and another try after one that failed
  std::int64_t due_ms_ = 0;          // what soon_ is armed for
  std::function<void()> when_noted_;
  Timer soon_;
  std::shared_ptr<bool> alive_;  // what workers post looks at it
};

}  // namespace lectern::runtime
