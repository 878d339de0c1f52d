#include "files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>

#include "lectern/sdk/failure.hpp"

namespace presence_common {
using lectern::sdk::Failure;

bool Fd::close() {
  return fd_ < 0 || ::close(std::exchange(fd_, -1)) == 0;
}

void fail(const std::string& what) {
  const int problem = errno;
  throw Failure(LECTERN_UNAVAILABLE, what + ": " + std::strerror(problem),
                "check that the presence folder is there and may be written to")
      .code("folder_unusable");
}

std::string random_name() {
  unsigned char bytes[8] = {};
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) fail("no random bytes for a file name");
  std::string out;
  for (const auto byte : bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

std::vector<std::string> entries(int folder, std::size_t limit, Hidden hidden) {
  std::vector<std::string> names;
  const int again = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0 && errno == ENOENT) return names;  // removed meanwhile
  if (again < 0) fail("cannot read a folder");
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::fdopendir(again), &::closedir);
  if (open == nullptr) {
    const int problem = errno;
    ::close(again);
    errno = problem;
    fail("cannot read a folder");
  }
  while (names.size() < limit) {
    errno = 0;
    const auto* entry = ::readdir(open.get());
    if (entry == nullptr && errno != 0) fail("cannot read a folder to its end");
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || (hidden == Hidden::left_out && name.front() == '.')) continue;
    names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> KnownNames::with_known(const std::string& place, std::vector<std::string> listed,
                                                Places& now) const {
  now[place] = listed;
  const std::scoped_lock lock(mutex_);
  const auto before = places_.find(place);
  if (before == places_.end()) return listed;
  std::vector<std::string> all;
  std::set_union(listed.begin(), listed.end(), before->second.begin(), before->second.end(), std::back_inserter(all));
  return all;
}

void KnownNames::keep(Places now) {
  const std::scoped_lock lock(mutex_);
  places_ = std::move(now);
}

std::string read_file(int folder, const std::string& name, std::string& reason) {
  const Fd file(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat about {};
  if (!file || ::fstat(file.get(), &about) != 0) {
    reason = errno == ELOOP ? "it is a symbolic link" : errno == ENOENT ? std::string(gone) : std::strerror(errno);
    return {};
  }
  if (!S_ISREG(about.st_mode)) {
    reason = "it is not a regular file";
    return {};
  }
  if (static_cast<std::uint64_t>(about.st_size) > max_record_bytes) {
    reason = "it is larger than 256 KiB";
    return {};
  }
  // One byte more than it says: a file that grew meanwhile is found out.
  std::string bytes(static_cast<std::size_t>(about.st_size) + 1, '\0');
  std::size_t size = 0;
  while (size < bytes.size()) {
    const auto count = ::read(file.get(), bytes.data() + size, bytes.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) reason = std::strerror(errno);
    if (count <= 0) break;
    size += static_cast<std::size_t>(count);
  }
  if (size == bytes.size()) reason = "it changed while it was read";
  bytes.resize(size);
  return reason.empty() ? bytes : std::string();
}

namespace {
void write_all(int fd, std::string_view bytes, const std::string& where) {
  while (!bytes.empty()) {
    const auto count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("cannot write " + where);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}
}  // namespace

void put_file(int folder, const std::string& where, const std::string& name, std::string_view bytes, Lasting lasting) {
  const auto temp = "." + name + "." + random_name() + ".tmp";  // sync tools and readers leave dot files alone
  Fd file(::openat(folder, temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) fail("cannot write in " + where);
  try {
    const auto path = where + "/" + name;
    write_all(file.get(), bytes, path);
    if (lasting == Lasting::yes && ::fsync(file.get()) != 0) fail("cannot write " + path);
    if (!file.close()) fail("cannot write " + path);
    if (::renameat(folder, temp.c_str(), folder, name.c_str()) != 0) fail("cannot put " + path + " in place");
  } catch (...) {
    ::unlinkat(folder, temp.c_str(), 0);
    throw;
  }
  // A lost rename only means an older record, which the next beat replaces.
  if (lasting == Lasting::yes) (void)::fsync(folder);
}

void make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) fail("cannot make " + path);
}

}  // namespace presence_common
