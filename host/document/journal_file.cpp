#include "document/journal_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/crypto.hpp"
#include "document/atomic_file.hpp"
#include "document/journal_format.hpp"

namespace lectern::document {
namespace {

// Growing a file costs an update of its size with every fdatasync. Space ahead spares it: 92 instead of 131 µs at the
// median on ext4. It is written as zeros: the first write to a block that was only reserved changes what the file
// system notes about it, so that its fdatasync waits for the file system's log, and with that for the save beside it.
constexpr std::uint64_t ahead_at_least = 64u << 10;
constexpr std::uint64_t ahead_at_most = 256u << 10;

std::string encode_all(const std::vector<Record>& records, std::uint32_t salt, std::uint32_t turn, bool first) {
  std::string bytes;
  std::size_t size = 0;
  for (const auto& record : records) size += record.bytes.size() + record.key.size() + journal_format::record_size;
  bytes.reserve(size + journal_format::header_size);
  for (std::size_t i = 0; i < records.size(); ++i) {
    std::uint16_t flags = i + 1 < records.size() ? journal_format::flag_more : 0;
    if (first && i == 0) flags |= journal_format::flag_first_of_turn;
    journal_format::encode(records[i], salt, turn, flags, bytes);
  }
  return bytes;
}

}  // namespace

void Journal::File::push(Entry entry) {
  queue.push_back(std::move(entry));
  busy = true;
}

void Journal::File::retire() {
  std::unique_lock lock(mutex);
  idle.wait(lock, [this] { return !busy; });
  retired = true;
}

Status Journal::File::attach(const Recovered& recovered) {
  fd = Descriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return fail(500, "journal_unreadable", system_error(errno, "open", path).message);
  // Cut and synced before anything follows: the remains of a torn write must not look like its continuation.
  if (::ftruncate(fd.get(), static_cast<off_t>(recovered.end)) != 0 || ::fdatasync(fd.get()) != 0) {
    return fail(500, "journal_unreadable", system_error(errno, "cut the torn end of", path).message);
  }
  end = allocated = recovered.end;
  since_rewrite = end - std::min<std::uint64_t>(end, recovered.snapshot.size() + recovered.sidecar.size());
  salt = recovered.salt;
  turn = recovered.turn + 1;
  return {};
}

int Journal::File::write(const std::vector<Record>& records) {
  std::string bytes = encode_all(records, salt, turn, first_of_turn);
  const std::uint64_t next = end + bytes.size();
  if (next > allocated) {
    const std::uint64_t wanted = next + std::clamp(end, ahead_at_least, ahead_at_most);
    // Reserved first, so that zeros never take what a record needs. Not every file system can, and a nearly full disk
    // need not: the write tells.
    const bool reserved = ::fallocate(fd.get(), 0, static_cast<off_t>(end), static_cast<off_t>(wanted - end)) == 0;
    allocated = reserved ? wanted : next;
    bytes.resize(static_cast<std::size_t>(allocated - end));
  }
  if (const int error = write_all_at(fd.get(), bytes, end); error != 0) return error;
  end = next;
  first_of_turn = false;
  return 0;
}

Status Journal::File::replace(const std::vector<Record>& records) {
  std::string random = crypto::random_bytes(4);
  std::uint32_t new_salt = 0;
  std::memcpy(&new_salt, random.data(), sizeof new_salt);
  std::string bytes = journal_format::header(new_salt) + encode_all(records, new_salt, 1, true);
  LECTERN_TRY(Descriptor fresh, replace_file(path, bytes, 0600));
  fd = std::move(fresh);
  end = allocated = bytes.size();
  salt = new_salt;
  turn = 2;
  first_of_turn = true;
  dirty = false;
  return {};
}

bool Journal::File::in_place() const {
  struct stat mine {
  }, named{};
  return fd && ::fstat(fd.get(), &mine) == 0 && ::lstat(path.c_str(), &named) == 0 && mine.st_dev == named.st_dev &&
         mine.st_ino == named.st_ino;
}

}  // namespace lectern::document
