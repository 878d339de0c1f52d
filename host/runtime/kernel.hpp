// One kernel of one session, through a runtime plugin. The plugin's thread leaves events in a mailbox; the session's
// loop empties it in batches, in order, so whoever uses a Kernel sees one thread only. Everything [reactor].
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "plugin/runtime.hpp"
#include "runtime/catalog.hpp"

namespace lectern::runtime {

class Hub;
struct Mailbox;

/// plugin::KernelState, and none before the first start and after a shutdown that was asked for.
enum class KernelState { none, starting, idle, busy, restarting, dead, unreachable };
/// "none", "starting", … as on the wire.
std::string_view kernel_state_name(KernelState state);

struct StartOptions {
  std::string cwd;                                       // absolute; empty = the host's own
  std::vector<std::pair<std::string, std::string>> env;  // added to the host's

  // Of a kernel that is to outlive the host; docs/runtimes.md.
  std::string keep;                 // a folder for its plugin; empty: it ends with the host
  std::function<Status()> prepare;  // [worker] makes that folder, before the plugin hears of it; may be empty
  bool take_up = false;             // the one that was kept there, in place of a new one
  std::uint64_t life = 0, running = 0;
  std::vector<std::pair<std::string, std::uint64_t>> comms;  // it has, by id, and the executions that made them, or 0
  std::uint64_t others = 0;                                  // the execution that made all others; 0: not known
};

class Kernel {
 public:
  /// Called on the loop with at least one event; moves what it needs out of them.
  using OnEvents = UniqueFunction<void(std::vector<plugin::RuntimeEvent>&)>;

  /// `hub` and `loop` outlive the kernel.
  Kernel(Hub& hub, Loop& loop, OnEvents on_events);
  /// Shuts the kernel down, if one runs, without waiting; no event comes any more.
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// Starts `which` on a worker; `done` comes on the loop when its process was started, or could not be (404
  /// `unknown_kernel`, 503). Events tell the rest: starting, then idle, or dead with the reason. 409 `kernel_running`
  /// when one was started before and not shut down.
  Status start(const KernelInfo& which, const StartOptions& options, UniqueFunction<void(Status)> done);
  /// 409 `no_kernel` from all of these while no kernel runs.
  Status execute(std::uint64_t execution, std::string_view code, std::string_view cell);
  Status forget_cell(std::string_view cell);
  Status interrupt();
  Status restart();
  Status shutdown();
  Status input(std::string_view value);
  Status request(std::uint64_t request, std::string_view kind, std::string_view content_json);
  Status comm(const plugin::CommMessage& message);

  /// The kernel goes on without this object, which is of no use any more: its plugin promised to keep it.
  void leave();

  /// From the success of start until the event that says it was shut down; a kernel that died by itself counts, because
  /// it can be restarted.
  [[nodiscard]] bool attached() const { return runtime_ != nullptr; }

 private:
  void drain();
  [[nodiscard]] Result<plugin::Runtime*> runtime() const;

  Hub& hub_;
  Loop& loop_;
  OnEvents on_events_;
  std::uint64_t number_ = 0;  // 0 = none
  std::shared_ptr<Mailbox> mailbox_;
  std::shared_ptr<plugin::Runtime> runtime_;  // shared with every kernel of that plugin
  std::shared_ptr<bool> left_;                // by leave(): what starts is not shut down
  std::shared_ptr<bool> alive_;               // false once this object is gone: what was posted looks at it
};

}  // namespace lectern::runtime
