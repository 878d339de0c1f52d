// The widget models of a kernel that is kept, as a text: lines, each of one model as its `open` event (protocol 5), in
// the order of their creation. A later line of the same model replaces the earlier one. A bare line says of a model
// that it is there, and which run made it; its values are the kernel's to say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/models.hpp"

namespace lectern::runtime {

/// Of models that are more than this, bare lines are written down; with the lines that are replaced it is this at most.
constexpr std::size_t most_kept_models_bytes = std::size_t{64} << 20;
constexpr std::size_t most_noted_models_bytes = 3 * most_kept_models_bytes;

struct ModelNote {
  ModelEvent event;    // `open`, or `close`: it is gone
  bool again = false;  // it keeps its place in the order
  bool bare = false;   // without its values
};

struct KeptModel {
  std::string id, target, cell_id;
  std::string data;  // JSON: {state, buffer_paths, …}; empty: the line is bare, or has more in it than is read
  std::uint64_t execution = 0;
  std::uint64_t revision = 1;
  std::vector<std::string> buffers;
};

/// [any] Nothing when it is more than `most` bytes.
std::optional<std::string> kept_models_text(const std::vector<ModelNote>& notes, std::size_t most);
/// [any] Bare lines.
std::string kept_makers_text(const std::vector<ModelNote>& notes);

/// [any] Nothing when anything of it is damaged. A last line without an end was being written when its host was killed,
/// and is passed over.
std::optional<std::vector<KeptModel>> kept_models_from(std::string_view text);

}  // namespace lectern::runtime
