// The plugins for text notebooks, loaded as the host loads them.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "notebook_formats.hpp"

namespace lectern::test {

/// The format plugin `id` as it was built, loaded once for the whole test program; in a process of its own when
/// LECTERN_TEST_ISOLATION is "process".
inline const plugin::FormatPtr& format_plugin(const std::string& id) {
  static const TemporaryFolder staging;
  static plugin::Registry registry([] {
    plugin::RegistryOptions options{{LECTERN_TEST_PLUGINS}, staging.path()};
    const char* set = std::getenv("LECTERN_TEST_ISOLATION");
    if (set != nullptr && std::string_view(set) == "process") {
      options.trust = plugin::TrustLists{};
      options.plugin_host = std::string(LECTERN_TEST_PLUGINS) + "/../bin/lectern-plugin-host";
    }
    return options;
  }());
  static std::mutex mutex;
  static std::map<std::string, plugin::FormatPtr> formats;
  const std::scoped_lock lock(mutex);
  auto& format = formats[id];
  if (format == nullptr) {
    auto generation = registry.load(plugin::Kind::format, id);
    if (!generation) throw std::runtime_error(generation.error().message);
    auto made = plugin::Format::create(std::move(*generation));
    if (!made) throw std::runtime_error(made.error().message);
    format = *made;
  }
  return format;
}

}  // namespace lectern::test
