// NotebookLease of notebook_store.hpp.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "document/notebook_store.hpp"
#include "document/system_file.hpp"

namespace lectern::document {
namespace {

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

// Field 22 of /proc/self/stat; the second field may hold anything, so counting starts behind its last ')'. Together
// with the number it names a process for good.
std::string process_start() {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  std::string field;
  for (int number = 3; number <= 22; ++number) fields >> field;
  return field;
}

std::string holder_json(const NotebookLease::Holder& holder) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object()
      .member("pid", static_cast<std::int64_t>(::getpid()))
      .member("process_start", process_start())
      .member("host", host_name())
      .member("since", clock::rfc3339_now());
  if (!holder.url.empty()) writer.member("url", holder.url);
  if (!holder.path.empty()) writer.member("path", holder.path);
  writer.end_object();
  return out;
}

tl::unexpected<Error> taken(int fd, std::string_view notebook_path) {
  std::string holder(1024, '\0');
  const auto n = ::pread(fd, holder.data(), holder.size(), 0);
  holder.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  const auto parsed = json::parse(holder);
  std::string who = "in another host";
  bool here = false;
  if (parsed && parsed->find("pid") != nullptr && parsed->find("pid")->as_int()) {
    here = *parsed->find("pid")->as_int() == ::getpid();
    who += " (process " + std::to_string(*parsed->find("pid")->as_int());
    const auto* url = parsed->find("url");
    if (url != nullptr && url->is_string()) who += ", " + *url->as_string();
    who += ")";
  }
  if (here) who = "in this host";
  const auto* path = parsed ? parsed->find("path") : nullptr;
  if (path != nullptr && path->is_string() && *path->as_string() != notebook_path) who += " as " + *path->as_string();
  return fail(423, "open_elsewhere", std::string(notebook_path) + " is open " + who + ".",
              here ? "Open it by that path, or open this one to watch."
                   : "Work in that host's page, close the notebook there first, or open it here to watch.",
              R"({"holder":)" + (parsed ? holder : std::string("null")) + "}");
}

// True while the name still leads to the locked file: whoever had it before may have removed it on the way out.
bool in_place(int fd, const std::string& path) {
  struct stat mine {
  }, named{};
  return ::fstat(fd, &mine) == 0 && ::lstat(path.c_str(), &named) == 0 && mine.st_dev == named.st_dev &&
         mine.st_ino == named.st_ino;
}

Result<Descriptor> lock(const std::string& path, std::string_view notebook_path, const NotebookLease::Holder& holder) {
  for (;;) {
    Descriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return fail(system_error(errno, "lock", path));
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return taken(fd.get(), notebook_path);
      if (errno != EINTR) return fail(system_error(errno, "lock", path));
    }
    if (!in_place(fd.get(), path)) continue;
    if (::ftruncate(fd.get(), 0) != 0) return fail(system_error(errno, "write", path));
    // Who holds it is told for people; the lock itself works without.
    (void)write_all_at(fd.get(), holder_json(holder), 0);
    return fd;
  }
}

}  // namespace

NotebookLease::NotebookLease(NotebookLease&& other) noexcept : held_(std::exchange(other.held_, {})) {}
NotebookLease& NotebookLease::operator=(NotebookLease&& other) noexcept {
  std::swap(held_, other.held_);
  return *this;
}
NotebookLease::~NotebookLease() {
  for (const auto& held : held_) {
    if (!held.remove.empty()) ::unlink(held.remove.c_str());  // before the lock goes: nobody has locked it then
    ::close(held.fd);
  }
}

Result<NotebookLease> NotebookLease::take(const std::vector<std::string>& lock_files, std::string_view notebook_path,
                                          const Holder& holder) {
  NotebookLease lease;
  for (const auto& lock_file : lock_files) {
    LECTERN_TRY(auto fd, lock(lock_file, notebook_path, holder));
    lease.held_.push_back({fd.release(), {}});
  }
  return lease;
}

Result<NotebookLease> NotebookLease::take_passing(const std::string& lock_file, std::string_view notebook_path,
                                                  const Holder& holder) {
  NotebookLease lease;
  LECTERN_TRY(auto fd, lock(lock_file, notebook_path, holder));
  lease.held_.push_back({fd.release(), lock_file});
  return lease;
}

}  // namespace lectern::document
