// What Jupyter has no message for: asked of an IPython kernel as a silent expression, of IRkernel as silent code, which
// leave no trace in histories, counters or outputs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace jupyter {

/// The content of an execute_request that asks `kind` ("variables", "format", "front_end_file") of a kernel of
/// `language`. Empty when this kernel cannot be asked so. Throws lectern::sdk::Failure for content that misses what the
/// question needs.
std::optional<std::string> question(std::string_view kind, std::string_view content, std::string_view language);

/// What the kernel's execute_reply answers to it, as the content of a reply: an object, `{"error": …}` when the kernel
/// could not say.
std::string answer_of(std::string_view reply);

}  // namespace jupyter
