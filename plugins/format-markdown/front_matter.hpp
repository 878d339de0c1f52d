// The YAML between `---` lines that a document begins with.
#pragma once

#include <string>
#include <string_view>

#include "blocks.hpp"

namespace markdown {

struct Front {
  std::string_view text;  ///< with the byte order mark before it and the blank lines after it; may be empty
  bool found = false;
  std::string metadata = "{}";
  std::string language;  ///< as the kernelspec tells; may be empty
};

/// Never fails: what is no front matter is text like any other.
Front read_front(std::string_view bytes, bool quarto);
/// The front matter that says `metadata`; what it says besides stays.
std::string updated_front(std::string_view text, std::string_view metadata, const Dialect& dialect);

}  // namespace markdown
