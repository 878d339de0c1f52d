// A notebook format as the document layer sees it: bytes to a notebook and back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "plugin/generation.hpp"

namespace lectern::plugin {

/// What of a cell or notebook differs from `original`, bits of `changed`.
enum : std::uint32_t {
  cell_source_changed = 1,
  cell_metadata_changed = 2,
  cell_outputs_changed = 4,  // outputs or execution_count
  cell_type_changed = 8,
  cell_id_changed = 16,
  cell_new = 32,  // `original` is empty: all of it is written
};
enum : std::uint32_t { notebook_metadata_changed = 1, notebook_new = 2 };

/// A cell on its way from or to a file. Views: into the ReadNotebook it came from, or whatever the writer keeps alive.
struct FormatCell {
  std::string_view id;  // unique in the notebook
  std::string_view cell_type;
  std::string_view source;
  std::string_view metadata;          // JSON object text, byte for byte as in the file
  std::string_view attachments;       // JSON object text; empty = none
  std::string_view outputs;           // JSON array text of nbformat outputs, byte for byte; empty = none
  std::int64_t execution_count = -1;  // -1 = null
  std::string_view original;          // the format's own text of this cell, to be given back to write()
  std::uint32_t changed = 0;          // from read(): what had to be invented
};

/// A notebook read from a file. Owns every byte its views show; moving it keeps them valid. What the plugin took
/// straight from the file is not copied: `bytes` is shared with the reader's caller.
struct ReadNotebook {
  std::vector<FormatCell> cells;
  std::string_view metadata;  // JSON object text
  std::string_view original;  // the format's own text around the cells
  std::string_view language;  // may be empty
  std::uint32_t changed = 0;
  std::vector<std::string> notices;  // for a person: "upgraded from nbformat 3"

  std::shared_ptr<const std::string> bytes;           // the file
  std::vector<std::unique_ptr<const char[]>> copies;  // what views show and the file does not hold
};

/// What is written. Views are needed during the call only.
struct WriteNotebook {
  std::vector<FormatCell> cells;
  std::string_view metadata;
  std::string_view original;
  std::string_view language;
  std::uint32_t changed = 0;
};

struct FormatLimits {
  std::uint64_t max_bytes = 512ull << 20;
  std::uint64_t max_cells = 100'000;
  std::uint64_t max_source_bytes = 64ull << 20;
  std::uint32_t max_depth = 128;
};

/// Pure functions; any number of threads may call at once.
class Format {
 public:
  /// [control]
  static Result<std::shared_ptr<Format>> create(GenerationPtr generation);
  ~Format();
  Format(const Format&) = delete;
  Format& operator=(const Format&) = delete;

  [[nodiscard]] const std::string& id() const;                       // [any]
  [[nodiscard]] const std::vector<std::string>& extensions() const;  // [any] ".ipynb"; the first is for new files
  [[nodiscard]] const GenerationPtr& generation() const;             // [any]

  /// [worker] 0..100: how sure the plugin is that it reads this. `head`: the first bytes, at most 4096 are passed on.
  [[nodiscard]] int probe(std::string_view path, std::string_view head) const;
  /// [worker] 422 `malformed` with line and column in details, 413 `too_large`, 500 `format_failed`.
  /// Cells have distinct non-empty ids, a known type, valid UTF-8 sources; all of it is checked here.
  /// `is_text` is for who finds out beside this whether the bytes are UTF-8: called once at most, when the plugin hands
  /// over its first text, so it may wait for the answer.
  Result<ReadNotebook> read(std::shared_ptr<const std::string> bytes, const FormatLimits& limits = {},
                            const std::function<bool()>& is_text = {}) const;
  /// [worker] The whole file. 422, 500 `format_failed`.
  Result<std::string> write(const WriteNotebook& notebook) const;

 private:
  struct Inner;
  explicit Format(std::unique_ptr<Inner> inner);
  std::unique_ptr<Inner> inner_;
};

using FormatPtr = std::shared_ptr<Format>;

}  // namespace lectern::plugin
