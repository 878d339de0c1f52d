// The plugin's object: all kernels of one host, one I/O thread that reads all their sockets.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kernel.hpp"
#include "lectern/sdk/runtime.hpp"
#include "watcher.hpp"

namespace jupyter {

class JupyterRuntime final : public lectern::sdk::Runtime {
 public:
  /// `config`: {"near": ["folder"…] to look for `.venv` in and above, "connection_dir": "…"}.
  JupyterRuntime(std::string_view config, lectern::sdk::RuntimeEvents events);
  ~JupyterRuntime() override;

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
  using KernelPtr = std::shared_ptr<Kernel>;  // shared: the I/O thread owns it, callers speak to it in their turn
  struct Job {
    std::function<void()> run;
    KernelPtr kernel = nullptr;  // whose turn it takes; null = none's
  };

  void post(Job job);
  /// Told to it by the I/O thread, after everything that was handed over before.
  void hand_over(KernelPtr kernel, std::function<void(Kernel&)> what);
  /// The same by this thread, if it is its turn and `bytes` are few.
  template <class What>
  void tell(KernelPtr kernel, std::size_t bytes, What what);
  KernelPtr find(std::uint64_t kernel, bool must_live = true);
  void run();
  void run_jobs();
  void serve(std::uint64_t number, unsigned slots);
  void serve_due();
  [[nodiscard]] int until_due() const;
  [[nodiscard]] StartPlan plan(std::string_view name, std::string_view options) const;

  lectern::sdk::RuntimeEvents events_;
  std::vector<std::filesystem::path> near_;
  std::string connection_dir_;
  Watcher watcher_;
  std::int64_t due_ms_ = 0;  // of the I/O thread: no kernel is due before
  std::mutex mutex_;         // of what follows
  std::vector<Job> jobs_;
  std::map<std::uint64_t, KernelPtr> kernels_;  // only the I/O thread changes it, so it alone may read without the lock
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all the others
};

}  // namespace jupyter
