#include "runtime/blobs.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "base/workers.hpp"
#include "base/write_all.hpp"

namespace lectern::runtime {
namespace fs = std::filesystem;
namespace {

// A blob's file: this word, its media type, a newline, its bytes. One file, so that one rename publishes both.
constexpr std::string_view magic = "lectern-blob/1 ";
constexpr std::size_t max_media_type = 200;

bool is_name(std::string_view sha256) {
  return sha256.size() == 64 && std::all_of(sha256.begin(), sha256.end(),
                                            [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string safe_media_type(std::string text) {
  std::erase_if(text, [](unsigned char c) { return c < 0x20 || c > 0x7e; });
  if (text.size() > max_media_type) text.resize(max_media_type);
  return text.empty() ? "application/octet-stream" : text;
}

Status write_file(const fs::path& file, const Blob& blob) {
  std::error_code problem;
  fs::create_directories(file.parent_path(), problem);
  ::chmod(file.parent_path().parent_path().c_str(), 0700);
  static std::atomic<std::uint64_t> counter{0};
  const auto temp = file.parent_path() / ("." + file.filename().string() + "." + std::to_string(::getpid()) + "." +
                                          std::to_string(++counter) + ".tmp");
  const int fd = ::open(temp.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool whole = fd >= 0 && write_all(fd, std::string(magic) + blob.media_type + "\n") == 0 &&
               write_all(fd, *blob.bytes) == 0 && ::fsync(fd) == 0;
  int failure = whole ? 0 : errno;
  if (fd >= 0) ::close(fd);
  if (whole && ::rename(temp.c_str(), file.c_str()) != 0) failure = errno;
  if (failure == 0) return {};
  ::unlink(temp.c_str());
  return fail(500, "blob_unwritten", "cannot write " + file.string() + ": " + std::strerror(failure));
}

Result<Blob> read_file(const fs::path& file, std::string_view sha256) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    return fail(404, "blob_not_found", "there is no output or buffer " + std::string(sha256),
                "it may belong to a session that ended long ago");
  }
  struct stat about {};
  std::string bytes;
  if (::fstat(fd, &about) == 0 && about.st_size > 0 &&
      static_cast<std::uint64_t>(about.st_size) <= BlobStore::max_blob) {
    bytes.resize(static_cast<std::size_t>(about.st_size));
    std::size_t at = 0;
    while (at < bytes.size()) {
      const auto count = ::read(fd, bytes.data() + at, bytes.size() - at);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      at += static_cast<std::size_t>(count);
    }
    bytes.resize(at);
  }
  ::futimens(fd, nullptr);  // collect() goes by this time
  ::close(fd);
  const auto newline = bytes.find('\n');
  if (!bytes.starts_with(magic) || newline == std::string::npos || newline > magic.size() + max_media_type) {
    return fail(500, "blob_damaged", file.string() + " is not a blob of ours");
  }
  Blob blob;
  blob.media_type = bytes.substr(magic.size(), newline - magic.size());
  bytes.erase(0, newline + 1);
  if (crypto::sha256_hex(bytes) != sha256) {
    return fail(500, "blob_damaged", file.string() + " does not hold what its name says", "check the disk");
  }
  blob.bytes = std::make_shared<const std::string>(std::move(bytes));
  return blob;
}

}  // namespace

struct BlobStore::State {
  struct Entry {
    Blob blob;
    bool written = false;  // until then it must not leave the memory
    std::list<std::string>::iterator age;
  };
  fs::path directory;
  Workers* workers = nullptr;
  mutable std::mutex mutex;  // of what follows
  std::condition_variable idle;
  std::unordered_map<std::string, Entry> entries;
  std::list<std::string> ages;  // newest first
  std::size_t bytes = 0;
  std::size_t writing = 0;

  [[nodiscard]] fs::path file(std::string_view sha256) const {
    return directory / std::string(sha256.substr(0, 2)) / std::string(sha256.substr(2));
  }
  void evict() {
    auto it = ages.end();
    while (bytes > cache_bytes && it != ages.begin()) {
      --it;
      const auto entry = entries.find(*it);
      if (!entry->second.written) continue;
      bytes -= entry->second.blob.bytes->size();
      entries.erase(entry);
      it = ages.erase(it);
    }
  }
  void remember(const std::string& sha256, Blob blob, bool written) {
    if (entries.contains(sha256)) return;
    bytes += blob.bytes->size();
    ages.push_front(sha256);
    entries.emplace(sha256, Entry{std::move(blob), written, ages.begin()});
    evict();
  }
};

BlobStore::BlobStore(fs::path directory, Workers& workers) : state_(std::make_shared<State>()) {
  state_->directory = std::move(directory);
  state_->workers = &workers;
}

BlobStore::~BlobStore() {
  std::unique_lock lock(state_->mutex);
  state_->idle.wait(lock, [&] { return state_->writing == 0; });
}

BlobRef BlobStore::put(std::string bytes, std::string media_type) {
  BlobRef ref{crypto::sha256_hex(bytes), bytes.size(), safe_media_type(std::move(media_type))};
  {
    const std::scoped_lock lock(state_->mutex);
    if (state_->entries.contains(ref.sha256)) return ref;
    state_->remember(ref.sha256, {std::make_shared<const std::string>(std::move(bytes)), ref.media_type}, false);
    ++state_->writing;
  }
  state_->workers->submit([state = state_, sha256 = ref.sha256] {
    Blob blob;
    {
      const std::scoped_lock lock(state->mutex);
      blob = state->entries.at(sha256).blob;
    }
    std::error_code problem;
    const auto file = state->file(sha256);
    Status written;
    if (fs::exists(file, problem)) {
      fs::last_write_time(file, fs::file_time_type::clock::now(), problem);
    } else {
      written = write_file(file, blob);
    }
    if (!written) log::error("blobs", written.error().message + "; it stays in memory");
    const std::scoped_lock lock(state->mutex);
    state->entries.at(sha256).written = written.has_value();
    state->evict();
    if (--state->writing == 0) state->idle.notify_all();
  });
  return ref;
}

Blob BlobStore::cached(std::string_view sha256) const {
  const std::scoped_lock lock(state_->mutex);
  const auto it = state_->entries.find(std::string(sha256));
  if (it == state_->entries.end()) return {};
  state_->ages.splice(state_->ages.begin(), state_->ages, it->second.age);
  return it->second.blob;
}

Result<Blob> BlobStore::get(std::string_view sha256) const {
  if (!is_name(sha256)) {
    return fail(400, "bad_request", "a blob is named by the 64 lower-case hex digits of its sha256");
  }
  if (auto blob = cached(sha256); blob.bytes) return blob;
  auto read = read_file(state_->file(sha256), sha256);
  if (read) {
    const std::scoped_lock lock(state_->mutex);
    state_->remember(std::string(sha256), *read, true);
  }
  return read;
}

const fs::path& BlobStore::directory() const {
  return state_->directory;
}

Workers& BlobStore::workers() const {
  return *state_->workers;
}

void BlobStore::collect(const fs::path& directory, int days) {
  const auto limit = fs::file_time_type::clock::now() - std::chrono::hours(24) * days;
  std::error_code problem;
  fs::recursive_directory_iterator it(directory, problem), end;
  for (; !problem && it != end; it.increment(problem)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored) && it->last_write_time(ignored) < limit && !ignored)
      fs::remove(it->path(), ignored);
  }
}

}  // namespace lectern::runtime
