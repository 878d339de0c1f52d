#include "document/rename_intent.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <deque>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

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
      .member("move", what.move)
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
  const auto* move = value->find("move");
  return RenameNames{*from->as_string(), *to->as_string(), static_cast<std::uint64_t>(*inode->as_uint()),
                     move != nullptr ? move->as_uint().value_or(0) : 0};
}

enum class RenameState { not_begun, carried_out, unknown };

/// `later`: those that were carried out after it, in their order.
RenameState state_of_rename(const RenameNames& what, const std::deque<RenameNames>& later) {
  struct stat info {};
  const bool other_there =
      std::any_of(later.begin(), later.end(), [&](const auto& one) { return is_at_or_below(what.from, one.to); });
  if (::lstat(what.from.c_str(), &info) == 0) {
    if (!other_there) return RenameState::not_begun;
  } else if (errno != ENOENT && errno != ENOTDIR) {
    return RenameState::unknown;
  }
  auto now = what.to;
  for (const auto& [from, to, inode, move] : later) {
    if (is_at_or_below(now, from)) now.replace(0, from.size(), to);
  }
  if (::lstat(now.c_str(), &info) != 0) return RenameState::unknown;
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

/// What a host left that died over it.
struct Left {
  Descriptor file;
  std::string path;
  RenameNames what;        // empty: it was not written to its end
  std::string unreadable;  // why it is not known
  RenameState state = RenameState::not_begun;
};

std::vector<Left> all_left(const std::string& folder) {
  std::vector<Left> out;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    Left one;
    one.path = entry->path().string();
    one.file = take_up(folder, one.path);
    if (!one.file) continue;
    if (auto what = read(one.path); !what) {
      one.unreadable = what.error().message;
      one.state = RenameState::unknown;
    } else if (*what) {
      one.what = std::move(**what);
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

Result<RenameIntent> RenameIntent::write(const std::string& folder, const std::string& from, const std::string& to,
                                         std::uint64_t move) {
  struct stat info {};
  if (::lstat(from.c_str(), &info) != 0) return fail(system_error(errno, "rename", from, unchanged));
  LECTERN_CHECK(make_folders(folder));
  auto path = folder + "/" + crypto::uuid() + ".json";
  LECTERN_TRY(auto making, lock_folder(folder, LOCK_SH));
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail(system_error(errno, "write", path, unchanged));
  RenameIntent intent(std::move(file), std::move(path), {from, to, info.st_ino, move});
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
  return state_of_rename(names_, {}) == RenameState::carried_out;
}

void RenameIntent::finish_all(const std::string& folder,
                              const std::function<void(const std::string&, const std::string&)>& renamed) {
  auto left = all_left(folder);
  std::stable_sort(left.begin(), left.end(), [](const Left& a, const Left& b) { return a.what.move < b.what.move; });
  // From the last one back: where that put something is where an earlier one is to be looked for.
  std::deque<Names> later;
  for (auto one = left.rbegin(); one != left.rend(); ++one) {
    if (!one->unreadable.empty() || one->what.from.empty()) continue;
    one->state = state_of_rename(one->what, later);
    if (one->state == RenameState::carried_out) later.push_front(one->what);
  }
  for (auto& one : left) {
    if (one.state == RenameState::unknown && !is_old(one.file)) {
      log::warning("document",
                   !one.unreadable.empty()
                       ? one.unreadable
                       : "whether " + one.what.from + " was renamed to " + one.what.to +
                             " before a crash cannot be told now: neither is there; the next start looks again");
      continue;
    }
    const RenameIntent done(std::move(one.file), one.path, {});
    if (one.state != RenameState::carried_out) continue;
    log::info("document",
              "finishing the rename of " + one.what.from + " to " + one.what.to + ", which a crash stopped");
    renamed(one.what.from, one.what.to);
  }
}

}  // namespace lectern::document
