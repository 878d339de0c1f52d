// A plugin loaded the way a host does, for tests that use its adapters.
#pragma once

#include <memory>

#include "plugin/registry.hpp"
#include "test.hpp"

namespace lectern::validate {

class HostPlugin {
 public:
  /// [control] Check `generation` before use; a failure is in the report.
  HostPlugin(const Context& context, Report& report) : registry_(options(context)) {
    doing("be loaded as a host loads it");
    auto loaded = registry_.load(context.subject.manifest->kind, context.subject.manifest->id);
    if (loaded) {
      generation = *loaded;
    } else {
      report.fail(loaded.error().message, loaded.error().hint);
    }
  }

 private:
  static plugin::RegistryOptions options(const Context& context) {
    plugin::RegistryOptions made{{context.subject.manifest_path.parent_path()}, context.work};
    if (context.options.proxy) {
      made.isolate = {context.subject.manifest->id};
      made.plugin_host = isolation::plugin_host_program();
    }
    return made;
  }
  plugin::Registry registry_;  // outlives the generation

 public:
  plugin::GenerationPtr generation;
};

}  // namespace lectern::validate
