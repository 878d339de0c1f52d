// JSON strings and lines as Python has them: what Jupyter writes is json.dumps of str.splitlines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ipynb {

/// Appends what the content of a JSON string means. False when it has a lone surrogate, which becomes U+FFFD.
bool decode(std::string_view raw, std::string& out);
std::string decoded(std::string_view raw);
/// The same for the string whose opening quote is at `at`, in valid JSON; returns where it ends.
std::size_t decode_string(std::string_view text, std::size_t at, std::string& out);
/// A source: one string or a list of strings, joined.
void decode_source(std::string_view value, std::string& out);

/// Appends `text` (UTF-8) as a JSON string with its quotes. With `ascii`, everything else is escaped, as json.dumps
/// does by default; Jupyter does not.
void encode(std::string_view text, bool ascii, std::string& out);

/// str.splitlines(keepends=True): \n, \r, \r\n, \v, \f, FS, GS, RS, NEL, LS and PS end a line.
std::vector<std::string_view> split_lines(std::string_view text);

}  // namespace ipynb
