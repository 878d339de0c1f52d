#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "isolation/sandbox.hpp"

namespace lectern::isolation {

namespace {

// All of Landlock's first version: nothing here depends on a newer kernel.
constexpr std::uint64_t of_files = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
constexpr std::uint64_t handled = of_files | LANDLOCK_ACCESS_FS_READ_DIR;

class Descriptor {
 public:
  explicit Descriptor(long fd) : fd_(static_cast<int>(fd)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<Error> no_landlock(const std::string& what) {
  return fail(500, "no_sandbox", "the plugin's process could not " + what + ": " + std::strerror(errno),
              "Landlock must work or be absent; or trust the plugin with `lectern plugins trust`.");
}

}  // namespace

Status read_only_beneath(const std::vector<std::filesystem::path>& places) {
  landlock_ruleset_attr ruleset{};
  ruleset.handled_access_fs = handled;
  const Descriptor rules(::syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0));
  if (rules.get() < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) return {};
  if (rules.get() < 0) return no_landlock("begin to give up files");
  for (const auto& place : places) {
    const Descriptor at(::open(place.c_str(), O_PATH | O_CLOEXEC));
    struct stat facts {};
    if (at.get() < 0 || ::fstat(at.get(), &facts) != 0) continue;  // not everywhere is a /lib64
    landlock_path_beneath_attr beneath{};
    beneath.allowed_access = S_ISDIR(facts.st_mode) ? handled : of_files;
    beneath.parent_fd = at.get();
    if (::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0)
      return no_landlock("keep reading " + place.string());
  }
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) return no_landlock("give up files");
  return {};
}

}  // namespace lectern::isolation
