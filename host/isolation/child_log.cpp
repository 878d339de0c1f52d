#include "isolation/child_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"

namespace lectern::isolation {

namespace {

constexpr std::size_t most_line = 17u << 10;  // a message of the log may have 16 KiB
constexpr int most_reads = 64;
constexpr int most_lines_to_nobody = 20;

/// `time level area message` is how lectern::log writes in the child; the host writes time and area anew.
log::Level strip_head(std::string_view& line, std::string_view area) {
  const std::pair<std::string_view, log::Level> levels[] = {{"debug ", log::Level::debug},
                                                            {"info ", log::Level::info},
                                                            {"warning ", log::Level::warning},
                                                            {"error ", log::Level::error}};
  const auto space = line.find(' ');
  if (space == std::string_view::npos) return log::Level::info;
  std::string_view rest = line.substr(space + 1);
  for (const auto& [name, level] : levels) {
    if (!rest.starts_with(name)) continue;
    rest.remove_prefix(name.size());
    if (!rest.starts_with(area)) break;
    rest.remove_prefix(area.size());
    line = rest.substr(rest.starts_with(' ') ? 1 : 0);
    return level;
  }
  return log::Level::info;
}

}  // namespace

ChildLog::~ChildLog() {
  if (fd_ >= 0) ::close(fd_);
}

int ChildLog::open(const std::string& id, LineSink to) {
  to_ = std::move(to);
  area_ = "plugin " + id;
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return -1;
  fd_ = ends[0];
  return ends[1];
}

void ChildLog::drain() {
  std::array<char, 4096> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (int i = 0; fd_ >= 0 && i < most_reads; ++i) {
    const auto n = ::read(fd_, chunk.data(), chunk.size());
    if (n > 0) {
      take({chunk.data(), static_cast<std::size_t>(n)});
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    line();
    ::close(fd_);
    fd_ = -1;
  }
}

void ChildLog::take(std::string_view bytes) {
  for (const char c : bytes) {
    if (c == '\n') {
      line();
    } else if (line_.size() < most_line) {
      line_ += c;
    }
  }
}

void ChildLog::line() noexcept {
  try {
    const std::string whole = std::exchange(line_, {});
    if (whole.empty()) return;
    std::string_view left = whole;
    const auto level = strip_head(left, area_);
    if (to_) {
      to_(level, text::label(left, most_line));
    } else if (++lines_ <= most_lines_to_nobody) {
      log::write(level, area_, text::label(left, 600));
    }
  } catch (...) {  // out of memory for a line: what the plugin is called for goes on
  }
}

}  // namespace lectern::isolation
