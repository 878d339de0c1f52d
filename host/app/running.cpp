#include "app/running.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "app/paths.hpp"
#include "base/json.hpp"
#include "runtime/processes.hpp"

namespace lectern::app {
namespace fs = std::filesystem;
namespace {

using runtime::process_start;

Result<fs::path> folder() {
  LECTERN_TRY(const auto base, runtime_dir());
  const auto path = base / "servers";
  std::error_code error;
  fs::create_directory(path, error);
  if (error) return fail(500, "runtime_dir", "the folder '" + path.string() + "' cannot be made: " + error.message());
  return path;
}

std::optional<RunningServer> read(const fs::path& path) {
  std::ifstream file(path);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto parsed = json::parse(text);
  if (!parsed) return std::nullopt;
  RunningServer out;
  const auto* pid = parsed->find("pid");
  out.pid = pid ? pid->as_int().value_or(0) : 0;
  out.start_time = json::string_or_empty(*parsed, "start_time");
  out.url = json::string_or_empty(*parsed, "url");
  out.token = json::string_or_empty(*parsed, "token");
  out.root = json::string_or_empty(*parsed, "root");
  out.tls_cert = json::string_or_empty(*parsed, "tls_cert");
  out.started_at = json::string_or_empty(*parsed, "started_at");
  if (out.pid <= 0 || out.url.empty()) return std::nullopt;
  return out;
}

}  // namespace

RunningEntry::~RunningEntry() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove(path_, ignored);
}

Result<RunningEntry> RunningEntry::write(RunningServer server) {
  LECTERN_TRY(const auto dir, folder());
  server.pid = ::getpid();
  json::Value out;
  out.set("pid", server.pid);
  out.set("start_time", process_start(server.pid));
  out.set("url", server.url);
  out.set("token", server.token);
  out.set("root", server.root);
  out.set("tls_cert", server.tls_cert);
  out.set("started_at", server.started_at);
  const auto text = json::write(out);
  const auto path = dir / (std::to_string(server.pid) + ".json");
  const auto temporary = path.string() + ".new";
  std::error_code ignored;
  fs::remove(temporary, ignored);
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const auto why = std::string(std::strerror(errno));
  if (fd >= 0) ::close(fd);
  if (!written || std::rename(temporary.c_str(), path.c_str()) != 0) {
    return fail(500, "runtime_dir", "'" + path.string() + "' cannot be written: " + why);
  }
  RunningEntry entry;
  entry.path_ = path;
  return entry;
}

Result<std::vector<RunningServer>> running_servers() {
  std::vector<RunningServer> found;
  std::error_code error;
  // Looking makes nothing; what is there is read only if it is ours alone, for its tokens will be trusted.
  if (!fs::exists(runtime_dir_path() / "servers", error)) return found;
  LECTERN_TRY(const auto dir, folder());
  for (fs::directory_iterator item(dir, error), end; !error && item != end; item.increment(error)) {
    if (item->path().extension() != ".json") continue;
    auto server = read(item->path());
    if (server && !server->start_time.empty() && process_start(server->pid) == server->start_time) {
      found.push_back(std::move(*server));
    } else {
      std::error_code ignored;
      fs::remove(item->path(), ignored);
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.started_at > b.started_at; });
  return found;
}

}  // namespace lectern::app
