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

// Without a folder, what writes is refused by the system call filter, and here by nothing: Landlock's first version
// will do. With one, everything that changes files is handled, so that it is refused wherever it is not allowed.
constexpr std::uint64_t of_files = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
constexpr std::uint64_t reading = of_files | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t truncating = 1ull << 14;  // LANDLOCK_ACCESS_FS_TRUNCATE: version 3, newer than some headers
constexpr std::uint64_t writing = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                  LANDLOCK_ACCESS_FS_MAKE_REG;
constexpr std::uint64_t never = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                                LANDLOCK_ACCESS_FS_MAKE_SYM;

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

Status confine(const std::vector<std::filesystem::path>& places, const std::filesystem::path& folder) {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) {
    if (folder.empty()) return {};
    return fail(500, "no_sandbox", "this kernel cannot hold the plugin's process to its folder: it has no Landlock",
                "Linux 5.13 has it, where it is switched on; or trust the plugin with `lectern plugins trust`.");
  }
  const std::uint64_t in_folder = reading | writing | (version >= 3 ? truncating : 0);
  landlock_ruleset_attr ruleset{};
  ruleset.handled_access_fs = folder.empty() ? reading : in_folder | never;
  const Descriptor rules(::syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0));
  if (rules.get() < 0) return no_landlock("begin to give up files");
  const auto allow = [&](const std::filesystem::path& place, std::uint64_t what) -> Status {
    const Descriptor at(::open(place.c_str(), O_PATH | O_CLOEXEC));
    struct stat facts {};
    if (at.get() < 0 || ::fstat(at.get(), &facts) != 0) return {};  // not everywhere is a /lib64
    landlock_path_beneath_attr beneath{};
    beneath.allowed_access = S_ISDIR(facts.st_mode) ? what : of_files;
    beneath.parent_fd = at.get();
    if (::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0)
      return no_landlock("keep reading " + place.string());
    return {};
  };
  for (const auto& place : places) LECTERN_CHECK(allow(place, reading));
  if (!folder.empty()) LECTERN_CHECK(allow(folder, in_folder & ~std::uint64_t{LANDLOCK_ACCESS_FS_EXECUTE}));
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) return no_landlock("give up files");
  return {};
}

}  // namespace lectern::isolation
