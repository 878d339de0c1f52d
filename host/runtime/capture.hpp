// Output widgets: what code says inside `with out:` belongs to the widget, not to the cell. ipywidgets leaves that to
// whoever shows outputs: the widget's `msg_id` is set while it captures, and its `outputs` are set from outside.
// Everything [reactor].
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/blobs.hpp"
#include "runtime/models.hpp"
#include "runtime/outputs.hpp"

namespace lectern::runtime {

class Capture {
 public:
  /// References outlive it.
  Capture(BlobStore& blobs, ModelStore& models);

  /// A message of the kernel changed the model, sent by `execution` (0 = none of ours). True when a capture of the
  /// model ended: settle() it.
  bool heard(const ModelEvent& event, std::uint64_t execution);
  /// The id of the widget that captures what `execution` says now; empty = none, it is the cell's.
  [[nodiscard]] std::string_view widget(std::uint64_t execution) const;
  [[nodiscard]] OutputStore& outputs() { return outputs_; }

  /// True when changed() has something to tell.
  [[nodiscard]] bool waits() const { return !outputs_.changed_cells().empty(); }
  struct Changed {
    std::string model_id;
    json::Value outputs;  // an array of nbformat's outputs
  };
  /// The widgets whose outputs changed since the last call.
  std::vector<Changed> changed();
  /// No run captures any more: the kernel that did is gone.
  void forget();

 private:
  struct Open {
    std::string model_id;
    std::uint64_t execution = 0;
  };
  ModelStore& models_;
  OutputStore outputs_;
  std::vector<Open> open_;  // the innermost last
};

}  // namespace lectern::runtime
