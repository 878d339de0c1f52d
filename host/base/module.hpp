// Parts of the host that most hosts never use, and whose libraries would cost each of them resident memory, live in
// shared objects of the host's own. They are no plugins: built with the host, speaking its C++, found only beside it.
#pragma once

#include <string>

#include "base/result.hpp"

namespace lectern {

/// [control] The address of the function `symbol` in <prefix>/lib/lectern/<file>, beside <prefix>/bin where the running
/// program is; in the build tree at the same places. Loaded at the first call, never unloaded. Without it 500
/// `code`, which says that `what` is in it.
Result<void*> module_function(const std::string& file, const char* symbol, const std::string& code,
                              const std::string& what);

}  // namespace lectern
