// What is said to the shell, and the folder of small files this goes through. One kernel, one folder, mode 0700.
//
// The shell is interactive and its prompt goes to a pipe of ours: any byte there may mean that it is ready for a next
// line. Then it is asked for the status of the run, "S<run> <status>" on a line of its own. An answer ends the run; a
// prompt without one is asked again, because an interrupt takes the question away too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace shell {

/// [any] As one word of the shell.
std::string as_word(std::string_view text);

class Scripts {
 public:
  /// Makes the folder. Throws lectern::sdk::Failure.
  Scripts();
  /// Removes it.
  ~Scripts();
  Scripts(const Scripts&) = delete;
  Scripts& operator=(const Scripts&) = delete;

  /// Makes the folder again when somebody took it away: what was written down is lost then. Throws as the constructor.
  void make_sure();

  /// The line that makes a new shell ready. With `restore`, it goes on where the last one was: folder, umask,
  /// variables, and these functions.
  std::string begin(bool restore, std::string_view functions) const;
  /// The line that runs a cell.
  std::string run(std::string_view code, bool with_input) const;
  /// The line that asks how run `number` ended; after the answer the shell writes down what it has.
  [[nodiscard]] std::string ask(std::uint64_t number) const;

  /// What the shell wrote down last: `name='value'` lines as of `set`. Nothing while it writes, or could not.
  [[nodiscard]] std::optional<std::string> variables() const;
  /// Tells "complete", "incomplete" or "invalid"; a moment's work of another shell.
  [[nodiscard]] std::string completeness(std::string_view code) const;

 private:
  void make();
  [[nodiscard]] std::string file(const char* name) const { return as_word((folder_ / name).string()); }
  void write(const char* name, std::string_view text) const;
  [[nodiscard]] std::string read(const char* name) const;

  std::filesystem::path folder_;
};

/// How a run ended.
struct Answer {
  std::uint64_t run = 0;
  int status = 0;
};
/// [any] What a line of the shell says, when it is the answer to a question of ask().
std::optional<Answer> answer_in(std::string_view line);

}  // namespace shell
