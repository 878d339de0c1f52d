// One journal file as the journal thread works on it. Internal to journal.cpp and journal_thread.cpp.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "document/journal.hpp"
#include "document/system_file.hpp"

namespace lectern::document {

struct Journal::File {
  struct Entry {
    std::vector<Record> records;
    JournalDone done;
    Durability durability = Durability::synced;
    bool is_rewrite = false;
  };

  std::string dir, path;
  bool in_memory = false;  // there is no file, and none is missed

  std::mutex mutex;
  std::vector<Entry> queue;                 // under mutex
  std::map<std::string, std::string> meta;  // under mutex
  std::uint64_t since_rewrite = 0;          // under mutex
  bool busy = false;                        // under mutex: something is queued or being written
  bool retired = false;                     // under mutex: recover() was called for the path, this object is history
  std::condition_variable idle;             // busy became false
  std::atomic<bool> failed = false;         // nothing can be appended until a rewrite

  // The rest belongs to the journal thread (before the first wake: to the opener).
  Descriptor fd;
  std::uint64_t end = 0;        // where the next record goes
  std::uint64_t allocated = 0;  // the file's size on disk
  std::uint32_t salt = 0;
  std::uint32_t turn = 1;
  bool first_of_turn = true;
  bool dirty = false;  // written but not synced
  std::chrono::steady_clock::time_point dirty_since;
  std::vector<JournalDone> waiting;  // callbacks that wait for the sync

  /// Queues an entry; `mutex` is held.
  void push(Entry entry);
  /// Waits until all that is queued is written, then takes nothing more.
  void retire();
  /// Opens the recovered file, cuts its tail.
  Status attach(const Recovered& recovered);
  /// Encodes and writes; an errno.
  int write(const std::vector<Record>& records);
  /// Writes a new file and puts it in the place of this one; the failure names the step.
  Status replace(const std::vector<Record>& records);
  /// True while the file this works on is the one under `path`.
  [[nodiscard]] bool in_place() const;
};

}  // namespace lectern::document
