// What people on this machine have approved to be installed: one file under the state folder, shared by all sessions
// and never part of a notebook. Whoever cannot read it is told that nothing is approved.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace lectern::session {

class TrustStore {
 public:
  /// [control] Nothing is read yet. An empty `state_dir` keeps approvals in memory.
  explicit TrustStore(const std::string& state_dir);

  /// [worker] Takes in what another host of this machine has approved meanwhile.
  void refresh();
  /// [any] Those of `dependencies` (dependencies_of) that nobody has approved.
  [[nodiscard]] std::vector<std::string> unapproved(const std::vector<std::string>& dependencies) const;
  /// [worker] On disk when this returns without an error; approved for nobody else's eyes before. 500 `io_error`.
  Status approve(const std::vector<std::string>& dependencies);

 private:
  [[nodiscard]] std::set<std::string> read() const;
  const std::string path_;
  std::mutex writing_;
  mutable std::mutex mutex_;  // of approved_
  std::set<std::string> approved_;
};

}  // namespace lectern::session
