// The widget models of a kernel that is kept, as a text: lines, each of one model as its `open` event (protocol 5), in
// the order of their creation. A later line of the same model replaces the earlier one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/models.hpp"

namespace lectern::runtime {

/// Models that are more than this are not written down; with the lines that are replaced it is this at most.
constexpr std::size_t most_kept_models_bytes = std::size_t{64} << 20;
constexpr std::size_t most_noted_models_bytes = 3 * most_kept_models_bytes;

struct ModelNote {
  ModelEvent event;    // `open`, or `close`: it is gone
  bool again = false;  // it keeps its place in the order
};

struct KeptModel {
  std::string id, target, cell_id;
  std::string data;  // JSON: {state, buffer_paths, …}
  std::uint64_t execution = 0;
  std::uint64_t revision = 1;
  std::vector<std::string> buffers;
};

/// [any] Nothing when it is more than `most` bytes.
std::optional<std::string> kept_models_text(const std::vector<ModelNote>& notes, std::size_t most);

/// [any] None when anything of it is damaged. A last line without an end was being written when its host was killed,
/// and is passed over.
std::vector<KeptModel> kept_models_from(std::string_view text);

}  // namespace lectern::runtime
