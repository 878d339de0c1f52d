// The plugin's object: the shells of one host, each with a thread of its own, so that one that floods is held up alone.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>

#include "kernel.hpp"
#include "lectern/sdk/runtime.hpp"

namespace shell {

class ShellRuntime final : public lectern::sdk::Runtime {
 public:
  /// There are no settings.
  ShellRuntime(std::string_view config, lectern::sdk::RuntimeEvents events);
  ~ShellRuntime() override;

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
  KernelPtr find(std::uint64_t kernel, bool must_live = true);

  lectern::sdk::RuntimeEvents events_;
  std::mutex mutex_;  // of what follows
  std::map<std::uint64_t, KernelPtr> kernels_;
};

}  // namespace shell
