// A whole script from the parts that read handed over, with what changed since.
#pragma once

#include "lectern/sdk/format.hpp"

namespace percent {

void write_script(const lectern::sdk::Notebook& notebook, const lectern::sdk::Sink& sink);

}  // namespace percent
