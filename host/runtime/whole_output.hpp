// All that a run says, on disk, once it is more than its cell shows: text as it came, any other output as one line of
// JSON. Written by workers, in order. What a slow disk or a full one does not take is lost, and said to be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace lectern {
class Workers;
}

namespace lectern::runtime {

struct WholeLimits {
  std::uint64_t at_most = std::uint64_t{2} << 30;     // bytes of the file
  std::uint64_t leave_free = std::uint64_t{1} << 30;  // bytes of its disk, which journals and saves need
  std::size_t max_waiting = std::size_t{128} << 20;   // bytes in memory; what comes on top of more is lost
};

class WholeOutput {
 public:
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
  /// [reactor] Why it takes no more, in words for people, said once; empty while it does.
  [[nodiscard]] std::string trouble();
  [[nodiscard]] const std::filesystem::path& file() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with writes that are under way
};

}  // namespace lectern::runtime
