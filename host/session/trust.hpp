// Whether what this notebook wants installed was approved on this machine, and the approving of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "session/invocation.hpp"

namespace lectern::session {

class LiveSession;

/// Everything [reactor].
class Trust {
 public:
  explicit Trust(LiveSession& session) : session_(session) {}

  /// The notebook's metadata is this now; says so to everybody when that changes the answer. Cheap when no dependency
  /// changed.
  void look_at(std::string_view metadata_json);
  [[nodiscard]] bool needs_approval() const;
  /// `data` of trust-state; empty while the notebook asks for nothing and nobody has approved anything.
  [[nodiscard]] std::string state_json() const;
  /// Command `trust`: approves what the notebook asks for, if it still is what the person looked at; 409 `stale_base`
  /// with the present heads else.
  void approve(Invocation invocation);

 private:
  void tell();
  LiveSession& session_;
  std::vector<std::string> dependencies_;
  std::string approved_heads_;  // JSON; of the last approval in this run
};

}  // namespace lectern::session
