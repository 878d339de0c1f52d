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
  /// `submit` runs tasks on workers; what it runs may outlive this object's owners, never `submit` itself.
  KeptModelFile(std::filesystem::path path, std::function<void(Task)> submit);

  /// [any] Writes soon, and in this order, behind what is there. Nothing while wants_all().
  void add(std::vector<ModelNote> notes);
  /// [any] These, and nothing else, are the models: soon.
  void replace(std::vector<ModelNote> notes);
  /// [any] Something is on its way into the file.
  [[nodiscard]] bool busy() const;
  /// [any] It lacks something, or is much longer than what it says: replace() it.
  [[nodiscard]] bool wants_all() const;
  /// [any] The last replace() was more than is written down: there is no such file.
  [[nodiscard]] bool too_large() const;
  /// [worker] Waits for what is being written; nothing is written any more.
  void end();

 private:
  void take(std::vector<ModelNote> notes, bool anew);
  void write();
  void write_anew(const std::vector<ModelNote>& notes);
  void write_behind(const std::vector<ModelNote>& notes);
  void is(bool whole, bool too_large, std::size_t bytes);

  const std::filesystem::path path_;
  const std::function<void(Task)> submit_;
  std::mutex writing_;          // held while the file is written
  std::size_t bytes_ = 0;       // of the file; under `writing_`
  std::size_t anew_bytes_ = 0;  // the same, when it was last written anew
  mutable std::mutex mutex_;    // of what follows
  std::vector<ModelNote> pending_;
  bool anew_ = false, busy_ = false, ended_ = false;
  bool whole_ = false, too_large_ = false;
};

}  // namespace lectern::runtime
