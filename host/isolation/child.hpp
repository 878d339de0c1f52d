// One process of a plugin that is started when it is called and again after it died, with the objects it had; and what
// the processes of one plugin share, how often they died lately.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "isolation/members.hpp"
#include "isolation/news.hpp"
#include "isolation/process.hpp"

namespace lectern::isolation {

/// A rest grows with each death in a row, so that a plugin that dies at once does not keep the machine busy dying.
/// [any]
class Lives {
 public:
  explicit Lives(std::string id) : id_(std::move(id)) {}
  void died(const std::string& blame);
  void started_again();
  /// [worker] Waits out a rest of at most `patience_ms`; 503 `plugin_resting` when it is longer.
  Status rested(int patience_ms) const;
  [[nodiscard]] std::string last_death() const;  // empty = never
  [[nodiscard]] std::uint64_t restarts() const;

 private:
  const std::string id_;
  mutable std::mutex mutex_;  // of what follows
  std::uint64_t deaths_ = 0;  // in a row
  std::int64_t died_ms_ = 0, rests_until_ms_ = 0;
  std::string last_death_;
  std::uint64_t restarts_ = 0;
};

/// An object of the plugin, as it is made again in a new process.
struct Object {
  std::string config;
  std::string refusal;   // empty = the process that runs has it
  KnownMembers members;  // that the process has of it
};

/// Not thread-safe, but for pid(): whoever has its turn calls one thing at a time.
class Child {
 public:
  /// `make` is the call that makes an object. `lives` must outlive it.
  Child(const Launch& launch, Op make, Lives& lives, NewsSink on_news);

  /// [control] The first process. The plugin's refusal, or 500 `plugin_died`. The payload of `ready` behind the news.
  Result<std::string> start();
  /// [worker] A process that runs and has the objects, started when there is none.
  Status wake(int patience_ms);
  /// [worker] One call, after wake(). What the plugin answered, behind the news.
  Result<std::string> call(std::string_view request, std::string_view shared, Deadline deadline,
                           std::uint32_t most_bytes, const std::function<lectern_status(std::string_view)>& on_records);
  /// [worker] A call in which the plugin hands nothing over.
  Result<std::string> call(std::string_view request, Deadline deadline);
  /// [worker] Makes an object, here and in each process after this one.
  lectern_status make(std::uint64_t number, std::string_view config, lectern_error& error);
  /// [worker] The object, whether the present process has it or not; null when it was let go of.
  Object* object(std::uint64_t number);
  /// [worker] `destroy` is the call that frees one.
  void let_go(std::uint64_t number, Op destroy);
  /// [worker] What it has to tell. False: it did not answer, and is dead.
  Status ask_news(Deadline deadline);
  /// [worker] Ends the process; the next wake() starts another.
  void put_to_sleep();

  [[nodiscard]] bool runs() const { return process_ != nullptr && process_->alive(); }
  [[nodiscard]] pid_t pid() const { return pid_.load(); }  // [any] 0 = none runs just now

 private:
  Status make_again(std::uint64_t number, Object& object);
  void adopt(std::string_view news);
  void buried(const Error& error);

  const Launch launch_;
  const Op make_;
  Lives& lives_;
  const NewsSink on_news_;
  NewsSteps steps_;
  std::unique_ptr<Process> process_;
  std::atomic<pid_t> pid_{0};
  bool died_ = false;
  std::map<std::uint64_t, Object> objects_;
};

/// [any] What a call that failed in the host's own machinery becomes.
lectern_status blame(const Error& error, lectern_error& to);

}  // namespace lectern::isolation
