#include "document/rename_intent.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "document/atomic_file.hpp"

namespace lectern::document {
namespace {

constexpr std::uint64_t most_intent_bytes = 64u << 10;
constexpr std::string_view unchanged = "Nothing was renamed.";

constexpr std::int64_t most_age_s = 30LL * 24 * 3600;

using RenameNames = RenameIntent::Names;

std::string text_of(const RenameNames& what) {
  std::string out;
  json::Writer(out)
      .begin_object()
      .member("from", what.from)
      .member("to", what.to)
      .member("inode", what.inode)
      .end_object();
  return out;
}

// nullopt for one that was not written to its end: its rename had not begun.
Result<std::optional<RenameNames>> read(const std::string& path) {
  LECTERN_TRY(const auto file, read_whole(path, most_intent_bytes));
  const auto value = json::parse(file.bytes);
  if (!value || !value->is_object()) return std::nullopt;
  const auto *from = value->find("from"), *to = value->find("to"), *inode = value->find("inode");
  if (from == nullptr || to == nullptr || inode == nullptr) return std::nullopt;
  if (!from->is_string() || !to->is_string() || !inode->as_uint()) return std::nullopt;
  return RenameNames{*from->as_string(), *to->as_string(), static_cast<std::uint64_t>(*inode->as_uint())};
}

enum class RenameState { not_begun, carried_out, unknown };

RenameState state_of_rename(const RenameNames& what) {
  struct stat info {};
  if (::lstat(what.from.c_str(), &info) == 0) return RenameState::not_begun;
  if (errno != ENOENT && errno != ENOTDIR) return RenameState::unknown;
  if (::lstat(what.to.c_str(), &info) != 0) return RenameState::unknown;
  return info.st_ino == what.inode ? RenameState::carried_out : RenameState::not_begun;
}

bool is_old(const Descriptor& file) {
  struct stat info {};
  return ::fstat(file.get(), &info) == 0 && std::time(nullptr) - info.st_mtim.tv_sec > most_age_s;
}

/// Its host may have been done with it after it was opened here and before it was locked.
bool is_removed(const Descriptor& file) {
  struct stat info {};
  return ::fstat(file.get(), &info) == 0 && info.st_nlink == 0;
}

/// While hosts make intents and lock them, none looks for those that nobody has locked. `how`: LOCK_SH or LOCK_EX; held
/// for a moment only, and waited for.
Result<Descriptor> lock_folder(const std::string& folder, int how) {
  const auto path = folder + ".lock";
  Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock) return fail(system_error(errno, "write", path, unchanged));
  while (::flock(lock.get(), how) != 0) {
    if (errno != EINTR) return fail(system_error(errno, "lock", path, unchanged));
  }
  return lock;
}

/// The intent at `path`, when its host is not at it any more.
Descriptor take_up(const std::string& folder, const std::string& path) {
  const auto nobody_makes_one = lock_folder(folder, LOCK_EX);
  if (!nobody_makes_one) {
    log::warning("document", nobody_makes_one.error().message);
    return {};
  }
  Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0 || is_removed(file)) return {};
  return file;
}

}  // namespace

Result<RenameIntent> RenameIntent::write(const std::string& folder, const std::string& from, const std::string& to) {
  struct stat info {};
  if (::lstat(from.c_str(), &info) != 0) return fail(system_error(errno, "rename", from, unchanged));
  LECTERN_CHECK(make_folders(folder));
  auto path = folder + "/" + crypto::uuid() + ".json";
  LECTERN_TRY(auto making, lock_folder(folder, LOCK_SH));
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail(system_error(errno, "write", path, unchanged));
  RenameIntent intent(std::move(file), std::move(path), {from, to, info.st_ino});
  if (::flock(intent.file_.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(system_error(errno, "lock", intent.path_, unchanged));
  }
  making.reset();
  int problem = write_all(intent.file_.get(), text_of(intent.names_));
  if (problem == 0 && ::fsync(intent.file_.get()) != 0) problem = errno;
  if (problem != 0) return fail(system_error(problem, "write", intent.path_, unchanged));
  LECTERN_TRY(const auto above, open_no_links(folder, O_RDONLY | O_DIRECTORY));
  if (::fsync(above.get()) != 0) return fail(system_error(errno, "make durable", intent.path_, unchanged));
  return intent;
}

RenameIntent::~RenameIntent() {
  if (file_) ::unlink(path_.c_str());
}

bool RenameIntent::carried_out() const {
  return state_of_rename(names_) == RenameState::carried_out;
}

void RenameIntent::finish_all(const std::string& folder,
                              const std::function<void(const std::string&, const std::string&)>& renamed) {
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const auto path = entry->path().string();
    auto file = take_up(folder, path);
    if (!file) continue;
    const auto what = read(path);
    const auto now = !what ? RenameState::unknown : *what ? state_of_rename(**what) : RenameState::not_begun;
    if (now == RenameState::unknown && !is_old(file)) {
      log::warning("document",
                   what && *what
                       ? "whether " + (*what)->from + " was renamed to " + (*what)->to +
                             " before a crash cannot be told now: neither is there; the next start looks again"
                       : what.error().message);
      continue;
    }
    const RenameIntent left(std::move(file), path, {});
    if (now != RenameState::carried_out) continue;
    log::info("document",
              "finishing the rename of " + (*what)->from + " to " + (*what)->to + ", which a crash stopped");
    renamed((*what)->from, (*what)->to);
  }
}

}  // namespace lectern::document
