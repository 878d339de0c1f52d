// NotebookLease of notebook_store.hpp.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
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

std::string holder_json() {
  std::string out;
  json::Writer(out)
      .begin_object()
      .member("pid", static_cast<std::int64_t>(::getpid()))
      .member("host", host_name())
      .member("since", clock::rfc3339_now())
      .end_object();
  return out;
}

tl::unexpected<Error> taken(int fd, std::string_view notebook_path) {
  std::string holder(1024, '\0');
  const auto n = ::pread(fd, holder.data(), holder.size(), 0);
  holder.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  const auto parsed = json::parse(holder);
  std::string who = "another host";
  if (parsed && parsed->find("pid") != nullptr && parsed->find("pid")->as_int()) {
    who += " (process " + std::to_string(*parsed->find("pid")->as_int()) + ")";
  }
  return fail(423, "open_elsewhere", std::string(notebook_path) + " is open in " + who + ".",
              "Work in that host's page, or close the notebook there first.",
              R"({"holder":)" + (parsed ? holder : std::string("null")) + "}");
}

}  // namespace

NotebookLease::NotebookLease(NotebookLease&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
NotebookLease& NotebookLease::operator=(NotebookLease&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
NotebookLease::~NotebookLease() {
  if (fd_ >= 0) ::close(fd_);
}

Result<NotebookLease> NotebookLease::take(const std::string& lock_file, std::string_view notebook_path) {
  Descriptor fd(::open(lock_file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return fail(system_error(errno, "lock", lock_file));
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return taken(fd.get(), notebook_path);
    if (errno != EINTR) return fail(system_error(errno, "lock", lock_file));
  }
  const std::string holder = holder_json();
  if (::ftruncate(fd.get(), 0) != 0) return fail(system_error(errno, "write", lock_file));
  // Who holds it is told for people; the lock itself works without.
  (void)write_all_at(fd.get(), holder, 0);
  return NotebookLease(fd.release());
}

}  // namespace lectern::document
