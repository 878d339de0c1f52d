// A Markdown document cut into cells: fenced blocks that run, and the text between them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace markdown {

/// How a document says things.
struct Dialect {
  bool quarto = false;   ///< {python} instead of {code-cell}
  std::string language;  ///< Quarto: of the blocks that run. MyST: what new blocks have behind {code-cell}
  bool crlf = false;

  [[nodiscard]] std::string_view line_end() const { return crlf ? "\r\n" : "\n"; }
};

/// The line that opens a fenced block, or nothing.
struct Fence {
  char mark = 0;  ///< '`' or '~'; 0 = no fence
  std::size_t length = 0, indent = 0;
  std::string_view info;
  explicit operator bool() const { return mark != 0; }
  /// True for the line that closes it.
  [[nodiscard]] bool closed_by(std::string_view line) const;
};
Fence open_fence(std::string_view line);

enum class BlockKind { text, code, raw };
/// What the fence begins; text for one that does not run.
BlockKind kind_of(const Fence& fence, const Dialect& dialect);
/// The language of the first `{language}` block of a Quarto document that a kernel could run; empty when there is none.
std::string first_language(std::string_view text);
/// "python" of the kernel "python3", and a kernel of that language; empty when it is not known.
std::string language_of_kernel(std::string_view kernel);
std::string kernel_of_language(std::string_view language);
/// What stands behind the first {code-cell}.
std::string first_argument(std::string_view text);

/// `+++ {json}` in MyST, `<!-- cell {json} -->` in Quarto: what follows is a cell of its own.
bool is_break(std::string_view line, const Dialect& dialect);
/// The JSON object it holds; "{}" when it holds none.
std::string break_metadata(std::string_view line, const Dialect& dialect);
std::string write_break(std::string_view metadata, const Dialect& dialect);

/// One cell's part of the document. All lines without their ends.
struct Block {
  BlockKind kind = BlockKind::text;
  std::string_view text;  ///< all of it
  std::string_view lead;  ///< what is before its content: a break, blank lines; with line ends
  bool has_break = false;
  std::string break_metadata = "{}";
  std::string_view opening;             ///< of a fenced block, with its line end
  std::vector<std::string_view> lines;  ///< text: with the blank lines around it. Fenced: between the fences
  bool closed = true;                   ///< false for a fence that ends with the document
  std::size_t blanks_after = 0;         ///< blank lines at the end of `text`
};

/// Cuts all of `text`: what is not in a block is before the first one.
std::vector<Block> cut(std::string_view text, const Dialect& dialect);

}  // namespace markdown
