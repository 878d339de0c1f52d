// Kernels that outlive their host (`--keep-kernels`): what is written down of each, in a private folder of its session
// under the state directory, where its runtime plugin keeps what it needs to find it again.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "runtime/catalog.hpp"
#include "runtime/kept_model_file.hpp"

namespace lectern::runtime {

/// What somebody was asked for a line with.
struct KeptQuestion {
  std::string prompt;
  bool password = false;
};

/// What runs in it, or waits to.
struct KeptRun {
  std::uint64_t number = 0;  // as the kernel knows it
  std::string id, cell_id, by;
  std::optional<std::int64_t> count;
  std::uint64_t batch = 1;
  bool stop_on_error = true;
  std::string code = {};                      // of one that waits
  std::optional<KeptQuestion> question = {};  // of one that runs, and waits for an answer
  bool models_noted = false;                  // all models that were made before it are written down
};

struct KeptKernel {
  std::string session_id, path;  // of its notebook
  KernelInfo kernel;
  std::uint64_t life = 0;     // hosts it had before this one: numbers said to the kernel begin anew above theirs
  std::int64_t process = 0;   // leading a session of its own; 0 when it is not of this machine, or not known yet
  std::string process_start;  // in clock ticks since the boot: a reused number has another
  bool dead = false;          // it ended by itself: there is nothing to find again
  std::optional<KeptRun> running;
  std::vector<KeptRun> waiting;   // in order
  std::vector<KeptModel> models;  // in order; only for who takes it up
  std::int64_t host = 0;          // the process that speaks for it, or did last
  std::string host_start, boot, since;
};

class KeptKernels {
 public:
  /// [control] Folders lie under `state_dir`/kernels. `submit` runs tasks on workers as long as this object lives.
  KeptKernels(const std::filesystem::path& state_dir, bool enabled, std::function<void(Task)> submit);
  ~KeptKernels();
  KeptKernels(const KeptKernels&) = delete;
  KeptKernels& operator=(const KeptKernels&) = delete;

  /// [any] Kernels that start from now on are to be kept.
  [[nodiscard]] bool enabled() const { return enabled_; }
  /// [any] From here on a session that ends leaves its kernel be.
  void host_ends() { ending_ = true; }
  [[nodiscard]] bool host_is_ending() const { return ending_; }

  /// [any]
  [[nodiscard]] std::string folder(const std::string& session_id) const;
  /// [worker] Makes the folder (mode 0700) and writes `kernel` down before it starts. Ends the process of the one that
  /// is written down there, if it lives. 500 `io_error`.
  Status prepare(KeptKernel kernel);
  /// [any] Writes it down soon: the newest word about a session is the one that is written.
  void put(KeptKernel kernel);
  /// [any] Notes at once what runs: a write into the page cache, of a file that is open. So whoever was told that
  /// something runs finds it so after the host was killed. False when the kernel was not written down yet.
  bool note_run(const std::string& session_id, const std::optional<KeptRun>& run);
  /// [any] Notes what waits, as note_run does: `text` goes behind what was noted, or with `anew` in its place.
  bool note_waiting(const std::string& session_id, std::string_view text, bool anew);
  /// [any] Notes that nothing waits, in what an earlier host wrote too.
  void none_waits(const std::string& session_id);
  /// [any] Lines of such a text: one that waits, the newest of a number counts; one that waits no more.
  static std::string waits(const KeptRun& run);
  static std::string waits_no_more(std::uint64_t number);
  /// [any] Where the models of its widgets are written down.
  [[nodiscard]] std::shared_ptr<KeptModelFile> model_file(const std::string& session_id);
  /// [worker] Those that the host before wrote down; nothing, and a word in the log, when that is damaged.
  [[nodiscard]] std::optional<std::vector<KeptModel>> models(const std::string& session_id) const;
  /// [worker] The same into what was found.
  void add_models(KeptKernel& found) const;
  /// [any] Removes the folder soon.
  void forget(const std::string& session_id);

  /// [worker] Removes what is written down, unless another kernel was since.
  void clear(const KeptKernel& seen);

  /// [worker] Of one session; of all of this state directory.
  [[nodiscard]] std::optional<KeptKernel> find(const std::string& session_id) const;
  [[nodiscard]] std::vector<KeptKernel> list() const;
  /// [worker] True while another host than this one speaks for it.
  [[nodiscard]] static bool held_elsewhere(const KeptKernel& kernel);
  /// [worker] Its process is there. False too when it has none on this machine.
  [[nodiscard]] static bool alive(const KeptKernel& kernel);
  /// [worker] Ends the process with all it started: SIGTERM, and SIGKILL two seconds later. False when it is still
  /// there, or is not of this machine.
  static bool end(const KeptKernel& kernel);

 private:
  void write_newest(const std::string& session_id);
  Status write(KeptKernel kernel);
  void remove(const std::string& session_id);
  struct Notes {
    int run = -1, waiting = -1;  // descriptors
  };
  void open_notes(const std::string& session_id);
  void change(const std::string& session_id, std::optional<KeptKernel> to);

  const std::filesystem::path root_;
  const bool enabled_;
  const std::function<void(Task)> submit_;
  std::atomic<bool> ending_{false};
  std::mutex writing_;                                       // held while a file is written
  std::mutex mutex_;                                         // of what follows
  std::map<std::string, std::optional<KeptKernel>> newest_;  // by session, and not written yet; nothing = to be removed
  std::map<std::string, Notes> notes_;                       // by session
  std::map<std::string, std::shared_ptr<KeptModelFile>> model_files_;  // by session
};

}  // namespace lectern::runtime
