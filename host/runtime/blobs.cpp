#include "runtime/blobs.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <iterator>
#include <list>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/crypto.hpp"
#include "base/log.hpp"
#include "base/workers.hpp"

namespace lectern::runtime {
namespace fs = std::filesystem;
namespace {

bool is_name(std::string_view sha256) {
  return sha256.size() == 64 && std::all_of(sha256.begin(), sha256.end(),
                                            [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string safe_media_type(std::string text) {
  std::erase_if(text, [](unsigned char c) { return c < 0x20 || c > 0x7e; });
  if (text.size() > BlobFiles::max_media_type) text.resize(BlobFiles::max_media_type);
  return text.empty() ? "application/octet-stream" : text;
}

}  // namespace

struct BlobStore::State {
  struct Entry {
    Blob blob;
    bool written = false;  // until then it must not leave the memory
    std::list<std::string>::iterator age;
  };
  struct Waiter {
    std::set<std::string> left;
    Task done;
  };
  State(fs::path directory, Workers& workers_) : files(std::move(directory)), workers(workers_) {}

  BlobFiles files;
  Workers& workers;
  std::mutex mutex;  // of what follows
  std::condition_variable idle;
  std::unordered_map<std::string, Entry> entries;
  std::list<std::string> ages;  // newest first
  std::size_t bytes = 0;
  std::set<std::string> writing;
  std::vector<Waiter> waiters;

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
  void finished(const std::string& sha256, bool written) {
    std::vector<Waiter> ready;
    {
      const std::scoped_lock lock(mutex);
      entries.at(sha256).written = written;
      evict();
      writing.erase(sha256);
      for (auto& waiter : waiters) waiter.left.erase(sha256);
      const auto go_on =
          std::stable_partition(waiters.begin(), waiters.end(), [](const auto& one) { return !one.left.empty(); });
      ready.assign(std::make_move_iterator(go_on), std::make_move_iterator(waiters.end()));
      waiters.erase(go_on, waiters.end());
      if (writing.empty()) idle.notify_all();
    }
    for (auto& waiter : ready) waiter.done();
  }
};

BlobStore::BlobStore(fs::path directory, Workers& workers)
    : state_(std::make_shared<State>(std::move(directory), workers)) {}

BlobStore::~BlobStore() {
  std::unique_lock lock(state_->mutex);
  state_->idle.wait(lock, [&] { return state_->writing.empty(); });
}

BlobRef BlobStore::put(std::string bytes, std::string media_type) {
  BlobRef ref{crypto::sha256_hex(bytes), bytes.size(), safe_media_type(std::move(media_type))};
  {
    const std::scoped_lock lock(state_->mutex);
    const auto known = state_->entries.find(ref.sha256);
    if (known != state_->entries.end() && known->second.written) return ref;
    if (!state_->writing.insert(ref.sha256).second) return ref;
    state_->remember(ref.sha256, {std::make_shared<const std::string>(std::move(bytes)), ref.media_type}, false);
  }
  state_->workers.submit([state = state_, sha256 = ref.sha256] {
    Blob blob;
    {
      const std::scoped_lock lock(state->mutex);
      blob = state->entries.at(sha256).blob;
    }
    const auto written = state->files.write(sha256, blob);
    if (!written) log::error("blobs", written.error().message + "; it stays in memory");
    state->finished(sha256, written.has_value());
  });
  return ref;
}

void BlobStore::when_written(const std::function<bool(const std::string&)>& wanted, Task done) const {
  {
    const std::scoped_lock lock(state_->mutex);
    std::set<std::string> left;
    for (const auto& sha256 : state_->writing) {
      if (wanted(sha256)) left.insert(sha256);
    }
    if (!left.empty()) {
      state_->waiters.push_back({std::move(left), std::move(done)});
      return;
    }
  }
  done();
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
  auto read = state_->files.read(sha256);
  if (read) {
    const std::scoped_lock lock(state_->mutex);
    state_->remember(std::string(sha256), *read, true);
  }
  return read;
}

const fs::path& BlobStore::directory() const {
  return state_->files.directory();
}

Workers& BlobStore::workers() const {
  return state_->workers;
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
