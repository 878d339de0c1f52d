// Watches the plugin folders: what was replaced on disk is reloaded, a moment after the disk has come to rest.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace lectern::app {

class PluginWatch {
 public:
  /// [control] Watches `folders` and the folders in them. `changed` is called on a thread of the watch, never twice at
  /// once, 300 ms after the last change. 500 `watch_failed`.
  static Result<std::unique_ptr<PluginWatch>> start(std::vector<std::filesystem::path> folders,
                                                    std::function<void()> changed);
  /// [control] Waits for a call under way.
  ~PluginWatch();
  PluginWatch(const PluginWatch&) = delete;
  PluginWatch& operator=(const PluginWatch&) = delete;

 private:
  struct Inner;
  explicit PluginWatch(std::unique_ptr<Inner> inner);
  std::unique_ptr<Inner> inner_;
};

}  // namespace lectern::app
