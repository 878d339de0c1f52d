#include "load/peer.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <tuple>
#include <utility>

#include "load/host.hpp"

namespace load {
namespace {

/// Its process and the end of a pipe that its standard output goes to.
std::pair<int, int> spawn(const std::string& script, const std::vector<std::string>& args) {
  int ends[2];
  if (::pipe(ends) != 0) give_up("no pipe");
  const int pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(ends[1], 1);
    ::close(ends[0]);
    ::close(ends[1]);
    std::vector<std::string> words{script};
    words.insert(words.end(), args.begin(), args.end());
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(script.c_str(), argv.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  return {pid, ends[0]};
}

bool read_more(int fd, std::string& text) {
  char buffer[4096];
  const auto count = ::read(fd, buffer, sizeof buffer);
  if (count > 0) text.append(buffer, static_cast<std::size_t>(count));
  return count > 0;
}

}  // namespace

Peer::Peer(const std::string& script, const std::vector<std::string>& args) {
  std::tie(pid_, out_) = spawn(script, args);
  const std::string word = "listening ";
  std::string text;
  auto at = text.npos;
  bool more = true;
  while (more && ((at = text.find(word)) == text.npos || text.find('\n', at) == text.npos))
    more = read_more(out_, text);
  if (!more) give_up(script + " ended without listening: " + text);
  port_ = std::atoi(text.c_str() + at + word.size());
}

Peer::~Peer() {
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  ::close(out_);
}

std::string run_script(const std::string& script, const std::vector<std::string>& args) {
  const auto [pid, out] = spawn(script, args);
  std::string text;
  while (read_more(out, text)) {
  }
  ::close(out);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (status != 0) give_up(script + " failed: " + text);
  return text;
}

}  // namespace load
