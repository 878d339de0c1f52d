// One keystroke in the document at several sizes of the touched cell, and what the journal's fsync costs beside the
// bare system call.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <random>

#include "document/journal.hpp"
#include "document/notebook_document.hpp"
#include "document/undo_stack.hpp"

namespace {

using namespace lectern;
using document::NotebookDocument;

constexpr std::string_view kTyping = "aa000000000000000000000000000001";

NotebookDocument document_of(std::int64_t letters) {
  document::NotebookInput input;
  document::CellInput cell;
  cell.id = "c";
  cell.cell_type = "code";
  cell.source = std::string(static_cast<std::size_t>(letters), 'x');
  input.cells.push_back(std::move(cell));
  return std::move(*NotebookDocument::import(input, "0b"));
}

void local_keystroke(benchmark::State& state) {
  auto document = document_of(state.range(0));
  for (auto _ : state) {
    const document::SpliceSource typed{"c", static_cast<std::uint64_t>(state.range(0)) / 2, 0, "k"};
    auto applied = document.apply_transaction(kTyping, {typed}, document.version());
    if (!applied) return state.SkipWithError(applied.error().message.c_str());
  }
}
BENCHMARK(local_keystroke)->Arg(1'000)->Arg(20'000)->Arg(100'000)->Unit(benchmark::kMicrosecond);

void remote_keystroke(benchmark::State& state) {
  auto author = document_of(state.range(0));
  auto reader = document_of(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    const document::SpliceSource typed{"c", static_cast<std::uint64_t>(state.range(0)) / 2, 0, "k"};
    auto applied = author.apply_transaction(kTyping, {typed}, author.version());
    if (!applied) return state.SkipWithError(applied.error().message.c_str());
    state.ResumeTiming();
    auto merged = reader.apply_changes(applied->chunks, kTyping);
    if (!merged) return state.SkipWithError(merged.error().message.c_str());
  }
}
BENCHMARK(remote_keystroke)->Arg(1'000)->Arg(20'000)->Arg(100'000)->Unit(benchmark::kMicrosecond)->Iterations(2000);

// One change for each character that somebody typed, here and there: what the engine has to find its way in.
void remote_keystroke_on_edits(benchmark::State& state) {
  auto author = document_of(0);
  std::mt19937 random(1);
  std::uint64_t length = 0, cursor = 0;
  const auto type = [&] {
    if (random() % 40 == 0) cursor = random() % (length + 1);
    const bool erases = cursor > 0 && random() % 10 < 3;
    const document::SpliceSource typed =
        erases ? document::SpliceSource{"c", --cursor, 1, ""} : document::SpliceSource{"c", cursor++, 0, "k"};
    length += erases ? -1 : 1;
    return author.apply_transaction(kTyping, {typed}, author.version());
  };
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    if (!type()) return state.SkipWithError("an edit was refused");
  }
  auto reader = NotebookDocument::load(*author.save());
  if (!reader) return state.SkipWithError("the document does not load");
  for (auto _ : state) {
    state.PauseTiming();
    auto applied = type();
    if (!applied) return state.SkipWithError(applied.error().message.c_str());
    state.ResumeTiming();
    if (auto merged = reader->apply_changes(applied->chunks, kTyping); !merged)
      return state.SkipWithError(merged.error().message.c_str());
  }
}
BENCHMARK(remote_keystroke_on_edits)
    ->Arg(1'000)
    ->Arg(100'000)
    ->Arg(260'000)
    ->Unit(benchmark::kMicrosecond)
    ->Iterations(2000);

// In a notebook of so many cells.
void remote_keystroke_among_cells(benchmark::State& state) {
  document::NotebookInput input;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    auto& cell = input.cells.emplace_back();
    cell.id = "c" + std::to_string(i);
    cell.cell_type = "code";
    cell.source = "x = 1";
  }
  auto author = *NotebookDocument::import(input, "0b");
  auto reader = *NotebookDocument::import(input, "0b");
  for (auto _ : state) {
    state.PauseTiming();
    auto applied = author.apply_transaction(kTyping, {document::SpliceSource{"c7", 0, 0, "k"}}, author.version());
    if (!applied) return state.SkipWithError(applied.error().message.c_str());
    state.ResumeTiming();
    auto merged = reader.apply_changes(applied->chunks, kTyping);
    if (!merged) return state.SkipWithError(merged.error().message.c_str());
  }
}
BENCHMARK(remote_keystroke_among_cells)->Arg(10)->Arg(500)->Arg(5'000)->Unit(benchmark::kMicrosecond)->Iterations(2000);

// Everybody's stack hears of every keystroke: thirty people with a hundred entries each, all in one cell.
void keystroke_told_to_undo(benchmark::State& state) {
  std::vector<document::UndoStack> stacks(30);
  std::int64_t now = 0;
  for (auto& stack : stacks) {
    for (std::uint64_t i = 0; i < 100; ++i) {
      stack.did({document::SpliceStep{"c", 20 * i, 4, ""}}, now += 10'000);
    }
  }
  std::uint64_t at = 0;
  for (auto _ : state) {
    at = (at + 7'919) % 2'000;
    for (auto& stack : stacks) stack.others_did({document::SpliceStep{"c", at, 1, ""}});
  }
}
BENCHMARK(keystroke_told_to_undo)->Unit(benchmark::kMicrosecond)->Iterations(2000);

// A source that is replaced by a wholly different one: what the reactor does of it, and what a worker does.
void replaced_source(benchmark::State& state) {
  using Clock = std::chrono::steady_clock;
  auto document = document_of(state.range(0));
  char letter = 'a';
  Clock::duration reactor{}, worker{};
  for (auto _ : state) {
    const document::SetSource set{"c", std::string(static_cast<std::size_t>(state.range(0)), letter), std::nullopt};
    letter = letter == 'w' ? 'a' : static_cast<char>(letter + 1);
    const auto begun = Clock::now();
    auto edit = document.begin_transaction(kTyping, {set});
    if (!edit) return state.SkipWithError(edit.error().message.c_str());
    const auto planned = Clock::now();
    (*edit)->run();
    const auto made = Clock::now();
    if (auto done = document.finish_transaction(**edit); !done)
      return state.SkipWithError(done.error().message.c_str());
    reactor += planned - begun + (Clock::now() - made);
    worker += made - planned;
  }
  const auto milliseconds = [&](Clock::duration time) {
    return benchmark::Counter(std::chrono::duration<double, std::milli>(time).count(),
                              benchmark::Counter::kAvgIterations);
  };
  state.counters["reactor_ms"] = milliseconds(reactor);
  state.counters["worker_ms"] = milliseconds(worker);
}
BENCHMARK(replaced_source)->Arg(10'000)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond)->Iterations(3);

void journal_append(benchmark::State& state) {
  const auto folder = std::filesystem::temp_directory_path() / "lectern-bench-journal";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  document::JournalWriter writer;
  auto journal = document::Journal::open(writer, folder.string(), nullptr);
  if (!journal) return state.SkipWithError(journal.error().message.c_str());
  if (auto made = (*journal)->rewrite_and_wait("snapshot", ""); !made) return state.SkipWithError("rewrite failed");
  for (auto _ : state) {
    std::vector<document::Record> records;
    records.push_back(document::Record::change(std::string(120, 'c')));
    if (!(*journal)->append_and_wait(std::move(records))) return state.SkipWithError("append failed");
  }
}
BENCHMARK(journal_append)->Unit(benchmark::kMicrosecond)->UseRealTime();

void fdatasync_floor(benchmark::State& state) {
  const auto path = (std::filesystem::temp_directory_path() / "lectern-bench-floor").string();
  const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0 || ::posix_fallocate(fd, 0, 16 << 20) != 0 || ::fdatasync(fd) != 0) {
    return state.SkipWithError("cannot write");
  }
  const std::string record(150, 'r');
  for (auto _ : state) {
    if (::write(fd, record.data(), record.size()) < 0 || ::fdatasync(fd) != 0) return state.SkipWithError("no sync");
  }
  ::close(fd);
  ::unlink(path.c_str());
}
BENCHMARK(fdatasync_floor)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
