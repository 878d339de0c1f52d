// What every viewer is promised of models (protocol 5): the `open` comes before any output that names the model. An
// output may name one that there never was, or is no more; that is its kernel's business and breaks nothing.
#pragma once

#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lectern::session {

/// Goes along with what one viewer is told. Not thread-safe.
class OpenedBeforeNamed {
 public:
  /// The viewer has it from now on; it stays known when it is closed. False when an output named it already.
  bool opened(const std::string& model_id) {
    opened_.insert(model_id);
    return named_.erase(model_id) == 0;
  }
  /// An output names it.
  void named(const std::string& model_id) {
    if (!opened_.contains(model_id)) named_.insert(model_id);
  }
  /// What outputs named until now, and the viewer does not have.
  [[nodiscard]] const std::set<std::string>& not_opened() const { return named_; }

 private:
  std::set<std::string> opened_, named_;
};

/// Something a viewer is told, as far as it is about that order.
struct ModelTold {
  enum class What { opened, named };
  What what;
  std::string model_id;
};

/// The models of which it does not hold, sorted; empty when it does. `known`: what the viewer has from before. A model
/// that is never opened counts where it `exists`: somebody else was told of it.
std::vector<std::string> opened_before_named(std::span<const ModelTold> told, std::span<const std::string> known,
                                             const std::function<bool(const std::string&)>& exists);

}  // namespace lectern::session
