#include "document/journal_thread.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"

namespace lectern::document {
namespace {

constexpr std::chrono::milliseconds relaxed_delay{1000};

Error journal_failed(const std::string& path, std::string_view why) {
  Error error;
  error.status = 503;
  error.code = "journal_failed";
  error.message = "The journal " + path + " cannot be written" + (why.empty() ? "." : ": " + std::string(why));
  error.hint = "Nothing new is acknowledged until it can. Free some space or look at the disk.";
  return error;
}

void answer(std::vector<JournalDone> callbacks, const Status& status) {
  for (auto& callback : callbacks) {
    if (callback) callback(status);
  }
}

}  // namespace

JournalWriter::JournalWriter() : state_(std::make_shared<State>()) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

JournalWriter::~JournalWriter() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->ready.notify_one();
  state_->thread.join();
}

JournalWriter::Figures JournalWriter::figures() const {
  std::lock_guard lock(state_->mutex);
  return state_->figures;
}

void JournalWriter::State::wake(const std::shared_ptr<Journal::File>& file) {
  {
    std::unique_lock lock(mutex);
    if (ended) {
      lock.unlock();
      return refuse_all(*file);
    }
    if (std::find(woken.begin(), woken.end(), file) != woken.end()) return;
    woken.push_back(file);
    if (woken.size() > 1) return;
  }
  ready.notify_one();
}

void JournalWriter::State::refuse_all(Journal::File& file) {
  std::vector<Journal::File::Entry> queue;
  {
    std::lock_guard lock(file.mutex);
    queue.swap(file.queue);
  }
  for (auto& entry : queue) {
    if (entry.done) entry.done(fail(journal_failed(file.path, "the host is shutting down.")));
  }
  settle(file);
}

void JournalWriter::State::settle(Journal::File& file) {
  std::lock_guard lock(file.mutex);
  if (!file.queue.empty()) return;
  file.busy = false;
  file.idle.notify_all();
}

void JournalWriter::State::run() {
  pthread_setname_np(pthread_self(), "journal");
  for (;;) {
    std::vector<std::shared_ptr<Journal::File>> files;
    bool last = false;
    {
      std::unique_lock lock(mutex);
      const auto due = [this] { return stopping || !woken.empty(); };
      if (relaxed.empty()) {
        ready.wait(lock, due);
      } else {
        ready.wait_until(lock, relaxed.front()->dirty_since + relaxed_delay, due);
      }
      files.swap(woken);
      last = stopping && files.empty();
      ended = last;
    }
    // All writes first: while one file syncs, the pages of the next are already on their way.
    for (const auto& file : files) take(*file);
    for (const auto& file : files) {
      if (!file->waiting.empty()) sync(*file);
      if (file->dirty && std::find(relaxed.begin(), relaxed.end(), file) == relaxed.end()) relaxed.push_back(file);
      settle(*file);
    }
    sync_relaxed(last);
    if (last) return;
  }
}

void JournalWriter::State::take(Journal::File& file) {
  std::vector<Journal::File::Entry> queue;
  bool retired = false;
  {
    std::lock_guard lock(file.mutex);
    queue.swap(file.queue);
    retired = file.retired;
  }
  // Another object has the file now.
  for (auto& entry : retired ? std::exchange(queue, {}) : std::vector<Journal::File::Entry>{}) {
    if (entry.done) entry.done(fail(journal_failed(file.path, "it was opened again elsewhere in this host.")));
  }
  std::vector<JournalDone> written;  // relaxed ones, not behind a synced one
  for (auto& entry : queue) {
    if (file.in_memory) {
      written.push_back(std::move(entry.done));
      continue;
    }
    if (entry.is_rewrite) {
      answer(std::exchange(written, {}), {});
      if (!file.waiting.empty()) sync(file);
      rewrite(file, entry);
      continue;
    }
    const int error = file.failed ? EIO : file.write(entry.records);
    if (error == 0) {
      count(entry.records);
      if (!std::exchange(file.dirty, true)) file.dirty_since = std::chrono::steady_clock::now();
      const bool waits = entry.durability == Durability::synced || !file.waiting.empty();
      (waits ? file.waiting : written).push_back(std::move(entry.done));
      continue;
    }
    answer(std::exchange(written, {}), {});
    if (!file.failed) abandon(file, error, "write");
    if (entry.done) entry.done(fail(journal_failed(file.path, {})));
  }
  answer(std::move(written), {});
}

void JournalWriter::State::count(const std::vector<Record>& records) {
  std::lock_guard lock(mutex);
  figures.appends += 1;
  figures.records += records.size();
  for (const auto& record : records) figures.bytes += record.bytes.size();
}

void JournalWriter::State::rewrite(Journal::File& file, Journal::File::Entry& entry) {
  Status status = file.replace(entry.records);
  {
    std::lock_guard lock(mutex);
    figures.fsyncs += 1;
    figures.failures += status ? 0 : 1;
  }
  if (status) {
    file.failed = false;
  } else {
    // Only the last step failed when the new file is in place already: then the old one is no longer the journal.
    if (!file.in_place()) file.failed = true;
    log::error("journal", status.error().message);
    status = fail(journal_failed(file.path, status.error().message));
  }
  if (entry.done) entry.done(std::move(status));
}

void JournalWriter::State::sync(Journal::File& file) {
  const auto begin = clock::now_us();
  const int error = ::fdatasync(file.fd.get()) == 0 ? 0 : errno;
  const auto took = static_cast<std::uint64_t>(clock::now_us() - begin);
  {
    std::lock_guard lock(mutex);
    figures.fsyncs += 1;
    figures.slowest_fsync_us = std::max(figures.slowest_fsync_us, took);
  }
  if (error != 0) return abandon(file, error, "sync");
  file.dirty = false;
  file.turn += 1;
  file.first_of_turn = true;
  answer(std::exchange(file.waiting, {}), {});
}

void JournalWriter::State::abandon(Journal::File& file, int error, std::string_view doing) {
  file.failed = true;
  file.dirty = false;
  {
    std::lock_guard lock(mutex);
    figures.failures += 1;
  }
  const Error why = journal_failed(file.path, system_error(error, doing, file.path).message);
  log::error("journal", why.message);
  answer(std::exchange(file.waiting, {}), fail(why));
}

void JournalWriter::State::sync_relaxed(bool all) {
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(relaxed, [&](const std::shared_ptr<Journal::File>& file) {
    if (!file->dirty) return true;
    if (!all && now < file->dirty_since + relaxed_delay) return false;
    sync(*file);
    return true;
  });
}

}  // namespace lectern::document
