#include "scripts.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "lectern/sdk/failure.hpp"
#include "process.hpp"

extern char** environ;

namespace shell {
namespace fs = std::filesystem;
using lectern::sdk::Failure;
namespace {

constexpr std::size_t most_written_down = 4u << 20;
constexpr std::string_view whole = "# whole\n";  // the last line of what was written down

// bash says `set` with names that nobody may set; the others have none of those.
constexpr std::string_view write_down =
    R"(if [ -n "${BASH_VERSION-}" ]; then
  set | grep -vE '^(BASH[A-Z_]*|COMP_WORDBREAKS|DIRSTACK|EPOCH[A-Z]*|EUID|FUNCNAME|GROUPS|PIPESTATUS|PPID|RANDOM|SECONDS|SHELLOPTS|SRANDOM|UID|_)='
else
  set
fi)";

}  // namespace

std::string as_word(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

Scripts::Scripts() {
  make();
}

void Scripts::make_sure() {
  std::error_code problem;
  if (!fs::is_directory(folder_, problem)) make();
}

void Scripts::make() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  std::error_code problem;
  const bool usable = runtime != nullptr && *runtime == '/' && ::access(runtime, W_OK) == 0;
  const auto base = usable ? fs::path(runtime) : fs::temp_directory_path(problem);
  auto pattern = (base / "lectern-shell-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw Failure(LECTERN_UNAVAILABLE, "cannot make a folder in " + base.string() + ": " + std::strerror(errno),
                  "a shell needs a place for the text of its cells: free some space, or set TMPDIR");
  }
  folder_ = pattern;
  // `leave` is sourced when the shell ends by itself: `exit` in a cell forgets nothing.
  const auto save = "{ umask; pwd; } >" + file("place") + "\nexport -p >" + file("exports") + "\n{ " +
                    std::string(write_down) + "\necho '# whole'; } >" + file("vars") + "\n";
  write("leave", "set +aefnuvxC\n" + save);
  write("after", "set +aefnuvxC\n" + save + "PS1='R\n'\n");
}

Scripts::~Scripts() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Scripts::write(const char* name, std::string_view text) const {
  const auto path = folder_ / name;
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  std::size_t done = 0;
  while (fd.get() >= 0 && done < text.size()) {
    const auto count = ::write(fd.get(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  if (fd.get() < 0 || done != text.size()) {
    throw Failure(LECTERN_UNAVAILABLE, "cannot write " + path.string() + ": " + std::strerror(errno));
  }
}

std::string Scripts::read(const char* name) const {
  const Fd fd(::open((folder_ / name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  std::string out;
  while (fd.get() >= 0 && out.size() < most_written_down) {
    char block[16384];
    const auto count = ::read(fd.get(), block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    out.append(block, static_cast<std::size_t>(count));
  }
  return out;
}

std::string Scripts::begin(bool restore, std::string_view functions) const {
  std::string text;
  const auto place = restore ? read("place") : std::string();
  if (const auto line = place.find('\n'); line != std::string::npos) {
    // Copies: the originals are written anew as soon as this shell has said its first answer.
    write("old-vars", read("vars"));
    write("old-exports", read("exports"));
    write("old-functions", functions);
    auto folder = place.substr(line + 1);
    if (!folder.empty() && folder.back() == '\n') folder.pop_back();
    text += ". " + file("old-vars") + "\n. " + file("old-exports") + "\n. " + file("old-functions") + "\numask " +
            place.substr(0, line) + "\ncd -- " + as_word(folder) + "\n";
  }
  // Not exported: programs have no use for this prompt.
  text += "unset PS1\nPS1='R\n'\nPS2=\nPS4='+ '\ntrap " + as_word(". " + file("leave")) + " EXIT\n";
  write("begin", text);
  return ". " + file("begin") + "\n";
}

std::string Scripts::run(std::string_view code, bool with_input) const {
  write("cell", code);
  // The shell's own descriptors are not the cell's: `exec >log` in a cell lasts as long as the cell.
  const auto in = std::to_string(Process::cell_in), out = std::to_string(Process::cell_out),
             err = std::to_string(Process::cell_err);
  return ". " + file("cell") + (with_input ? " <&" + in : std::string(" </dev/null")) + " >&" + out + " 2>&" + err +
         " " + out + ">&- " + err + ">&- " + in + "<&-\n";
}

std::string Scripts::ask(std::uint64_t number) const {
  return "printf '\\nS" + std::to_string(number) + " %s\\n' \"$?\" >&2; . " + file("after") + "\n";
}

std::optional<std::string> Scripts::variables() const {
  auto text = read("vars");
  // A question that was asked twice is answered twice, and written down after each; or the disk is full.
  if (!text.ends_with(whole) && text.size() < most_written_down) return std::nullopt;
  return text;
}

std::string Scripts::completeness(std::string_view code) const {
  write("check", code);
  const auto path = (folder_ / "check").string(), answer = (folder_ / "answer").string();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 2, answer.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  std::string arguments[] = {"sh", "-n", path};
  char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(), nullptr};
  pid_t pid = -1;
  const int problem = ::posix_spawn(&pid, "/bin/sh", &actions, nullptr, argv, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (problem != 0) return "unknown";
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "complete";
  const auto words = read("answer");
  const auto says = [&](std::string_view text) { return words.find(text) != std::string::npos; };
  return says("end of file") || says("unexpected EOF") || says("nterminated") ? "incomplete" : "invalid";
}

std::optional<Answer> answer_in(std::string_view line) {
  if (!line.starts_with('S')) return std::nullopt;
  Answer answer;
  const auto* const end = line.data() + line.size();
  const auto run = std::from_chars(line.data() + 1, end, answer.run);
  if (run.ec != std::errc() || run.ptr == end || *run.ptr != ' ') return std::nullopt;
  const auto status = std::from_chars(run.ptr + 1, end, answer.status);
  if (status.ec != std::errc() || status.ptr != end) return std::nullopt;
  return answer;
}

}  // namespace shell
