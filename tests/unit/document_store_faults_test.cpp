// What is left when the process dies, or the disk refuses, at every single system call of opening, journaling and
// saving. The calls are caught by functions of the same name in this program, which the host's libraries are linked to.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <sstream>

#include "../support/notebook_formats.hpp"
#include "base/log.hpp"
#include "document/notebook_store.hpp"

namespace {

enum class Fault { none, die_before, die_after, no_space, io_error, short_write };
std::atomic<Fault> fault{Fault::none};
std::atomic<int> countdown{0};
std::atomic<int> told{-1};  // the pipe on which the child tells what was acknowledged: never disturbed

bool due() {
  return fault != Fault::none && --countdown == 0;
}

// Runs `call` unless the fault strikes here.
template <class Call>
long with_fault(Call call) {
  if (!due()) return call();
  switch (fault.load()) {
    case Fault::die_after:
      call();
      [[fallthrough]];
    case Fault::die_before:
      ::kill(::getpid(), SIGKILL);
      ::pause();
      return -1;
    case Fault::no_space:
      errno = ENOSPC;
      return -1;
    default:
      errno = EIO;
      return -1;
  }
}

template <class Call>
ssize_t with_write_fault(std::size_t size, Call call) {
  if (fault == Fault::short_write) {
    if (!due() || size < 2) return call(size);
    fault = Fault::no_space;  // half of it, then nothing more
    countdown = 1;
    return call(size / 2);
  }
  return with_fault([&] { return call(size); });
}

}  // namespace

extern "C" {
ssize_t write(int fd, const void* data, size_t size) {
  if (fd <= 2 || fd == told) return ::syscall(SYS_write, fd, data, size);
  return with_write_fault(size, [&](std::size_t n) { return ::syscall(SYS_write, fd, data, n); });
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return with_write_fault(size, [&](std::size_t n) { return ::syscall(SYS_pwrite64, fd, data, n, offset); });
}
int fsync(int fd) {
  return static_cast<int>(with_fault([&] { return ::syscall(SYS_fsync, fd); }));
}
int fdatasync(int fd) {
  return static_cast<int>(with_fault([&] { return ::syscall(SYS_fdatasync, fd); }));
}
int ftruncate(int fd, off_t size) noexcept {
  return static_cast<int>(with_fault([&] { return ::syscall(SYS_ftruncate, fd, size); }));
}
int rename(const char* from, const char* to) noexcept {
  return static_cast<int>(with_fault([&] { return ::syscall(SYS_rename, from, to); }));
}
int renameat(int from_fd, const char* from, int to_fd, const char* to) noexcept {
  return static_cast<int>(with_fault([&] { return ::syscall(SYS_renameat, from_fd, from, to_fd, to); }));
}
int fchmod(int fd, mode_t mode) noexcept {
  return static_cast<int>(with_fault([&] { return ::syscall(SYS_fchmod, fd, mode); }));
}
int mkdir(const char* path, mode_t mode) noexcept {
  return static_cast<int>(with_fault([&] { return ::syscall(SYS_mkdir, path, mode); }));
}
}

namespace lectern::document {
namespace {

namespace fs = std::filesystem;
using test::ipynb;
using test::notebook_data;
using test::read_file;
using test::write_file;

// A session in small: its document is a list of words, its snapshot the words in one string.
class LittleSession {
 public:
  LittleSession(const std::string& folder, int tell) : folder_(folder), tell_(tell) {}

  void run() {
    JournalWriter writer;
    auto store = NotebookStore::create({folder_ + "/state", {}}, writer);
    if (!store) return;
    const auto root = PathPolicy::create(folder_ + "/root");
    auto book = (*store)->open(*root->resolve("a.ipynb"), {ipynb()});
    if (!book) return;
    journal_ = std::move(book->journal);
    if (!secure()) return;
    tell("open");
    edit("one");
    edit("two");
    save(*book, "first save");
    edit("three");
    if (journal_->rewrite_and_wait(words(), "").has_value()) told_all();
    edit("four");
    save(*book, "second save");
    edit("five");
  }

 private:
  std::string words() const {
    std::string all = "snapshot";
    for (const auto& word : words_) all += " " + word;
    return all;
  }
  void tell(const std::string& what) {
    const std::string line = what + "\n";
    if (::write(tell_, line.data(), line.size()) < 0) ::_exit(9);
  }
  void told_all() {
    for (const auto& word : words_) tell(word);
  }
  // A new journal from memory; whether it could be written.
  bool secure() {
    for (int attempt = 0; attempt < 3; ++attempt) {
      if (journal_->rewrite_and_wait(words(), "").has_value()) return told_all(), true;
    }
    return false;
  }
  void edit(const std::string& word) {
    words_.push_back(word);
    if (journal_->append_and_wait({Record::change(word)}).has_value()) {
      tell(word);
    } else {
      secure();
    }
  }
  void save(const OpenedNotebook& book, const std::string& text) {
    SaveRequest request;
    request.path = book.path;
    request.format = ipynb();
    request.baseline = book.file;
    request.metadata = book.file->metadata;
    CellContent cell;
    cell.id = "c1";
    cell.cell_type = "markdown";
    cell.source = text + std::string(5000, '.');
    request.cells.push_back(cell);
    if (save_notebook(*journal_, book.state_dir, request).has_value()) tell(text);
  }

  std::string folder_;
  int tell_;
  std::unique_ptr<Journal> journal_;
  std::vector<std::string> words_;
};

std::vector<std::string> run_child(const std::string& folder, Fault what, int at, bool& finished) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    log::set_level(log::Level::error);
    const int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, 2);
    ::close(ends[0]);
    told = ends[1];
    countdown = at;
    fault = what;
    LittleSession(folder, ends[1]).run();
    // More calls than there are: the fault never struck.
    ::_exit(countdown > 0 ? 7 : 0);
  }
  ::close(ends[1]);
  std::string all;
  char buffer[512];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    all.append(buffer, static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  finished = WIFEXITED(status) && WEXITSTATUS(status) == 7;
  std::vector<std::string> told_lines;
  std::istringstream in(all);
  for (std::string line; std::getline(in, line);) told_lines.push_back(line);
  return told_lines;
}

void check(const std::string& folder, const std::vector<std::string>& acknowledged) {
  const auto was_told = [&](const std::string& what) {
    return std::find(acknowledged.begin(), acknowledged.end(), what) != acknowledged.end();
  };
  JournalWriter writer;
  const auto store = NotebookStore::create({folder + "/state", {}}, writer);
  ASSERT_TRUE(store.has_value()) << store.error().message;
  auto book = (*store)->open(*PathPolicy::create(folder + "/root")->resolve("a.ipynb"), {ipynb()});
  ASSERT_TRUE(book.has_value()) << book.error().message;
  // The file is whole: what it was, or one of the saves, and the last acknowledged one or a later one.
  const std::string original = notebook_data("jupyter-4.5.ipynb");
  const std::string now = read_file(folder + "/root/a.ipynb");
  const int version = now == original                                     ? 0
                      : now.find("\"first save...") != std::string::npos  ? 1
                      : now.find("\"second save...") != std::string::npos ? 2
                                                                          : -1;
  EXPECT_GE(version, was_told("second save") ? 2 : was_told("first save") ? 1 : 0);
  if (was_told("open")) {
    EXPECT_EQ(book->start, Start::restored);
  }
  for (const auto& notice : book->notices) EXPECT_EQ(notice.find("another program"), std::string::npos) << notice;
  std::string all = book->restored.snapshot;
  for (const auto& change : book->restored.changes) all += " " + change;
  std::size_t at = 0;
  for (const char* word : {"one", "two", "three", "four", "five"}) {
    const auto found = all.find(std::string(" ") + word);
    if (was_told(word)) {
      EXPECT_NE(found, std::string::npos) << word << " was acknowledged and is gone";
    }
    if (found == std::string::npos) continue;
    EXPECT_GE(found, at) << "the order changed";
    EXPECT_EQ(all.find(std::string(" ") + word, found + 1), std::string::npos) << word << " is there twice";
    at = found;
  }
}

class EveryFault : public testing::TestWithParam<Fault> {};
std::string fault_name(const testing::TestParamInfo<Fault>& one) {
  static constexpr const char* names[] = {"None", "DieBefore", "DieAfter", "NoSpace", "IoError", "ShortWrite"};
  return names[static_cast<int>(one.param)];
}
INSTANTIATE_TEST_SUITE_P(Faults, EveryFault,
                         testing::Values(Fault::die_before, Fault::die_after, Fault::no_space, Fault::io_error,
                                         Fault::short_write),
                         fault_name);

TEST_P(EveryFault, AtEveryCallLosesNothingAcknowledged) {
  ipynb();
  bool finished = false;
  int at = 0;
  while (!finished) {
    ++at;
    ASSERT_LT(at, 500);
    SCOPED_TRACE("fault at call " + std::to_string(at));
    const test::TemporaryFolder folder;
    fs::create_directory(folder / "root");
    write_file(folder / "root/a.ipynb", notebook_data("jupyter-4.5.ipynb"));
    const auto acknowledged = run_child(folder.path(), GetParam(), at, finished);
    check(folder.path(), acknowledged);
    if (finished) {
      EXPECT_EQ(acknowledged.back(), "five") << "without a fault everything is acknowledged";
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(at, 30) << "the calls are not caught";
}

}  // namespace
}  // namespace lectern::document
