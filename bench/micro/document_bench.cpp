// One keystroke in the document at several sizes of the touched cell, and what the journal's fsync costs beside the
// bare system call.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "document/journal.hpp"
#include "document/notebook_document.hpp"

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
