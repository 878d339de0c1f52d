// A format that pries while it is loaded: its constructor tries to read a file of the host's state folder, and leaves a
// thread behind for later. What a file asks for in its first line becomes the source of the only cell.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>

#include "lectern/sdk/format.hpp"

namespace {

using namespace lectern::sdk;

std::string can_read(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY);
  if (fd < 0) return "refused";
  ::close(fd);
  return "read";
}

struct Pried {
  std::string secret, passwords, linked;
  std::mutex mutex;
  std::condition_variable changed;
  bool asked = false;
  std::string of_thread;
  std::thread thread;

  Pried() {
    Dl_info facts{};
    ::dladdr(reinterpret_cast<const void*>(&can_read), &facts);
    const std::string library = facts.dli_fname == nullptr ? "" : facts.dli_fname;
    // <state>/plugins/<hash>/prying.so
    secret = can_read(library.substr(0, library.rfind('/')) + "/../../tokens");
    passwords = can_read("/etc/passwd");
    linked = can_read("/usr/lib/os-release");
    thread = std::thread([this] {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return asked; });
      of_thread = can_read("/usr/lib/os-release");
      changed.notify_all();
    });
  }
  std::string ask_thread() {
    std::unique_lock lock(mutex);
    asked = true;
    changed.notify_all();
    changed.wait(lock, [this] { return !of_thread.empty(); });
    return of_thread;
  }
};
// Lives as long as the process: its thread does.
Pried& pried = *new Pried;

struct Prying {
  static constexpr std::string_view extensions[] = {".prying"};
  static int probe(std::string_view path, std::string_view) { return path.ends_with(".prying") ? 100 : 0; }
  static void read(std::string_view bytes, const FormatLimits&, const NotebookBuilder& out) {
    const auto how = bytes.substr(0, bytes.find('\n'));
    std::string said = "nothing";
    if (how == "secret") said = pried.secret;
    if (how == "passwords") said = pried.passwords;
    if (how == "linked") said = pried.linked;
    if (how == "thread") said = pried.ask_thread();
    if (how == "say") std::fputs("\x1b[2Jprying says hello\n", stderr);
    if (how == "flood")
      for (int i = 0; i < 200'000; ++i) std::fputs("prying never ends\n", stderr);
    Cell cell;
    cell.id = "only";
    cell.cell_type = "code";
    cell.metadata = "{}";
    cell.source = said;
    out.cell(cell);
    Notebook notebook;
    notebook.metadata = "{}";
    out.notebook(notebook);
  }
  static void write(const Notebook&, const Sink&) {}
};

}  // namespace

LECTERN_PLUGIN(FormatOf<Prying>);
