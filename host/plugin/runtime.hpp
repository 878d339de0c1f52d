// A runtime as host/runtime sees it: it starts kernels and speaks for them; what happens comes as events.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "isolation/flow.hpp"
#include "plugin/generation.hpp"

namespace lectern::plugin {

enum class KernelState : std::uint32_t { starting = 1, idle, busy, restarting, dead, unreachable };
enum class RuntimeEventKind : std::uint32_t {
  state = 1,
  started,
  stream,
  output,
  update,
  clear,
  finished,
  input,
  reply,
  comm_open,
  comm_message,
  comm_close,
  again  // lectern/abi/ext/cells.h
};
enum class FinishedAs : std::uint32_t { ok = 0, error = 1, aborted = 2 };

/// Of a run that the kernel began by itself; no run that was asked for has this bit in its number.
constexpr std::uint64_t own_run = 1ull << 63;

/// One event of a kernel; what each field means per kind is in lectern/abi/draft/runtime.h. A copy, so that it can
/// cross threads.
struct RuntimeEvent {
  RuntimeEventKind kind = RuntimeEventKind::state;
  std::uint64_t kernel = 0;
  std::int64_t value = 0;       // state: a KernelState, checked; finished: a FinishedAs, checked
  std::uint64_t execution = 0;  // 0 = outside any execution of ours
  std::uint64_t request = 0;
  std::string name, text, json, metadata;
  std::vector<std::string> buffers;
  // reply: there is none, for the runtime refused the request after it was handed over; with request 0, a message for
  // the comm `name`, or a line; `value` is that message's number
  std::optional<Error> refused;
  isolation::Credit credit;  // what it counts for while it waits, of a runtime in a process of its own
};

/// A comm message on its way to a kernel. Views are needed during the call only.
struct CommMessage {
  std::string_view kind;  // "open", "msg", "close"
  std::string_view comm_id;
  std::string_view target;    // "open" only
  std::string_view data;      // JSON object text
  std::string_view metadata;  // JSON object text; may be empty
  std::vector<std::string_view> buffers;
  std::uint32_t number = 0;  // comes back with a refusal; no plugin gets it
};

enum : std::uint32_t { execute_silent = 1, execute_no_history = 2, execute_no_stdin = 4 };

class Runtime {
 public:
  /// Called from any thread, one at a time for each kernel, in order. Must not block; what it throws is logged and
  /// dropped. Never called after ~Runtime returned.
  using OnEvent = std::function<void(RuntimeEvent&&)>;

  /// [control] 400 `bad_config`, 503 `runtime_unavailable` with the plugin's words.
  static Result<std::shared_ptr<Runtime>> create(GenerationPtr generation, std::string_view config_json,
                                                 OnEvent on_event);
  /// [control] Shuts every kernel down and joins the plugin's threads. Never from inside OnEvent.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  [[nodiscard]] const std::string& id() const;            // [any]
  [[nodiscard]] const GenerationPtr& generation() const;  // [any]

  /// [worker] JSON array of {"name","display_name","language","interrupt_mode","path"}; parsed once here, so it is
  /// JSON.
  Result<std::string> kernels();
  /// [worker] Starts `name` as kernel `kernel`, a number the caller chose. 404 `unknown_kernel`, 503.
  Status start(std::uint64_t kernel, std::string_view name, std::string_view options_json);
  /// [any] The next one only after `finished`. Of execute, forget_cell, interrupt, restart, shutdown, input, request,
  /// comm: handed over, never waited for; 404 `unknown_kernel`, 503 `kernel_unavailable`. `cell`: the id of the cell
  /// that the code is of, for runtimes that want to know; may be empty.
  Status execute(std::uint64_t kernel, std::uint64_t execution, std::string_view code, std::string_view cell = {},
                 std::uint32_t flags = 0);
  /// The cell is gone. Nothing is done by a runtime that never wanted to know of cells.
  Status forget_cell(std::uint64_t kernel, std::string_view cell);
  Status interrupt(std::uint64_t kernel);
  Status restart(std::uint64_t kernel);
  Status shutdown(std::uint64_t kernel);
  Status input(std::uint64_t kernel, std::string_view value);
  /// `kind`: "complete", "inspect", "is_complete", "history", "variables", "format"; answered by a `reply` event with
  /// `request`. 415 `unsupported`: this kernel does not answer that; a runtime in a process of its own says so, and
  /// whatever else it refuses, in that event's `refused`. So it does of input and comm, with request 0.
  Status request(std::uint64_t kernel, std::uint64_t request, std::string_view kind, std::string_view content_json);
  Status comm(std::uint64_t kernel, const CommMessage& message);

 private:
  struct Inner;
  explicit Runtime(std::unique_ptr<Inner> inner);
  std::unique_ptr<Inner> inner_;
};

}  // namespace lectern::plugin
