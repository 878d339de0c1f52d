#include "disk_model.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace lectern::crash {
namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t sector = 512;

std::string folder_part(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

ino_t inode_of_folder(const std::string& path) {
  struct stat info {};
  return ::stat(folder_part(path).c_str(), &info) == 0 ? info.st_ino : 0;
}

std::string read_all(int fd) {
  std::string out;
  char buffer[16384];
  for (ssize_t n = 0; (n = ::pread(fd, buffer, sizeof buffer, static_cast<off_t>(out.size()))) > 0;) {
    out.append(buffer, static_cast<std::size_t>(n));
  }
  return out;
}

void write_all(int fd, const std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto n = ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
  [[maybe_unused]] const int cut = ::ftruncate(fd, static_cast<off_t>(bytes.size()));
}

// Copies [at, at + size) of `from` over `to`; past the end of `from` there are zeros. `to` keeps its size.
void copy_range(const std::string& from, std::string& to, std::uint64_t at, std::uint64_t size) {
  for (std::uint64_t i = at; i < std::min<std::uint64_t>(at + size, to.size()); ++i) {
    to[i] = i < from.size() ? from[i] : '\0';
  }
}

bool range_differs(const std::string& a, const std::string& b, std::uint64_t at, std::uint64_t size) {
  for (std::uint64_t i = at; i < at + size; ++i) {
    const int left = i < a.size() ? a[i] : -1000;
    const int right = i < b.size() ? b[i] : -1000;
    if (left != right) return true;
  }
  return false;
}

}  // namespace

DiskModel::Content& DiskModel::remember(int fd, bool is_new) {
  struct stat info {};
  ::fstat(fd, &info);
  auto [entry, added] = contents_.try_emplace(info.st_ino);
  if (!added) return entry->second;
  const std::string self = "/proc/self/fd/" + std::to_string(fd);
  entry->second.fd = ::open(self.c_str(), O_RDWR | O_CLOEXEC);
  entry->second.mode = info.st_mode & 07777;
  if (!is_new) entry->second.durable = read_all(entry->second.fd);
  return entry->second;
}

void DiskModel::before_change(int fd) {
  remember(fd, false);
}

void DiskModel::made_file(const std::string& path, int fd) {
  names_.push_back({Kind::made, inode_of_folder(path), path, {}, {}});
  remember(fd, true);
}

void DiskModel::made_folder(const std::string& path) {
  names_.push_back({Kind::made_folder, inode_of_folder(path), path, {}, {}});
}

void DiskModel::made_link(const std::string& path) {
  names_.push_back({Kind::made, inode_of_folder(path), path, {}, {}});
}

std::string DiskModel::before_losing(const std::string& path) {
  std::string kept = attic_ + "/" + std::to_string(::getpid()) + "-" + std::to_string(++kept_);
  return ::link(path.c_str(), kept.c_str()) == 0 ? kept : std::string();
}

void DiskModel::not_removed(const std::string& token) {
  if (!token.empty()) ::unlink(token.c_str());
}

void DiskModel::removed(const std::string& path, const std::string& token) {
  names_.push_back({Kind::removed, inode_of_folder(path), path, {}, token});
}

void DiskModel::removed_folder(const std::string& path) {
  names_.push_back({Kind::removed_folder, inode_of_folder(path), path, {}, {}});
}

// Between two folders it is durable with the one it goes to: journaling file systems do both or nothing.
void DiskModel::renamed(const std::string& from, const std::string& to, const std::string& token) {
  names_.push_back({Kind::renamed, inode_of_folder(to), from, to, token});
}

void DiskModel::wrote(int fd, std::uint64_t offset, std::uint64_t size) {
  struct stat info {};
  ::fstat(fd, &info);
  const auto found = contents_.find(info.st_ino);
  if (found == contents_.end() || size == 0) return;
  for (std::uint64_t at = offset / page; at <= (offset + size - 1) / page; ++at) found->second.dropped.erase(at);
}

void DiskModel::synced(int fd, bool well, Sync sync) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return;
  if (S_ISDIR(info.st_mode)) {
    if (!well || sync == Sync::none || sync == Sync::files) return;
    std::erase_if(names_, [&](const NameChange& change) {
      if (change.folder != info.st_ino) return false;
      not_removed(change.kept);
      return true;
    });
    return;
  }
  const auto found = contents_.find(info.st_ino);
  if (found == contents_.end() || sync == Sync::none || sync == Sync::folders) return;
  Content& content = found->second;
  const std::string now = read_all(content.fd);
  if (!well) {
    for (std::uint64_t at = 0; at * page < std::max(now.size(), content.durable.size()); ++at) {
      if (range_differs(now, content.durable, at * page, page)) content.dropped.insert(at);
    }
    return;
  }
  if (content.dropped.empty()) {
    ::close(content.fd);
    contents_.erase(found);
    return;
  }
  std::string durable = now;
  for (const auto at : content.dropped) copy_range(content.durable, durable, at * page, page);
  content.durable = std::move(durable);
}

void DiskModel::restore(Content& content, Loss loss, std::mt19937_64& random) {
  const std::string now = read_all(content.fd);
  std::string left = content.durable;
  const auto luck = loss == Loss::some ? random() % 3 : 0;
  if (luck == 1) left = now;
  if (luck == 2) {
    // Some sectors reached the disk, and the new size may have or not.
    left = (random() & 1) != 0 ? now : content.durable;
    for (std::uint64_t at = 0; at < left.size(); at += sector) {
      copy_range((random() & 1) != 0 ? now : content.durable, left, at, sector);
    }
  }
  for (const auto at : content.dropped) copy_range(content.durable, left, at * page, page);
  if (left != now) write_all(content.fd, left);
  if (luck == 0) ::fchmod(content.fd, content.mode);
}

void DiskModel::undo(const NameChange& change) {
  switch (change.kind) {
    case Kind::made:
      ::unlink(change.from.c_str());
      break;
    case Kind::made_folder: {
      std::error_code ignored;
      std::filesystem::remove_all(change.from, ignored);
      break;
    }
    case Kind::removed:
      ::rename(change.kept.c_str(), change.from.c_str());
      break;
    case Kind::removed_folder:
      ::mkdir(change.from.c_str(), 0700);
      break;
    case Kind::renamed:
      ::rename(change.to.c_str(), change.from.c_str());
      if (!change.kept.empty()) ::rename(change.kept.c_str(), change.to.c_str());
      break;
  }
}

void DiskModel::lose(Loss loss, std::uint64_t seed) {
  if (loss == Loss::none) return;
  std::mt19937_64 random(seed);
  // What reached the disk of the names of one folder did so in order: a prefix of them is kept.
  std::map<ino_t, std::uint64_t> count, keep;
  for (const auto& change : names_) ++count[change.folder];
  for (const auto& [folder, changes] : count) keep[folder] = loss == Loss::some ? random() % (changes + 1) : 0;
  std::vector<const NameChange*> lost;
  for (const auto& change : names_) {
    if (keep[change.folder] > 0) {
      --keep[change.folder];
    } else {
      lost.push_back(&change);
    }
  }
  for (auto change = lost.rbegin(); change != lost.rend(); ++change) undo(**change);
  for (auto& [inode, content] : contents_) restore(content, loss, random);
}

}  // namespace lectern::crash
