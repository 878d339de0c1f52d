// A whole document to a notebook and back.
#pragma once

#include "lectern/sdk/format.hpp"

namespace markdown {

void read_document(std::string_view bytes, bool quarto, const lectern::sdk::FormatLimits& limits,
                   const lectern::sdk::NotebookBuilder& out);
void write_document(const lectern::sdk::Notebook& notebook, bool quarto, const lectern::sdk::Sink& sink);

/// True when the path ends with the extension, whatever its case.
bool has_extension(std::string_view path, std::string_view extension);
/// True when the document has a block that runs.
bool has_code(std::string_view text, bool quarto);

}  // namespace markdown
