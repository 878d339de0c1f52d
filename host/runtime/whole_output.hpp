// All that a run says, on disk, once it is more than its cell shows: text as it came, any other output as one line of
// JSON. Written by workers, in order. What a slow disk or a full one does not take is lost, and said to be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/task.hpp"

namespace lectern {
class Workers;
}

namespace lectern::runtime {

struct WholeLimits {
  std::uint64_t at_most = std::uint64_t{2} << 30;     // bytes of the file
  std::uint64_t leave_free = std::uint64_t{1} << 30;  // bytes of its disk, which journals and saves need
  std::size_t max_waiting = std::size_t{128} << 20;   // bytes in memory; what comes on top of more is lost
};

/// The media type by which an output says that all of what its cell said is kept: its value is {"id"}.
inline constexpr std::string_view whole_output_type = "application/vnd.lectern.whole-output+json";

/// [any] 32 hex digits, that nobody can guess.
bool is_whole_output_id(std::string_view text);
/// [any] Where what is kept under `id` lies; `directory` is the blobs'. Empty when that is no id of ours.
std::filesystem::path whole_output_file(const std::filesystem::path& directory, std::string_view id);

/// All of it that was kept when it was opened, for reading in pieces: it may be much larger than memory.
class WholeFile {
 public:
  /// [worker] 404 `output_not_found` when it is not there any more.
  static Result<std::shared_ptr<const WholeFile>> open(const std::filesystem::path& file);
  /// [any] Takes the descriptor.
  WholeFile(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;
  /// [any] Bytes.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// [worker] `count` bytes from `offset` on; empty when they cannot be read.
  [[nodiscard]] std::string read(std::uint64_t offset, std::size_t count) const;

 private:
  const int fd_;
  const std::uint64_t size_;
};

class WholeOutput {
 public:
  /// [reactor] Under a new id, among what is kept in `directory`, the blobs'.
  static std::unique_ptr<WholeOutput> make(const std::filesystem::path& directory, Workers& workers);
  /// [reactor] The file is made, with mode 0600, when the first piece is written. `workers` outlive all writing.
  WholeOutput(std::filesystem::path file, Workers& workers, WholeLimits limits = {});
  /// [reactor] What was added is still written.
  ~WholeOutput();
  WholeOutput(const WholeOutput&) = delete;
  WholeOutput& operator=(const WholeOutput&) = delete;

  /// [reactor] Adds `text` at the end. Never waits for the disk.
  void add(std::string_view text);
  /// [reactor] The outputs it was of are gone: removes the file, soon.
  void discard();
  /// [reactor] A task for a worker: what was added by now is in the file when it has run.
  [[nodiscard]] Task bring_up_to_date();
  /// [reactor] What it is asked for by.
  [[nodiscard]] std::string id() const;
  /// [reactor] Why it takes no more, in words for people, said once; empty while it does.
  [[nodiscard]] std::string trouble();

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with writes that are under way
};

}  // namespace lectern::runtime
