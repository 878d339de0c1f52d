// A cell's runs and outputs at one moment, for somebody who joins: taken at once, written when it is sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/executions.hpp"
#include "runtime/loaded_outputs.hpp"

namespace lectern::runtime {

/// Everything [reactor].
struct CellView {
  std::string cell_id;
  std::string execution_id;  // empty when it never ran here
  RunStatus status = RunStatus::idle;
  std::optional<std::int64_t> execution_count;
  bool ran = false;  // there is something to say even without outputs
  OutputsView outputs;

  /// `data` of the cell-op that brings a joiner up to date; empty when there is nothing to say. Needs outputs.ready().
  [[nodiscard]] std::string data() const;
};

}  // namespace lectern::runtime
