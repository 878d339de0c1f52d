#include "kept.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/json_slice.hpp"

namespace jupyter {
namespace fs = std::filesystem;
namespace json = lectern::sdk::json;
using lectern::sdk::Failure;
namespace {

constexpr const char* file_name = "process.json";

std::string read_all(const fs::path& path) {
  std::ifstream file(path);
  return {(std::istreambuf_iterator<char>(file)), {}};
}

/// Process numbers and start times mean something within one boot only.
std::string boot_id() {
  auto text = read_all("/proc/sys/kernel/random/boot_id");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

void make_kept_folder(const fs::path& folder) {
  std::error_code problem;
  fs::create_directories(folder, problem);
  struct stat about {};
  if (::lstat(folder.c_str(), &about) != 0 || !S_ISDIR(about.st_mode) || about.st_uid != ::getuid()) {
    throw Failure(LECTERN_UNAVAILABLE, "no private folder for a kernel that is kept at " + folder.string());
  }
  ::chmod(folder.c_str(), 0700);
}

fs::path kept_log(const fs::path& folder) {
  return folder / "output.log";
}

void write_kept(const fs::path& folder, const Kept& kept) {
  const auto text = "{\"pid\":" + std::to_string(kept.process.pid) +
                    ",\"start_time\":" + json::quoted(kept.process.start_time) +
                    ",\"boot_id\":" + json::quoted(boot_id()) +
                    ",\"connection_file\":" + json::quoted(kept.connection_file.string()) +
                    ",\"session\":" + json::quoted(kept.session) + "}";
  const auto path = folder / file_name;
  const auto fresh = folder / (std::string(file_name) + ".new");
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  const bool whole = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int problem = errno;
  if (fd >= 0) ::close(fd);
  if (whole && ::rename(fresh.c_str(), path.c_str()) == 0) return;
  throw Failure(LECTERN_UNAVAILABLE, "cannot write " + path.string() + ": " + std::strerror(problem));
}

Kept read_kept(const fs::path& folder) {
  const auto text = read_all(folder / file_name);
  if (!json::valid(text)) throw Failure(LECTERN_NOT_FOUND, "nothing is known of it in " + folder.string());
  if (json::text(json::member(text, "boot_id")) != boot_id()) {
    throw Failure(LECTERN_NOT_FOUND, "the machine was started anew meanwhile");
  }
  Kept kept;
  kept.process.pid = static_cast<pid_t>(json::integer(json::member(text, "pid")).value_or(-1));
  kept.process.start_time = json::text(json::member(text, "start_time"));
  kept.process.log_file = kept_log(folder).string();
  kept.connection_file = json::text(json::member(text, "connection_file"));
  kept.session = json::text(json::member(text, "session"));
  return kept;
}

}  // namespace jupyter
