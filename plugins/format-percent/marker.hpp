// The line that begins a cell: `# %% A title [markdown] key="value"`.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace percent {

/// How a script says things: taken from its first marker or its header.
struct Dialect {
  std::string prefix = "#";  ///< begins a comment
  std::string language;      ///< as the header tells; may be empty
  bool crlf = false;

  [[nodiscard]] bool python() const { return prefix == "#" && (language.empty() || language == "python"); }
  [[nodiscard]] std::string_view line_end() const { return crlf ? "\r\n" : "\n"; }
};

/// True when the line begins a cell: `# %%`, `#%%`, and what VS Code takes too: `# <codecell>`, `# In[1]:`.
bool is_marker(std::string_view line, std::string_view prefix);
/// True for a text that would begin a cell with a comment prefix before it.
bool is_marker_tail(std::string_view text);
/// The comment prefix of the first marker; empty when no line is one.
std::string_view first_prefix(std::string_view text);
/// The comment prefixes that are known.
const std::vector<std::string_view>& prefixes();
/// The one a language uses.
std::string_view prefix_of(std::string_view language);

struct Options {
  std::string type = "code";                                 ///< code, markdown, raw
  std::vector<std::pair<std::string, std::string>> members;  ///< metadata: key and JSON text

  [[nodiscard]] const std::string* find(std::string_view key) const;
  void remove(std::string_view key);
  [[nodiscard]] std::string metadata() const;
  bool operator==(const Options&) const = default;
};

/// What the marker line says. Never fails: what is no option is the title.
Options read_marker(std::string_view line, std::string_view prefix);
/// A line (without its end) that read_marker() reads as `options`.
std::string write_marker(const Options& options, std::string_view prefix);

}  // namespace percent
