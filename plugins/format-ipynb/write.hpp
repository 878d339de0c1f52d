// From a notebook to the bytes of its file.
#pragma once

#include "lectern/sdk/format.hpp"

namespace ipynb {

/// What did not change comes out as it was read; what did is laid out like the rest of the file.
void write_notebook(const lectern::sdk::Notebook& notebook, const lectern::sdk::Sink& out);

}  // namespace ipynb
