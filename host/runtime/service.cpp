#include "runtime/service.hpp"

#include "base/workers.hpp"

namespace lectern::runtime {

namespace {
constexpr int keep_blobs_days = 30;
}

Service::Service(plugin::Registry& registry, Workers& workers, const std::filesystem::path& state_dir,
                 PluginSettings settings, bool keep_kernels)
    : workers_(workers),
      blobs_(std::make_unique<BlobStore>(state_dir / "blobs", workers)),
      kept_(
          std::make_unique<KeptKernels>(state_dir, keep_kernels, [this](Task task) { hub_->submit(std::move(task)); })),
      hub_(std::make_unique<Hub>(registry, workers, std::move(settings))),
      catalog_(std::make_unique<Catalog>(*hub_)),
      can_run_(!hub_->plugins().empty()) {
  workers_.submit([directory = state_dir / "blobs"] { BlobStore::collect(directory, keep_blobs_days); });
}

Service::~Service() = default;

}  // namespace lectern::runtime
