// A notebook format in C++: a class of static functions, and LECTERN_PLUGIN(FormatOf<MyFormat>).
//
//   struct Percent {
//     static constexpr std::string_view extensions[] = {".py"};
//     static int probe(std::string_view path, std::string_view head);
//     static void read(std::string_view bytes, const FormatLimits&, const NotebookBuilder& out);
//     static void write(const Notebook& notebook, const Sink& out);
//   };
//
// All three are pure and may run on several threads at once.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string_view>
#include <vector>

#include "lectern/abi/draft/format.h"
#include "lectern/sdk/failure.hpp"
#include "lectern/sdk/plugin.hpp"
#include "lectern/sdk/sink.hpp"
#include "lectern/sdk/text.hpp"

namespace lectern::sdk {

/// Views live as long as what the maker of the cell says: for read until cells() returns, for write until write
/// returns.
struct Cell {
  std::uint32_t changed = 0;  // LECTERN_CELL_*
  std::string_view id, cell_type, source;
  std::string_view metadata = "{}";   // JSON object text, byte for byte
  std::string_view attachments;       // JSON object text; empty = none
  std::string_view outputs;           // JSON array text; empty = none
  std::int64_t execution_count = -1;  // -1 = null
  std::string_view original;          // the format's own text of this cell
};

struct Notebook {
  std::uint32_t changed = 0;         // LECTERN_NOTEBOOK_*
  std::vector<Cell> cells;           // empty in what read hands over: cells go through NotebookBuilder::cells
  std::string_view metadata = "{}";  // JSON object text
  std::string_view original;         // the format's own text around the cells
  std::string_view language;
};

struct FormatLimits {
  std::uint32_t max_depth = 128;
  std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t max_cells = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t max_source_bytes = std::numeric_limits<std::uint64_t>::max();
};

namespace detail {
inline lectern_cell to_abi(const Cell& from) {
  lectern_cell to{};
  to.struct_size = sizeof to;
  to.changed = from.changed;
  to.id = str(from.id);
  to.cell_type = str(from.cell_type);
  to.source = str(from.source);
  to.metadata = str(from.metadata);
  to.attachments = str(from.attachments);
  to.outputs = str(from.outputs);
  to.execution_count = from.execution_count;
  to.original = str(from.original);
  return to;
}
inline Cell from_abi(const lectern_cell& from) {
  return {from.changed,           view(from.id),      view(from.cell_type), view(from.source),  view(from.metadata),
          view(from.attachments), view(from.outputs), from.execution_count, view(from.original)};
}
}  // namespace detail

/// Takes what read finds. The host copies at once, except what lies inside the bytes given to read. Valid during read.
class NotebookBuilder {
 public:
  explicit NotebookBuilder(const lectern_notebook_builder& builder) : builder_(builder) {}
  /// Any number of times, in order.
  void cells(const std::vector<Cell>& batch) const {
    std::vector<lectern_cell> flat;
    flat.reserve(batch.size());
    for (const Cell& cell : batch) flat.push_back(detail::to_abi(cell));
    detail::check(
        builder_.cells(builder_.ctx, flat.data(), sizeof(lectern_cell), static_cast<std::uint32_t>(flat.size())));
  }
  void cell(const Cell& one) const {
    const lectern_cell flat = detail::to_abi(one);
    detail::check(builder_.cells(builder_.ctx, &flat, sizeof flat, 1));
  }
  /// Once, after the cells; `notebook.cells` is not looked at.
  void notebook(const Notebook& from) const {
    lectern_notebook to{};
    to.struct_size = sizeof to;
    to.changed = from.changed;
    to.cell_stride = sizeof(lectern_cell);
    to.metadata = str(from.metadata);
    to.original = str(from.original);
    to.language = str(from.language);
    detail::check(builder_.notebook(builder_.ctx, &to));
  }
  /// What a person should know: "upgraded from nbformat 3".
  void notice(std::string_view text) const { detail::check(builder_.notice(builder_.ctx, str(text))); }

 private:
  lectern_notebook_builder builder_;
};

template <class T>
struct FormatOf {
  using Plugin = T;
  static constexpr std::string_view kind = LECTERN_KIND_FORMAT;

  static const lectern_format& abi() {
    static const auto extensions = [] {
      std::array<lectern_str, std::size(T::extensions)> made{};
      for (std::size_t i = 0; i < made.size(); ++i) made[i] = str(T::extensions[i]);
      return made;
    }();
    static const lectern_format made{sizeof(lectern_format),
                                     static_cast<std::uint32_t>(extensions.size()),
                                     extensions.data(),
                                     &probe,
                                     &read,
                                     &write};
    return made;
  }

 private:
  static std::int32_t probe(lectern_str path, lectern_str head) noexcept {
    std::int32_t sure = 0;
    detail::Call call("lectern_format.probe");
    call.initialised().text(path, "path");
    (void)call.run([&] { sure = T::probe(view(path), view(head)); });
    return sure;
  }
  static lectern_status read(lectern_str bytes, const lectern_format_limits* from, const lectern_notebook_builder* out,
                             lectern_error* error) noexcept {
    detail::Call call("lectern_format.read", error);
    call.initialised().given(from, "limits").given(out, "builder");
    return call.run([&] {
      const FormatLimits limits{from->max_depth, from->max_bytes, from->max_cells, from->max_source_bytes};
      T::read(view(bytes), limits, NotebookBuilder(*out));
    });
  }
  static lectern_status write(const lectern_notebook* from, const lectern_sink* out, lectern_error* error) noexcept {
    detail::Call call("lectern_format.write", error);
    call.initialised().given(from, "notebook").given(out, "sink");
    if (!call.failed() && from->n_cells != 0) call.size(from->cell_stride, sizeof(lectern_cell), "cell");
    return call.run([&] {
      Notebook notebook{from->changed, {}, view(from->metadata), view(from->original), view(from->language)};
      notebook.cells.reserve(from->n_cells);
      const char* at = reinterpret_cast<const char*>(from->cells);
      for (std::uint32_t i = 0; i < from->n_cells; ++i, at += from->cell_stride) {
        notebook.cells.push_back(detail::from_abi(*reinterpret_cast<const lectern_cell*>(at)));
      }
      T::write(notebook, Sink(*out));
    });
  }
};

}  // namespace lectern::sdk
