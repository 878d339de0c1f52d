// An output that shows a widget names its model.
#pragma once

#include <string>
#include <string_view>

namespace lectern::runtime {

/// [any] Of an output as nbformat has it, a JSON object; empty when it shows no widget. It is the kernel's word: there
/// need not be such a model.
std::string model_named_by(std::string_view output);

}  // namespace lectern::runtime
