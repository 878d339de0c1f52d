// Lines of a text notebook, and what must hold of its bytes before they are looked at.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lectern/sdk/format.hpp"

namespace text_cells {

/// Lines with their ends. The last one may have none; an empty text has no lines.
std::vector<std::string_view> split(std::string_view text);
/// The line without its end. In a file with CRLF the CR belongs to the end, elsewhere to the line.
std::string_view bare(std::string_view line, bool crlf);
/// True when the first line ends with CRLF.
bool has_crlf(std::string_view text);
/// Nothing but white space.
bool blank(std::string_view line);
std::string_view trim(std::string_view text);
/// How many of the last `lines` are blank.
std::size_t blank_at_end(const std::vector<std::string_view>& lines);

/// The lines of a source: one more than it has line breaks.
std::vector<std::string_view> source_lines(std::string_view source);
std::string join(const std::vector<std::string>& lines, std::string_view between);

/// `source` where it stands in `text` as it is, from the beginning of a line on, so that it need not be copied; else
/// `source` itself. Takes linear time: only the first few places that look like it are looked at whole.
std::string_view where_it_stands(std::string_view text, std::string_view source);

/// Throws LECTERN_INVALID with line and column for what is not UTF-8, LECTERN_TOO_LARGE past the limit.
void check_bytes(std::string_view bytes, const lectern::sdk::FormatLimits& limits);
/// Throws LECTERN_TOO_LARGE: a limit on cells or on the source of one.
void check_cell(std::size_t number, std::size_t source_bytes, const lectern::sdk::FormatLimits& limits);

/// The byte order mark at the beginning, or nothing.
std::string_view byte_order_mark(std::string_view bytes);

}  // namespace text_cells
