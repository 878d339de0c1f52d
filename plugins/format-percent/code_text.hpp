// Sources as they stand in a script: magics as comments, other languages and texts as comments altogether. For every
// source, decode(encode(source)) is that source.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "marker.hpp"

namespace percent {

using Lines = std::vector<std::string>;

/// Code. `# %matplotlib inline` in the script is `%matplotlib inline` in the cell; a line that would begin a cell has
/// one more comment prefix in the script.
Lines encode_code(const std::vector<std::string_view>& source, const Dialect& dialect);
Lines decode_code(const std::vector<std::string_view>& lines, const Dialect& dialect);

/// Text of which every line is a comment. One that would begin a cell has a backslash in the script.
Lines encode_comment(const std::vector<std::string_view>& source, const Dialect& dialect);
Lines decode_comment(const std::vector<std::string_view>& lines, const Dialect& dialect);

/// `%%bash -e` as the first line: the language and the rest of the line. The language is empty for other magics.
struct LanguageMagic {
  std::string_view language, arguments;
};
LanguageMagic language_magic(std::string_view line);

}  // namespace percent
