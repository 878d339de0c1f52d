// What all sessions share of the runtime: the plugins' objects, the catalog, the blobs. app/ owns one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "runtime/blobs.hpp"
#include "runtime/catalog.hpp"
#include "runtime/hub.hpp"
#include "runtime/kept_kernels.hpp"
#include "runtime/processes.hpp"

namespace lectern {
class Workers;
namespace plugin {
class Registry;
}
}  // namespace lectern

namespace lectern::runtime {

class Service {
 public:
  /// [control] `registry` and `workers` outlive the service. Blobs go under `state_dir`/blobs. `settings` are those of
  /// the runtime plugins.
  /// `keep_kernels`: those that start from now on go on when the host ends, where their plugin can keep them.
  Service(plugin::Registry& registry, Workers& workers, const std::filesystem::path& state_dir,
          PluginSettings settings = {}, bool keep_kernels = false);
  /// [control] Shuts every kernel down that is not kept, and waits for that. No session may be left.
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// [any] False when there was no runtime plugin at the start: nothing can run code then, and a session can say so
  /// at once instead of queueing runs that never begin.
  [[nodiscard]] bool can_run() const { return can_run_; }
  [[nodiscard]] Catalog& catalog() { return *catalog_; }
  [[nodiscard]] BlobStore& blobs() { return *blobs_; }
  [[nodiscard]] Workers& workers() { return workers_; }
  [[nodiscard]] Hub& hub() { return *hub_; }
  [[nodiscard]] ProcessTable& processes() { return processes_; }
  [[nodiscard]] KeptKernels& kept() { return *kept_; }

 private:
  Workers& workers_;
  ProcessTable processes_;  // outlives the hub, whose tasks use it
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<KeptKernels> kept_;  // as processes_
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<Catalog> catalog_;
  const bool can_run_;
};

}  // namespace lectern::runtime
