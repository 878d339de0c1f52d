// A runtime in a process of its own: calls are handed over, events come back in order, and when the process dies every
// kernel of it is told dead, to be started again by restart() as it was started before.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "isolation/line.hpp"
#include "lectern/abi/draft/runtime.h"

namespace lectern::isolation {

class RemoteRuntime {
 public:
  /// As lectern_runtime_out.event, with what the event counts for. One at a time.
  using OnEvent = std::function<void(std::uint64_t kernel, const lectern_runtime_event& event, Credit credit)>;
  /// What was handed over and refused: a request, to which no reply comes; with 0, a message for `comm`; with neither,
  /// a line.
  struct Refused {
    std::uint64_t request = 0;
    std::string comm;
    std::uint32_t number = 0;  // of that message, for who sent it
  };
  /// One at a time with the events.
  using OnRefused =
      std::function<void(std::uint64_t kernel, const Refused& what, lectern_status status, const lectern_error& error)>;
  struct Listener {
    OnEvent on_event;
    OnRefused on_refused;
    std::function<void(const std::string&)> on_failure;
  };
  /// [control] The line is begun by whoever makes this.
  explicit RemoteRuntime(Listener listener) : listener_(std::move(listener)) {}
  RemoteRuntime(const RemoteRuntime&) = delete;
  RemoteRuntime& operator=(const RemoteRuntime&) = delete;

  void use(std::shared_ptr<Line> line) { line_ = std::move(line); }
  /// [control] Ends the process, and its kernels with it; no event comes any more.
  ~RemoteRuntime() {
    if (line_ != nullptr) line_->end();
  }
  /// For the line: an event's payload; the end of the process.
  void take(std::string_view payload, Credit credit);
  void ended(const std::string& blame);

  /// As the functions of lectern_runtime. Those without `error` never wait: what the plugin refuses later becomes an
  /// event: an execution ends aborted, what was said to the kernel is refused with what the plugin returned, a kernel
  /// that does not restart is dead.
  lectern_status kernels(const lectern_sink& out, lectern_error& error);
  lectern_status start(std::uint64_t kernel, std::string_view name, std::string_view options, lectern_error& error);
  lectern_status execute(std::uint64_t kernel, std::uint64_t execution, std::string_view code, std::string_view cell,
                         std::uint32_t flags);
  /// As of lectern_cells; nothing is done where the plugin does not offer that.
  lectern_status forget_cell(std::uint64_t kernel, std::string_view cell);
  lectern_status interrupt(std::uint64_t kernel);
  lectern_status restart(std::uint64_t kernel);
  lectern_status shutdown(std::uint64_t kernel);
  lectern_status input(std::uint64_t kernel, std::string_view value);
  lectern_status request(std::uint64_t kernel, std::uint64_t request, std::string_view kind, std::string_view content);
  lectern_status comm(std::uint64_t kernel, const lectern_comm& message, std::uint32_t number);

 private:
  struct Known {
    std::string name, options;
    bool gone = false;          // its process is: restart() starts it in the next one
    bool there = false;         // the process that runs now has started it
    int starting = 0;           // starts that are not answered yet
    std::uint64_t attempt = 0;  // of starting it again: what becomes of an older one is old news
  };
  enum class Here { no, gone, yes };
  [[nodiscard]] Here here(std::uint64_t kernel) const;
  void tell(std::uint64_t kernel, lectern_runtime_event event);
  void tell_state(std::uint64_t kernel, std::uint32_t state, std::string_view why);
  /// How a call ended that was handed over; OK: well.
  struct Ending {
    lectern_status status = LECTERN_OK;
    lectern_error error{};
    std::string why;  // empty only when it ended well
  };
  static Ending ending(const Line::Reply& reply);
  lectern_status to_kernel(std::uint64_t kernel, Packer call, std::function<void(const Ending& ending)> refused);
  void refused(std::uint64_t kernel, const Refused& what, const Ending& ending);
  void start_again(std::uint64_t kernel, Known& known);
  /// On the line's thread. `why` it was not started; empty = it was.
  void start_answered(std::uint64_t kernel, std::uint64_t attempt, const std::string& why);

  const Listener listener_;
  std::shared_ptr<Line> line_;          // shared with the Remote, which reports on it
  mutable std::recursive_mutex mutex_;  // of what follows, and held while an event is told: they keep their order
  std::map<std::uint64_t, Known> kernels_;
};

}  // namespace lectern::isolation
