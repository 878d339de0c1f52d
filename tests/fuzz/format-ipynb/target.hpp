// What must hold for every file that the notebook format is given, whatever is in it:
// - a refusal of malformed input names line and column;
// - what was read has distinct ids and known types, and slices that are JSON;
// - written back unchanged it is the same file, byte for byte (format 3 is upgraded instead);
// - with a changed source, and written wholly anew, it reads as what was written.
// Run over the corpus by plugin_format_ipynb_fuzz_test.cpp, and over anything by ../format-ipynb.sh.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lectern/abi/draft/format.h"

namespace lectern::fuzz {

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

struct Cell {
  std::uint32_t changed = 0;
  std::string id, type, source, metadata, attachments, outputs, original;
  std::int64_t execution_count = -1;
};
struct Notebook {
  std::vector<Cell> cells;
  std::string metadata, original, language;
  bool done = false;
  bool upgraded = false;
};

inline std::string text(lectern_str from) {
  return from.n == 0 ? std::string() : std::string(from.p, from.n);
}
inline lectern_str flat(const std::string& from) {
  return {from.data(), from.size()};
}

inline lectern_status take_cells(void* ctx, const lectern_cell* cells, uint32_t stride, uint32_t n) noexcept {
  auto& notebook = *static_cast<Notebook*>(ctx);
  const char* at = reinterpret_cast<const char*>(cells);
  for (uint32_t i = 0; i < n; ++i, at += stride) {
    const auto& from = *reinterpret_cast<const lectern_cell*>(at);
    notebook.cells.push_back({from.changed, text(from.id), text(from.cell_type), text(from.source), text(from.metadata),
                              text(from.attachments), text(from.outputs), text(from.original), from.execution_count});
  }
  return LECTERN_OK;
}
inline lectern_status take_notebook(void* ctx, const lectern_notebook* from) noexcept {
  auto& notebook = *static_cast<Notebook*>(ctx);
  require(!notebook.done, "the notebook comes once");
  notebook.done = true;
  notebook.upgraded = (from->changed & LECTERN_NOTEBOOK_NEW) != 0;
  notebook.metadata = text(from->metadata);
  notebook.original = text(from->original);
  notebook.language = text(from->language);
  return LECTERN_OK;
}
inline lectern_status take_notice(void*, lectern_str) noexcept {
  return LECTERN_OK;
}
inline lectern_status take_bytes(void* ctx, lectern_str bytes) noexcept {
  static_cast<std::string*>(ctx)->append(bytes.p, bytes.n);
  return LECTERN_OK;
}

inline bool read(const lectern_format& format, std::string_view bytes, Notebook& notebook) {
  const lectern_notebook_builder out{sizeof out, 0, &notebook, &take_cells, &take_notebook, &take_notice};
  const lectern_format_limits limits{sizeof limits, 64, 1u << 20, 1000, 1u << 20};
  lectern_error error{};
  error.struct_size = sizeof error;
  const auto status = format.read({bytes.data(), bytes.size()}, &limits, &out, &error);
  require(status != LECTERN_INTERNAL, "reading never fails by its own fault");
  if (status == LECTERN_INVALID) require(error.line > 0 && error.column > 0, "a refusal has a place");
  if (status != LECTERN_OK) require(error.message[0] != '\0', "a refusal says why");
  return status == LECTERN_OK;
}

inline bool write(const lectern_format& format, const Notebook& notebook, std::uint32_t changed, std::string& out) {
  std::vector<lectern_cell> cells;
  for (const auto& cell : notebook.cells) {
    lectern_cell made{};
    made.struct_size = sizeof made;
    made.changed = cell.changed;
    made.id = flat(cell.id);
    made.cell_type = flat(cell.type);
    made.source = flat(cell.source);
    made.metadata = flat(cell.metadata);
    made.attachments = flat(cell.attachments);
    made.outputs = flat(cell.outputs);
    made.execution_count = cell.execution_count;
    made.original = flat(cell.original);
    cells.push_back(made);
  }
  lectern_notebook flat_notebook{};
  flat_notebook.struct_size = sizeof flat_notebook;
  flat_notebook.changed = changed;
  flat_notebook.cell_stride = sizeof(lectern_cell);
  flat_notebook.n_cells = static_cast<uint32_t>(cells.size());
  flat_notebook.cells = cells.data();
  flat_notebook.metadata = flat(notebook.metadata);
  flat_notebook.original = flat(notebook.original);
  flat_notebook.language = flat(notebook.language);
  const lectern_sink sink{sizeof sink, 0, &out, &take_bytes};
  lectern_error error{};
  error.struct_size = sizeof error;
  const auto status = format.write(&flat_notebook, &sink, &error);
  if (status != LECTERN_OK) std::fprintf(stderr, "write: %s\n", error.message);
  return status == LECTERN_OK;
}

inline void check_cells(const Notebook& notebook) {
  std::set<std::string> ids;
  for (const auto& cell : notebook.cells) {
    require(!cell.id.empty() && ids.insert(cell.id).second, "ids are distinct");
    require(cell.type == "code" || cell.type == "markdown" || cell.type == "raw", "types are known");
    require(cell.metadata.size() >= 2 && cell.metadata.front() == '{' && cell.metadata.back() == '}',
            "metadata is an object");
    require(cell.outputs.empty() || (cell.outputs.front() == '[' && cell.outputs.back() == ']'), "outputs is a list");
  }
}

inline void check_same(const lectern_format& format, const Notebook& expected, std::string_view bytes) {
  Notebook again;
  require(read(format, bytes, again), "what was written can be read");
  require(again.cells.size() == expected.cells.size(), "as many cells");
  for (std::size_t i = 0; i < again.cells.size(); ++i) {
    require(again.cells[i].source == expected.cells[i].source, "the source is what was written");
    require(again.cells[i].type == expected.cells[i].type, "the type is what was written");
  }
}

inline void check_format(const lectern_format& format, std::string_view bytes, std::string_view path = "a.ipynb") {
  Notebook notebook;
  (void)format.probe({path.data(), path.size()}, {bytes.data(), std::min<std::size_t>(bytes.size(), 4096)});
  if (!read(format, bytes, notebook)) return;
  require(notebook.done, "the notebook comes");
  check_cells(notebook);

  Notebook unchanged = notebook;
  for (auto& cell : unchanged.cells) cell.changed = 0;
  std::string out;
  if (!notebook.upgraded) {
    require(write(format, unchanged, 0, out), "it can be written");
    require(out == bytes, "unchanged it is the same file");
  }

  Notebook edited = notebook;
  for (auto& cell : edited.cells) {
    cell.source += "\nl\xC3\xADnea \"2\" \\";
    cell.changed |= notebook.upgraded ? LECTERN_CELL_NEW : LECTERN_CELL_SOURCE_CHANGED;
  }
  out.clear();
  require(write(format, edited, notebook.upgraded ? LECTERN_NOTEBOOK_NEW : LECTERN_NOTEBOOK_METADATA_CHANGED, out),
          "an edit can be written");
  check_same(format, edited, out);

  Notebook anew = notebook;
  anew.original.clear();
  for (auto& cell : anew.cells) {
    cell.original.clear();
    cell.changed = LECTERN_CELL_NEW;
  }
  out.clear();
  require(write(format, anew, LECTERN_NOTEBOOK_NEW, out), "it can be written anew");
  check_same(format, anew, out);
}

}  // namespace lectern::fuzz
