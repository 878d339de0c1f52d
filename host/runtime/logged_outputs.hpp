// The outputs of cells, made again of what viewers were told of them one after the other: the data of cell-ops, as far
// as they are about outputs. See session/output_log.hpp, which writes them down. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "runtime/blobs.hpp"

namespace lectern::runtime {

class LoggedOutputs {
 public:
  struct Output {
    std::string shown;       // JSON as viewers got it, unless there is a
    std::string name, text;  // stream that was added to: its channel, and all it says by now
  };
  struct Cell {
    std::vector<Output> outputs;
    std::optional<std::int64_t> execution_count;
    bool cut = false;  // the log says that it does not have what came after
  };

  /// `op` = {"execution_count"?, "outputs": [append, append_text, replace, clear, {"op":"cut"} or {"op":"drop"}]} and
  /// members that do not matter here. "drop": nothing is known of the cell any more. A cell's first one begins with
  /// "clear", or with what a cell without outputs can be told. False: it does not fit what was said before; the cell is
  /// then left out, whatever else is said of it.
  bool apply(const std::string& cell_id, std::string_view op);
  /// By id; without those left out.
  [[nodiscard]] std::map<std::string, const Cell*> cells() const;

 private:
  std::map<std::string, std::optional<Cell>> cells_;  // nothing: left out
};

/// [worker] JSON array text in nbformat 4 shape. An output of which a blob is gone is replaced by a line that says so,
/// and so ends one that was cut. 500 `blob_unreadable`: a blob may be there all the same.
Result<std::string> outputs_for_file(const LoggedOutputs::Cell& cell, const BlobStore& blobs);

}  // namespace lectern::runtime
