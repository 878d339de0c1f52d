// A kernel's ZeroMQ holds 1,000 messages for each listener and drops what is published past them, without a word to
// anybody: on a busy machine that is a third of a second in which its own I/O thread got no processor, however fast the
// listener reads. IPython kernels can be told to hold more; of others no way is known.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace jupyter {

/// The content of an execute_request by which a kernel that introduced itself so (kernel_info_reply) holds 100,000
/// messages for each listener, those there are and those to come. It leaves no trace in the notebook's names, history,
/// counter or outputs; an ipykernel without what it takes stays as it is. Empty when this kernel cannot be told.
std::optional<std::string> hold_what_is_published(std::string_view info);

}  // namespace jupyter
