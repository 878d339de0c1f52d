// The thread behind JournalWriter. Internal to journal.cpp and journal_thread.cpp.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "document/journal.hpp"
#include "document/journal_file.hpp"

namespace lectern::document {

struct JournalWriter::State {
  std::mutex mutex;
  std::condition_variable ready;
  std::vector<std::shared_ptr<Journal::File>> woken;  // under mutex, each once
  bool stopping = false;                              // under mutex
  bool ended = false;                                 // under mutex: nobody takes what is queued any more
  Figures figures;                                    // under mutex
  std::thread thread;
  std::vector<std::shared_ptr<Journal::File>> relaxed;  // written, to be synced within a second; the thread's

  /// [any] Has the thread look at the file's queue; after the thread's end, refuses what is in it.
  void wake(const std::shared_ptr<Journal::File>& file);
  void run();
  /// Does what the queue of `file` asks for, up to the write; sync() completes it.
  void take(Journal::File& file);
  void rewrite(Journal::File& file, Journal::File::Entry& entry);
  void sync(Journal::File& file);
  void abandon(Journal::File& file, int error, std::string_view doing);
  /// Lets those go on who wait for the file to have nothing queued.
  static void settle(Journal::File& file);
  static void refuse_all(Journal::File& file);
  void sync_relaxed(bool all);
  void count(const std::vector<Record>& records);
};

}  // namespace lectern::document
