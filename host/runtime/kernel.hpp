// One kernel of one session, through a runtime plugin. The plugin's thread leaves events in a mailbox; the session's
// loop empties it in batches, in order, so whoever uses a Kernel sees one thread only. Everything [reactor].
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "runtime/catalog.hpp"

namespace lectern::runtime {

class Hub;
struct Mailbox;

enum class KernelState { none, starting, idle, busy, restarting, dead, unreachable };
/// "none", "starting", … as on the wire.
std::string_view kernel_state_name(KernelState state);

/// An event of the kernel: lectern_runtime_event with its own memory. `kind` is LECTERN_RUN_*.
struct KernelEvent {
  std::uint32_t kind = 0;
  std::int64_t value = 0;
  std::uint64_t execution = 0;
  std::uint64_t request = 0;
  std::string name, text, json, metadata;
  std::vector<std::string> buffers;
};

struct StartOptions {
  std::string cwd;                                       // absolute; empty = the host's own
  std::vector<std::pair<std::string, std::string>> env;  // added to the host's
};

class Kernel {
 public:
  /// Called on the loop with at least one event; moves what it needs out of them.
  using OnEvents = UniqueFunction<void(std::vector<KernelEvent>&)>;

  /// `hub` and `loop` outlive the kernel.
  Kernel(Hub& hub, Loop& loop, OnEvents on_events);
  /// Shuts the kernel down, if one runs, without waiting; no event comes any more.
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// Starts `which` on a worker. Events tell the rest: starting, then idle, or dead with the reason. 409
  /// `kernel_running` when one runs already.
  Status start(const KernelInfo& which, StartOptions options);
  /// 409 `no_kernel` from all of these while no kernel runs.
  Status execute(std::uint64_t execution, std::string_view code, std::uint32_t flags = 0);
  Status interrupt();
  Status restart();
  Status shutdown();
  Status input(std::string_view value);
  Status request(std::uint64_t request, std::string_view kind, std::string_view content_json);
  Status comm(std::string_view kind, std::string_view comm_id, std::string_view data_json,
              const std::vector<std::string_view>& buffers);

  [[nodiscard]] bool running() const;
  [[nodiscard]] std::uint64_t number() const { return number_; }

 private:
  Hub& hub_;
  Loop& loop_;
  std::shared_ptr<Mailbox> mailbox_;
  std::uint64_t number_ = 0;
  std::string plugin_;
};

}  // namespace lectern::runtime
