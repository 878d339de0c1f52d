// The widget models of one kept kernel as they are written down while it runs: a file to which lines are added
// (kept_models.hpp), so that a host that is killed leaves them to the next.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/task.hpp"
#include "runtime/kept_models.hpp"

namespace lectern::runtime {

/// Thread-safe. Words of it go into the page cache: they are for a host that is killed, not for a machine that stops.
class KeptModelFile : public std::enable_shared_from_this<KeptModelFile> {
 public:
  struct State {
    bool busy = false;    // something is on its way into the file
    bool whole = false;   // it says all; else it lacks something, or is much longer than what it says: replace() it
    bool bare = false;    // the values of all of them were more than is written down: its lines are bare
    bool failed = false;  // the last try to write
  };

  /// `submit` runs tasks on workers; what it runs may outlive this object's owners, never `submit` itself.
  KeptModelFile(std::filesystem::path path, std::function<void(Task)> submit);

  /// [any] Writes soon, and in this order, behind what is there. Nothing while that is not whole.
  void add(std::vector<ModelNote> notes);
  /// [any] These, and nothing else, are the models: soon. One try: who gets `failed` may make another.
  void replace(std::vector<ModelNote> notes);
  [[nodiscard]] State state() const;  // [any]
  /// [any] `what` is called [worker] whenever it is not busy any more, in place of what was called until now; it must
  /// not call back in. May be empty.
  void when_written(std::function<void()> what);
  /// [worker] Waits for what is being written; nothing is written any more.
  void end();

 private:
  void take(std::vector<ModelNote> notes, bool anew);
  void write();
  void write_anew(const std::vector<ModelNote>& notes);
  void write_behind(const std::vector<ModelNote>& notes);
  void is(State state, std::size_t bytes);
  void tried(int problem);

  const std::filesystem::path path_;
  const std::function<void(Task)> submit_;
  std::mutex writing_;          // held while the file is written; of these:
  std::size_t bytes_ = 0;       // of the file
  std::size_t anew_bytes_ = 0;  // the same, when it was last written anew
  bool complained_ = false;     // that it cannot be written
  mutable std::mutex mutex_;    // of what follows
  std::vector<ModelNote> pending_;
  std::function<void()> when_written_;
  State state_;
  bool anew_ = false, ended_ = false;
};

}  // namespace lectern::runtime
