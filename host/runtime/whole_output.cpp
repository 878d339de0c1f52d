#include "runtime/whole_output.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/workers.hpp"
#include "base/write_all.hpp"

namespace lectern::runtime {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t id_bytes = 16;
constexpr const char* extension = ".txt";

}  // namespace

bool is_whole_output_id(std::string_view text) {
  return text.size() == 2 * id_bytes && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

fs::path whole_output_file(const fs::path& directory, std::string_view id) {
  return is_whole_output_id(id) ? directory / "whole" / (std::string(id) + extension) : fs::path();
}

Result<std::shared_ptr<const WholeFile>> WholeFile::open(const fs::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  struct stat about {};
  if (fd < 0 || ::fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
    if (fd >= 0) ::close(fd);
    return fail(404, "output_not_found", "the whole of this output is not kept any more",
                "it goes when its cell runs again or is cleared, and 30 days after the last of it was written");
  }
  return std::make_shared<const WholeFile>(fd, static_cast<std::uint64_t>(about.st_size));
}

WholeFile::~WholeFile() {
  ::close(fd_);
}

std::string WholeFile::read(std::uint64_t offset, std::size_t count) const {
  std::string bytes(count, '\0');
  std::size_t at = 0;
  while (at < count) {
    const auto got = ::pread(fd_, bytes.data() + at, count - at, static_cast<off_t>(offset + at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return {};
    at += static_cast<std::size_t>(got);
  }
  return bytes;
}

struct WholeOutput::State : std::enable_shared_from_this<State> {
  State(fs::path file_, Workers& workers_, WholeLimits limits_)
      : file(std::move(file_)), workers(workers_), limits(limits_) {}
  ~State() {
    if (fd >= 0) ::close(fd);
  }
  void ask() {
    workers.submit([state = shared_from_this()] { state->write(); });
  }
  /// Writes what waits by now. What came meanwhile goes to the end of the workers' queue: other files are written, too.
  void write() {
    write_piece();
    {
      const std::scoped_lock lock(mutex);
      asked = !waiting.empty();
      if (!asked) return;
    }
    ask();
  }
  void write_piece() {
    const std::scoped_lock one(writing);
    std::string next;
    {
      const std::scoped_lock lock(mutex);
      next.swap(waiting);
    }
    if (!ended) append(next);
  }
  void append(std::string_view bytes) {
    if (fd < 0 && !open()) return;
    const auto fits = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), limits.at_most - written));
    if (!leaves_room(fits))
      return end("less than " + std::to_string(limits.leave_free >> 30) + " GiB is free on the disk");
    if (const int code = write_all(fd, bytes.substr(0, fits)); code != 0) return end(std::strerror(code));
    written += fits;
    if (fits < bytes.size()) end("more than " + std::to_string(limits.at_most >> 20) + " MiB are not kept");
  }
  [[nodiscard]] bool leaves_room(std::uint64_t bytes) const {
    struct statvfs disk {};
    if (::fstatvfs(fd, &disk) != 0) return true;  // writing says what is wrong
    return std::uint64_t{disk.f_bavail} * disk.f_frsize >= bytes + limits.leave_free;
  }
  bool open() {
    std::error_code problem;
    fs::create_directories(file.parent_path(), problem);
    ::chmod(file.parent_path().parent_path().c_str(), 0700);
    fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) end(std::strerror(errno));
    return fd >= 0;
  }
  void end(const std::string& why) {
    ended = true;
    log::error("runtime", "cannot write more of an output to " + file.string() + ": " + why);
    const std::scoped_lock lock(mutex);
    trouble = why;
  }

  const fs::path file;
  Workers& workers;
  const WholeLimits limits;

  std::mutex writing;  // held by who writes; of these
  int fd = -1;
  std::uint64_t written = 0;
  bool ended = false;

  std::mutex mutex;  // of these
  std::string waiting, trouble;
  bool asked = false;  // a worker will come
  bool full = false;   // nothing more is taken
};

std::unique_ptr<WholeOutput> WholeOutput::make(const fs::path& directory, Workers& workers) {
  return std::make_unique<WholeOutput>(whole_output_file(directory, text::to_hex(crypto::random_bytes(id_bytes))),
                                       workers);
}

WholeOutput::WholeOutput(fs::path file, Workers& workers, WholeLimits limits)
    : state_(std::make_shared<State>(std::move(file), workers, limits)) {}

WholeOutput::~WholeOutput() = default;

void WholeOutput::add(std::string_view text) {
  {
    const std::scoped_lock lock(state_->mutex);
    if (state_->full) return;
    if (state_->waiting.size() > state_->limits.max_waiting) {
      state_->full = true;
      state_->trouble = "the disk is slower than what is said";
      log::error("runtime", "lost what follows in " + state_->file.string() + ": " + state_->trouble);
      return;
    }
    state_->waiting.append(text);
    if (std::exchange(state_->asked, true)) return;
  }
  state_->ask();
}

void WholeOutput::discard() {
  state_->workers.submit([state = state_] {
    const std::scoped_lock one(state->writing);
    state->ended = true;
    ::unlink(state->file.c_str());
  });
}

std::string WholeOutput::trouble() {
  const std::scoped_lock lock(state_->mutex);
  return std::exchange(state_->trouble, {});
}

Task WholeOutput::bring_up_to_date() {
  return [state = state_] { state->write_piece(); };
}

std::string WholeOutput::id() const {
  return state_->file.stem().string();
}

}  // namespace lectern::runtime
