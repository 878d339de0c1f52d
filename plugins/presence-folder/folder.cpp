#include "folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "lectern/sdk/json_slice.hpp"
#include "lectern/sdk/settings.hpp"

namespace presence_folder {
namespace json = lectern::sdk::json;
using lectern::sdk::Failure;
namespace {

constexpr std::size_t max_file_bytes = 256u << 10;
constexpr std::size_t max_devices = 1'000;
constexpr std::size_t max_files = 1'000;  // of one device

/// A descriptor with an owner.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  /// Closes and says whether that went well.
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

/// What went wrong with the last publish; empty = nothing. Of the plugin, not of an object: health is asked of that.
class Trouble {
 public:
  std::string get() const {
    const std::scoped_lock lock(mutex_);
    return text_;
  }
  void set(std::string text) {
    const std::scoped_lock lock(mutex_);
    text_ = std::move(text);
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};
Trouble& last_trouble() {
  static Trouble trouble;
  return trouble;
}

[[noreturn]] void fail(const std::string& what) {
  const int problem = errno;
  throw Failure(LECTERN_UNAVAILABLE, what + ": " + std::strerror(problem),
                "check that the presence folder is there and may be written to")
      .code("folder_unusable");
}

/// Ids are file names here; anything else could lead out of the folder.
bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= 64 && id.front() != '.' && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
  });
}

void check_ids(std::string_view device_id, std::string_view instance_id) {
  if (!is_id(device_id) || !is_id(instance_id)) {
    throw Failure(LECTERN_INVALID, "device and instance ids are 1 to 64 of a-z 0-9 - _").code("bad_id");
  }
}

std::vector<std::string> entries(int folder, std::size_t limit) {
  std::vector<std::string> names;
  const int again = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::fdopendir(again), &::closedir);
  if (open == nullptr) {
    ::close(again);
    return names;
  }
  while (const auto* entry = ::readdir(open.get())) {
    if (entry->d_name[0] == '.') continue;
    names.emplace_back(entry->d_name);
    if (names.size() == limit) break;
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string random_suffix() {
  unsigned char bytes[8] = {};
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) fail("no random bytes for a file name");
  std::string out;
  for (const auto byte : bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

void write_all(int fd, std::string_view bytes, const std::string& where) {
  while (!bytes.empty()) {
    const auto count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("cannot write " + where);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

/// The whole file or a reason. Never follows a link, never waits on a pipe.
std::string read_file(int folder, const std::string& name, std::string& reason) {
  const Fd file(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat about {};
  if (!file || ::fstat(file.get(), &about) != 0) {
    reason = errno == ELOOP ? "it is a symbolic link" : std::strerror(errno);
    return {};
  }
  if (!S_ISREG(about.st_mode)) {
    reason = "it is not a regular file";
    return {};
  }
  if (static_cast<std::uint64_t>(about.st_size) > max_file_bytes) {
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

/// What sync tools and editors leave beside the real file.
bool is_ours(std::string_view name) {
  return name.ends_with(".json") && is_id(name.substr(0, name.size() - 5)) &&
         name.find("sync-conflict") == std::string_view::npos && name.find("conflicted") == std::string_view::npos;
}

void make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) fail("cannot make " + path);
}

}  // namespace

Folder::Folder(std::string_view config) {
  lectern::sdk::Settings settings(config);
  const auto folder = settings.text("folder", "");
  settings.done();
  if (folder.empty() || folder.front() != '/') {
    throw Failure(LECTERN_INVALID, "presence-folder needs \"folder\", an absolute path",
                  "give one with --presence-folder")
        .code("bad_config");
  }
  for (std::size_t slash = folder.find('/', 1); slash != std::string::npos; slash = folder.find('/', slash + 1)) {
    ::mkdir(folder.substr(0, slash).c_str(), 0700);  // the check below says what is wrong
  }
  make_folder(folder);
  struct stat about {};
  if (::stat(folder.c_str(), &about) != 0) fail("cannot look at " + folder);
  if (!S_ISDIR(about.st_mode)) {
    throw Failure(LECTERN_INVALID, folder + " is not a folder").code("bad_config");
  }
  if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw Failure(LECTERN_INVALID, folder + " may be written to by others on this machine",
                  "chmod go-w " + folder + ", or choose a folder of your own")
        .code("folder_unsafe");
  }
  root_ = folder + "/v1";
  make_folder(root_);
}

lectern::sdk::Health Folder::health() {
  const auto trouble = last_trouble().get();
  return trouble.empty() ? lectern::sdk::Health::ok() : lectern::sdk::Health::degraded(trouble);
}

void Folder::publish(std::string_view device_id, std::string_view instance_id, std::string_view record) {
  try {
    write_record(device_id, instance_id, record);
    last_trouble().set({});
  } catch (const Failure& failure) {
    last_trouble().set(failure.what());
    throw;
  }
}

void Folder::write_record(std::string_view device_id, std::string_view instance_id, std::string_view record) {
  check_ids(device_id, instance_id);
  if (record.size() > max_file_bytes) {
    throw Failure(LECTERN_TOO_LARGE, "a record of " + std::to_string(record.size()) + " bytes; at most 256 KiB");
  }
  const auto folder = root_ + "/" + std::string(device_id);
  make_folder(root_);
  make_folder(folder);
  const Fd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) fail("cannot open " + folder);
  const auto name = std::string(instance_id) + ".json";
  const auto temp = "." + name + "." + random_suffix() + ".tmp";  // sync tools and readers leave dot files alone
  Fd file(::openat(directory.get(), temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) fail("cannot write in " + folder);
  try {
    write_all(file.get(), record, folder + "/" + name);
    if (::fsync(file.get()) != 0 || !file.close()) fail("cannot write " + folder + "/" + name);
    if (::renameat(directory.get(), temp.c_str(), directory.get(), name.c_str()) != 0) {
      fail("cannot put " + folder + "/" + name + " in place");
    }
  } catch (...) {
    ::unlinkat(directory.get(), temp.c_str(), 0);
    throw;
  }
  (void)::fsync(directory.get());  // a lost rename only means an older record, which the next beat replaces
}

void Folder::remove(std::string_view device_id, std::string_view instance_id) {
  check_ids(device_id, instance_id);
  const auto folder = root_ + "/" + std::string(device_id);
  const auto file = folder + "/" + std::string(instance_id) + ".json";
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) fail("cannot remove " + file);
}

void Folder::snapshot(const lectern::sdk::PresenceSink& out) {
  const Fd root(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) fail("cannot read " + root_);
  for (const auto& device : entries(root.get(), max_devices)) {
    if (!is_id(device)) {
      out.rejected(device, "the folder's name is not a device id");
      continue;
    }
    const Fd folder(::openat(root.get(), device.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) {
      out.rejected(device, "it is not a folder");
      continue;
    }
    for (const auto& name : entries(folder.get(), max_files)) {
      const auto origin = device + "/" + name;
      if (!is_ours(name)) {
        if (name.ends_with(".json")) out.rejected(origin, "a copy that a sync tool made, or a name of nobody's");
        continue;
      }
      std::string reason;
      const auto record = read_file(folder.get(), name, reason);
      if (reason.empty()) {
        // A record speaks for the device whose folder it lies in, and for the instance it is named after.
        if (json::text(json::member(record, "device_id")) != device ||
            json::text(json::member(record, "instance_id")) + ".json" != name) {
          reason = "its device_id or instance_id is not that of its place";
        }
      }
      if (reason.empty()) {
        out.record(origin, record);
      } else {
        out.rejected(origin, reason);
      }
    }
  }
}

}  // namespace presence_folder
