// The outputs of one cell as its file has them. Showing them means reading and hashing all of their text, which takes
// time in proportion to it: a worker does that, while the reactor goes on.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/blobs.hpp"

namespace lectern::runtime {

/// A text that nobody changes any more, shared by whoever shows it.
using Text = std::shared_ptr<const std::string>;

/// Immutable but for take(); shared by the cell, by joiners' views of it and by the worker.
class LoadedOutputs {
 public:
  /// What looking found: every output as shown, and what they name (see shrink_output).
  struct Look {
    std::vector<Text> shown;
    std::vector<std::string> named;
  };

  /// [any] `json` = the array as it stands in the file; `keeps` owns its bytes.
  LoadedOutputs(std::shared_ptr<const void> keeps, std::string_view json) : keeps_(std::move(keeps)), json_(json) {}

  /// [any]
  [[nodiscard]] std::string_view json() const { return json_; }
  /// [any] Reads everything, at about 1 GB/s, and moves values of more than `blob_over` bytes into `blobs`. What is not
  /// a JSON array in UTF-8 has no outputs to show.
  [[nodiscard]] Look look(BlobStore& blobs, std::size_t blob_over) const;

  /// [reactor] What look() found, from now on in shown(). The first one counts.
  void take(std::vector<Text> shown) {
    if (!std::exchange(looked_at_, true)) shown_ = std::move(shown);
  }
  [[nodiscard]] bool looked_at() const { return looked_at_; }
  /// [reactor] Needs looked_at().
  [[nodiscard]] const std::vector<Text>& shown() const { return shown_; }
  /// [reactor] Looks again when somebody asks next, where what is shown is as large as what it is made of: then it is
  /// cheap to make, and dear to keep. Only while nobody but its cell has it.
  void forget() {
    std::size_t bytes = 0;
    for (const auto& one : shown_) bytes += one->size();
    if (!looked_at_ || bytes * 2 < json_.size()) return;
    shown_ = {};
    looked_at_ = asked_ = false;
  }
  /// [reactor] True at the first call: one worker is enough.
  bool ask() { return !looked_at_ && !std::exchange(asked_, true); }

 private:
  std::shared_ptr<const void> keeps_;
  std::string_view json_;
  std::vector<Text> shown_;
  bool looked_at_ = false, asked_ = false;
};
using LoadedPtr = std::shared_ptr<LoadedOutputs>;

/// The outputs of one cell at one moment: cheap to take, and what happens to the cell afterwards does not change it.
class OutputsView {
 public:
  OutputsView() = default;
  explicit OutputsView(LoadedPtr loaded) : loaded_(std::move(loaded)) {}
  explicit OutputsView(std::vector<Text> shown) : shown_(std::move(shown)) {}

  /// [reactor] False while a worker still has to look at them.
  [[nodiscard]] bool ready() const { return !loaded_ || loaded_->looked_at(); }
  /// [reactor] What is still to be looked at; null when ready.
  [[nodiscard]] LoadedPtr unread() const { return ready() ? nullptr : loaded_; }
  /// [reactor] As shown, each a JSON object. Needs ready().
  [[nodiscard]] const std::vector<Text>& outputs() const { return loaded_ ? loaded_->shown() : shown_; }

 private:
  LoadedPtr loaded_;
  std::vector<Text> shown_;
};

}  // namespace lectern::runtime
