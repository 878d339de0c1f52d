// The runtime plugins of the host, each made when it is first needed, and the way of their events to the kernels'
// mailboxes.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "plugin/runtime.hpp"

namespace lectern {
class Workers;
namespace plugin {
class Registry;
}
}  // namespace lectern

namespace lectern::runtime {

/// Where the events of one kernel wait for its session's loop. Pieces of one stream that wait together become one.
/// A program that prints faster than its session reads is held up: past 16 MiB that wait, each further piece comes
/// 50 ms late, unless there is room before; its thread stops reading, and the program's own pipe fills. Pieces with a
/// credit come at once: they are held up in the process they come from.
struct Mailbox {
  Mailbox(Loop& loop_, std::function<void()> drain_) : loop(loop_), drain(std::move(drain_)) {}
  /// [any]
  void put(plugin::RuntimeEvent&& event);
  /// [reactor] What waits, and nothing more comes after close().
  std::vector<plugin::RuntimeEvent> take();
  void close();

  Loop& loop;
  std::function<void()> drain;  // posted to the loop
  std::mutex mutex;             // of what follows
  std::vector<plugin::RuntimeEvent> waiting;
  std::size_t text_waiting = 0;  // bytes of streams
  std::condition_variable room;  // some of it was taken
  bool posted = false;
  bool closed = false;
};

/// The JSON settings of runtime plugins, by id; one without an entry is given {}. A plugin that is named in `unused` is
/// as good as not there: nobody told it where its kernels are.
struct PluginSettings {
  std::map<std::string, std::string> of;
  std::set<std::string> unused;
};

class Hub {
 public:
  Hub(plugin::Registry& registry, Workers& workers, PluginSettings settings);
  /// [control] Ends the plugins' objects, and with them every kernel.
  ~Hub();
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  /// "runtime-jupyter" is "jupyter" in the names of kernels.
  static std::string short_name(std::string_view plugin_id);

  /// [worker] Ids of the runtime plugins that are there and used.
  [[nodiscard]] std::vector<std::string> plugins() const;
  /// [worker] The object of a plugin. 404 `plugin_missing`, or what loading it says.
  Result<std::shared_ptr<plugin::Runtime>> runtime(const std::string& plugin_id);

  /// [worker] The same, of what lies on disk now; kernels that run stay with the object they were started by. The
  /// number of its generation.
  Result<std::uint64_t> renew(const std::string& plugin_id);

  /// [any] Events of the returned number go into `mailbox` from now on.
  std::uint64_t attach(std::shared_ptr<Mailbox> mailbox);
  /// [any]
  void detach(std::uint64_t number);
  /// [any] Runs `task` on a worker; the hub does not end before it has run.
  void submit(Task task);

 private:
  void route(plugin::RuntimeEvent&& event);
  Result<std::shared_ptr<plugin::Runtime>> make(plugin::GenerationPtr generation);

  plugin::Registry& registry_;
  Workers& workers_;
  const PluginSettings settings_;
  std::mutex making_;  // of runtimes_
  std::mutex routes_;  // of what follows
  std::unordered_map<std::uint64_t, std::shared_ptr<Mailbox>> mailboxes_;
  std::uint64_t next_number_ = 1;
  std::size_t tasks_ = 0;
  std::condition_variable no_tasks_;
  std::vector<std::shared_ptr<plugin::Runtime>> former_;  // of `making_`; each lives as long as one of its kernels
  std::map<std::string, std::shared_ptr<plugin::Runtime>> runtimes_;  // ends first: its threads use the routes
};

}  // namespace lectern::runtime
