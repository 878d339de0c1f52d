// One process of a plugin with a thread of the host's that talks with it, so that nobody else ever waits: calls are
// handed over and answered later, in order; what the process tells by itself is taken as it comes; its death is noticed
// at once. For transports, which reactors call, and runtimes, which tell what happens.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.hpp"
#include "base/task.hpp"
#include "isolation/child.hpp"
#include "isolation/flow.hpp"

namespace lectern::isolation {

class Line {
 public:
  struct Reply {
    Result<std::string> said;  // what the plugin answered, behind the news; or what became of the process
    std::string frame;         // the call as it was handed over, from call_frame() on: answers may refer to its texts
    std::int64_t us = 0;       // from handing over to the answer
  };
  /// On the line's thread; must not block, and never ends the line.
  using Done = UniqueFunction<void(Reply&&)>;
  struct Plan {
    Launch launch;
    std::string make, unmake;  // the calls that make and free the object in each process, from call_frame() on
    std::uint32_t most_bytes = most_from_child;          // of one frame of the child
    Deadline quick{2000, 10'000}, slow{30'000, 60'000};  // of one call in each lane
    int patience_ms = 0;  // a rest after deaths that is no longer than this is waited out
    /// Payload of an event. On the line's thread, must not block.
    std::function<void(std::string_view, Credit)> on_event = {};
    /// The process is gone, with all the objects it had; the calls it has not answered are answered with the blame
    /// after this. On the line's thread, must not block.
    std::function<void(const std::string& blame)> on_end = {};
  };

  /// [control] No process is started yet. `lives` must outlive it.
  Line(Plan plan, Lives& lives, NewsSink on_news);
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  /// [control] Frees the object, as long as that takes no longer than it may, and ends the process and the thread. What
  /// still waits is answered with an error first; nothing of the plan is called any more.
  void end();

  /// [any] Never waits. `wakes`: a process is started for it when none runs; without it the answer is then an error.
  /// 503 when too much waits already, and `done` is not called.
  Status hand_over(Packer call, Done done, Lane lane = Lane::quick, bool wakes = false);
  /// [worker] The same, and waits for the answer.
  Reply call(Packer call, Lane lane = Lane::quick, bool wakes = false);
  /// [control] A process that has the object. The plugin's refusal is in `status` and `error`.
  Status begin(lectern_status& status, lectern_error& error);
  /// [worker] Lets it tell its news now; false when nothing runs or it does not answer.
  bool ping();

  [[nodiscard]] pid_t pid() const { return pid_.load(); }  // [any] 0 = none runs just now

 private:
  struct Item {
    std::string frame;
    Done done;
    Lane lane = Lane::quick;
    bool wakes = false, is_ping = false, counted = false;
    std::int64_t handed_over_us = 0;
  };
  using ItemPtr = std::unique_ptr<Item>;
  struct InLane {
    std::deque<ItemPtr> flying;
    Process::Watch watch{};
  };

  void run();
  Status hand_over(ItemPtr item);
  bool take_queue();
  void accept(ItemPtr item);
  Status wake();
  Status make_object(Process& process);
  void wait();
  void write_some();
  void read_some();
  void take_frames();
  void take_frame(FrameType type, std::string payload);
  void answered(Lane lane, bool is_ping, std::string payload);
  void look_at_clocks();
  void lost(const std::string& what);
  void buried(const Error& error);
  void answer(Item& item, Result<std::string> said);
  void adopt(std::string_view news);
  [[nodiscard]] bool nothing_to_do() const;

  const Plan plan_;
  Lives& lives_;
  const NewsSink on_news_;
  /// Ends the thread's wait.
  struct Bell {
    Bell();
    ~Bell();
    Bell(const Bell&) = delete;
    Bell& operator=(const Bell&) = delete;
    void ring() const;
    const int fd;
  };
  const std::shared_ptr<Bell> bell_;  // shared with the flow, which events that outlive the line have
  const std::shared_ptr<Flow> flow_;
  std::atomic<pid_t> pid_{0};

  mutable std::mutex mutex_;  // of what follows
  std::deque<ItemPtr> queue_;
  std::size_t queued_bytes_ = 0;  // of all that were handed over and not answered
  bool stop_ = false;

  // The thread's own.
  std::unique_ptr<Process> process_;
  NewsSteps steps_;
  std::deque<ItemPtr> unsent_;
  std::size_t sent_ = 0;  // of unsent_.front()
  std::array<InLane, 2> lanes_;
  std::string inbox_;
  std::int64_t heard_ms_ = 0, stop_by_ms_ = 0;
  bool died_ = false, stopping_ = false;
  lectern_status refused_as_ = LECTERN_OK;
  lectern_error refusal_{};

  std::mutex ending_;
  std::thread thread_;  // the last: it uses all of the above
};

/// Begins a call of a Line: room for the head of its frame, the operation, the lane.
Packer call_frame(Op op, Lane lane = Lane::quick);
/// What is behind the head, operation and lane of one.
std::string_view call_arguments(std::string_view frame);

}  // namespace lectern::isolation
