// The plugin's object: the gateways, their kernels, one I/O thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kernel.hpp"
#include "lectern/sdk/runtime.hpp"
#include "net.hpp"
#include "settings.hpp"
#include "specs.hpp"

namespace gateway {

class GatewayRuntime final : public lectern::sdk::Runtime {
 public:
  static const std::string_view& config_schema;

  GatewayRuntime(std::string_view config, lectern::sdk::RuntimeEvents events);
  ~GatewayRuntime() override;

  void kernels(const lectern::sdk::Sink& out) override;
  void start(std::uint64_t kernel, std::string_view name, std::string_view options) override;
  void execute(std::uint64_t kernel, std::uint64_t execution, std::string_view code, std::uint32_t flags) override;
  void interrupt(std::uint64_t kernel) override;
  void restart(std::uint64_t kernel) override;
  void shutdown(std::uint64_t kernel) override;
  void input(std::uint64_t kernel, std::string_view value) override;
  void request(std::uint64_t kernel, std::uint64_t request, std::string_view kind, std::string_view content) override;
  void comm(std::uint64_t kernel, const lectern::sdk::Comm& message) override;

 private:
  using KernelPtr = std::shared_ptr<Kernel>;

  [[nodiscard]] Spec spec_of(std::string_view name, const Keep& keep) const;
  KernelPtr find(std::uint64_t kernel, bool must_live = true);
  void remove(std::uint64_t number, const Kernel* kernel);

  const lectern::sdk::RuntimeEvents events_;
  const Options options_;
  net::Io io_;
  const std::vector<std::shared_ptr<const Server>> servers_;
  std::shared_ptr<Specs> specs_;
  std::mutex mutex_;  // of what follows
  std::condition_variable fewer_;
  std::map<std::uint64_t, KernelPtr> kernels_;
  bool stopping_ = false;
};

}  // namespace gateway
