// What the struct of a kind must hold before the host uses it. Private to plugin/.
#pragma once

#include "base/result.hpp"
#include "plugin/kind.hpp"

namespace lectern::plugin {

/// [control] 422 `missing_function` naming the first function of `kind` that `interface` lacks, or `bad_entry` when its
/// size or its tables make no sense. `interface` is what get_kind gave, not null.
Status check_interface(Kind kind, const void* interface, std::string_view who);

}  // namespace lectern::plugin
