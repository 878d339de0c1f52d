// Which kernels can be started, over all runtime plugins, and by which name.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace lectern::runtime {

class Hub;

struct KernelInfo {
  std::string name;           // "<plugin>/<kernel>": jupyter/python3
  std::string plugin;         // "jupyter": the plugin's id without "runtime-"
  std::string kernel;         // "python3"
  std::string display_name;   // "Python 3 (ipykernel)"
  std::string language;       // "python"
  std::string path;           // where it was found, for people; may be empty
  bool by_name_only = false;  // never taken for a notebook that does not ask for it or its language
};

class Catalog {
 public:
  explicit Catalog(Hub& hub) : hub_(hub) {}

  /// [worker] All kernels of all plugins; a list no older than 5 s is reused. A plugin that fails is left out and
  /// logged.
  [[nodiscard]] std::vector<KernelInfo> list();
  /// [worker] `name` = `<plugin>/<kernel>`, or the kernel's name alone where only one plugin has it. 400
  /// `unknown_runtime` (hint lists the known ones, details `{"known":[…]}`), 400 `ambiguous_runtime`, 503
  /// `no_runtime_plugin` when no runtime plugin is loaded at all.
  [[nodiscard]] Result<KernelInfo> resolve(std::string_view name);
  /// [worker] For a notebook: the kernel of that name, else one of the same language; when both are empty, the first
  /// there is that runs what is not meant for it alone. Otherwise the errors of resolve.
  [[nodiscard]] Result<KernelInfo> best(std::string_view kernel, std::string_view language);

 private:
  Hub& hub_;
  std::mutex mutex_;
  std::vector<KernelInfo> cached_;
  std::int64_t cached_ms_ = -1;
};

}  // namespace lectern::runtime
