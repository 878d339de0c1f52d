// Which models of a kept kernel are to be written down again: those that come and go soon, what they are set to after a
// pause, so that a slider that is turned costs one line a second. Everything [reactor].
#pragma once

#include <cstdint>
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
  ModelNotes(Loop& loop, const ModelStore& models) : models_(models), soon_(loop) {}

  /// From now on they are written down there, all that are known at first; a null: nowhere.
  void into(std::shared_ptr<KeptModelFile> file);
  /// The store has it already.
  void changed(const ModelEvent& event);
  /// Those that are known now, and no more from here on.
  void last();
  /// There are none any more, and no more come from here on.
  void none();

 private:
  void arm();
  void write();
  [[nodiscard]] std::vector<ModelNote> all() const;

  const ModelStore& models_;
  std::shared_ptr<KeptModelFile> file_;
  std::vector<ModelEvent> came_;  // and went, in order; of `open` events the id alone counts
  std::set<std::string> set_;     // to other values
  bool all_ = false;
  std::int64_t pause_until_ms_ = 0;  // values wait
  Timer soon_;
};

}  // namespace lectern::runtime
