// Reading and writing a 24 MB notebook through format-ipynb; the floor is one pass over the bytes.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <filesystem>

#include "plugin/format.hpp"
#include "plugin/registry.hpp"

namespace {

using namespace lectern;

std::string large_notebook() {
  std::string text = "{\n \"cells\": [\n";
  const std::string image(40'000, 'A');
  for (int i = 0; i < 600; ++i) {
    text +=
        "  {\n   \"cell_type\": \"code\",\n   \"execution_count\": null,\n   \"id\": \"c" + std::to_string(i) +
        "\",\n   \"metadata\": {},\n   \"outputs\": [\n    {\n     \"data\": {\n      \"image/png\": \"" + image +
        "\"\n     },\n     \"metadata\": {},\n     \"output_type\": \"display_data\"\n    }\n   ],\n   \"source\": " +
        "[\n    \"plot()\"\n   ]\n  }" + (i < 599 ? ",\n" : "\n");
  }
  return text + " ],\n \"metadata\": {},\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n";
}

plugin::FormatPtr ipynb() {
  const auto staging = std::filesystem::temp_directory_path() / "lectern-bench-plugins";
  static plugin::Registry registry({{LECTERN_BENCH_PLUGINS}, staging});
  auto generation = registry.load(plugin::Kind::format, "format-ipynb");
  if (!generation) return nullptr;
  auto format = plugin::Format::create(*generation);
  return format ? *format : nullptr;
}

void read_24mb(benchmark::State& state) {
  const auto format = ipynb();
  if (!format) return state.SkipWithError("format-ipynb is not built");
  const auto bytes = std::make_shared<const std::string>(large_notebook());
  for (auto _ : state) {
    auto read = format->read(bytes);
    if (!read) return state.SkipWithError(read.error().message.c_str());
    benchmark::DoNotOptimize(read->cells.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes->size()));
}
BENCHMARK(read_24mb)->Unit(benchmark::kMillisecond);

void write_24mb_one_cell_changed(benchmark::State& state) {
  const auto format = ipynb();
  if (!format) return state.SkipWithError("format-ipynb is not built");
  const auto bytes = std::make_shared<const std::string>(large_notebook());
  auto read = format->read(bytes);
  if (!read) return state.SkipWithError(read.error().message.c_str());
  plugin::WriteNotebook notebook;
  notebook.cells = read->cells;
  notebook.metadata = read->metadata;
  notebook.original = read->original;
  notebook.cells[0].source = "changed()";
  notebook.cells[0].changed = plugin::cell_source_changed;
  for (auto _ : state) {
    auto written = format->write(notebook);
    if (!written) return state.SkipWithError(written.error().message.c_str());
    benchmark::DoNotOptimize(written->data());
  }
}
BENCHMARK(write_24mb_one_cell_changed)->Unit(benchmark::kMillisecond);

void one_pass_floor(benchmark::State& state) {
  const auto text = large_notebook();
  for (auto _ : state) benchmark::DoNotOptimize(std::count(text.begin(), text.end(), '"'));
}
BENCHMARK(one_pass_floor)->Unit(benchmark::kMillisecond);

}  // namespace
