// The widget models of a kernel that is kept, as a text: one line for each, in the order of their creation, as its
// `open` event (protocol 5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/models.hpp"

namespace lectern::runtime {

/// More than this is not written down, and so much is read back at most: half of a page of widgets shows nothing.
constexpr std::size_t most_kept_models_bytes = std::size_t{64} << 20;

struct KeptModel {
  std::string id, target, cell_id;
  std::string data;  // JSON: {state, buffer_paths, …}
  std::uint64_t revision = 1;
  std::vector<std::string> buffers;
};

/// [any] Of ModelStore::snapshot. Nothing when it is larger than that.
std::optional<std::string> kept_models_text(const std::vector<ModelEvent>& opens);

/// [any] None when anything of it is damaged.
std::vector<KeptModel> kept_models_from(std::string_view text);

}  // namespace lectern::runtime
