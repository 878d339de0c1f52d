#include "code_text.hpp"

#include <algorithm>
#include <array>

#include "../text-cells/lines.hpp"

namespace percent {

namespace {

bool letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
std::string_view without_indent(std::string_view line) {
  const auto at = line.find_first_not_of(" \t");
  return at == std::string_view::npos ? std::string_view{} : line.substr(at);
}

// Up to three % and a letter.
bool percent_magic(std::string_view text) {
  std::size_t n = 0;
  while (n < text.size() && text[n] == '%') ++n;
  return n >= 1 && n <= 3 && n < text.size() && letter(text[n]);
}

// `!ls`, `?help`, `files = !ls`.
bool python_magic(std::string_view text) {
  text = without_indent(text);
  if (text.empty()) return false;
  if (text.front() == '!' || text.front() == '?') {
    const auto rest = without_indent(text.substr(1));
    return !rest.empty() &&
           (letter(rest.front()) || std::string_view(".~$\\/{}").find(rest.front()) != std::string_view::npos);
  }
  if (!letter(text.front()) && text.front() != '_') return false;
  const auto end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
  if (end == std::string_view::npos) return false;
  auto rest = without_indent(text.substr(end));
  if (!rest.starts_with('=')) return false;
  rest = without_indent(rest.substr(1));
  return percent_magic(rest) || (rest.size() > 1 && rest.front() == '!' && letter(rest[1]));
}

// With any number of comment prefixes before it.
template <class Is>
bool at_any_depth(std::string_view line, std::string_view prefix, Is&& is) {
  std::string_view text = without_indent(line);
  while (true) {
    if (is(text)) return true;
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    if (text.starts_with(' ')) text.remove_prefix(1);
    // In Octave the marker's signs are prefixes too. From three of them on, what is behind the run
    // decides: the answer is the same at each, and is asked for once.
    while (prefix == "%" && text.starts_with("%%%%%")) text.remove_prefix(1);
  }
}

bool marker_like(std::string_view line, const Dialect& dialect) {
  if (line.find('%') == std::string_view::npos && line.find("In[") == std::string_view::npos &&
      line.find("<codecell>") == std::string_view::npos) {
    return false;
  }
  // Blanks at the end change nothing, and would be looked at anew at each depth.
  line = line.substr(0, line.find_last_not_of(" \t\r\n") + 1);
  return at_any_depth(line, dialect.prefix, [&](std::string_view text) { return is_marker(text, dialect.prefix); });
}

bool magic(std::string_view line, const Dialect& dialect) {
  if (dialect.prefix == "%") return false;
  const bool python = dialect.python();
  return at_any_depth(line, dialect.prefix,
                      [&](std::string_view text) { return percent_magic(text) || (python && python_magic(text)); });
}

std::string commented_once_more(std::string_view line, const Dialect& dialect) {
  const auto text = without_indent(line);
  return std::string(line.substr(0, line.size() - text.size())) + dialect.prefix + " " + std::string(text);
}
std::string commented_once_less(std::string_view line, const Dialect& dialect) {
  auto text = without_indent(line);
  const auto indent = line.substr(0, line.size() - text.size());
  if (!text.starts_with(dialect.prefix)) return std::string(line);
  text.remove_prefix(dialect.prefix.size());
  if (text.starts_with(' ')) text.remove_prefix(1);
  return std::string(indent) + std::string(text);
}

/// Knows whether a line begins inside a string of several lines, where nothing is a magic.
class Strings {
 public:
  explicit Strings(const Dialect& dialect) : watched_(dialect.prefix == "#") {}
  [[nodiscard]] bool inside() const { return open_ != 0; }
  void line(std::string_view text) {
    for (std::size_t i = 0; watched_ && i < text.size(); ++i) {
      const char c = text[i];
      if (c == '\\') {
        ++i;
      } else if (open_ != 0) {
        if (triple(text, i, open_)) {
          open_ = 0;
          i += 2;
        }
      } else if (c == '#') {
        return;
      } else if (c == '\'' || c == '"') {
        if (triple(text, i, c)) {
          open_ = c;
          i += 2;
        } else {
          i = end_of_string(text, i);
        }
      }
    }
  }

 private:
  static bool triple(std::string_view text, std::size_t at, char mark) {
    return at + 2 < text.size() && text[at] == mark && text[at + 1] == mark && text[at + 2] == mark;
  }
  static std::size_t end_of_string(std::string_view text, std::size_t at) {
    const char mark = text[at];
    for (++at; at < text.size() && text[at] != mark; ++at) {
      if (text[at] == '\\') ++at;
    }
    return at;
  }
  bool watched_;
  char open_ = 0;
};

bool comment_of_marker(std::string_view text, bool& escaped) {
  const auto tail = without_indent(text);
  const auto slashes = std::min(tail.find_first_not_of('\\'), tail.size());
  escaped = slashes > 0;
  return is_marker_tail(tail.substr(slashes));
}

}  // namespace

Lines encode_code(const std::vector<std::string_view>& source, const Dialect& dialect) {
  Lines out;
  out.reserve(source.size());
  Strings strings(dialect);
  for (const auto line : source) {
    const bool is_magic = !strings.inside() && magic(line, dialect);
    if (!is_magic) strings.line(line);
    out.push_back(is_magic || marker_like(line, dialect) ? commented_once_more(line, dialect) : std::string(line));
  }
  return out;
}

Lines decode_code(const std::vector<std::string_view>& lines, const Dialect& dialect) {
  Lines out;
  out.reserve(lines.size());
  Strings strings(dialect);
  for (const auto line : lines) {
    const bool like_magic = !strings.inside() && magic(line, dialect);
    out.push_back(like_magic || marker_like(line, dialect) ? commented_once_less(line, dialect) : std::string(line));
    // As encode_code() sees it: of the source, and not of a magic.
    if (strings.inside() || !magic(out.back(), dialect)) strings.line(out.back());
  }
  return out;
}

Lines encode_comment(const std::vector<std::string_view>& source, const Dialect& dialect) {
  Lines out;
  out.reserve(source.size());
  for (const auto line : source) {
    bool escaped = false;
    if (comment_of_marker(line, escaped)) {
      const auto text = without_indent(line);
      out.push_back(dialect.prefix + " " + std::string(line.substr(0, line.size() - text.size())) + "\\" +
                    std::string(text));
    } else {
      out.push_back(line.empty() ? dialect.prefix : dialect.prefix + " " + std::string(line));
    }
  }
  return out;
}

Lines decode_comment(const std::vector<std::string_view>& lines, const Dialect& dialect) {
  Lines out;
  out.reserve(lines.size());
  for (auto line : lines) {
    if (line.starts_with(dialect.prefix)) {
      line.remove_prefix(dialect.prefix.size());
      if (line.starts_with(' ')) line.remove_prefix(1);
    }
    bool escaped = false;
    std::string text(line);
    if (comment_of_marker(line, escaped) && escaped) text.erase(text.find('\\'), 1);
    out.push_back(std::move(text));
  }
  return out;
}

LanguageMagic language_magic(std::string_view line) {
  static constexpr std::array<std::string_view, 27> languages{
      "R",      "bash", "sh",    "python",   "python2", "python3", "coconut", "javascript", "js",
      "perl",   "html", "latex", "markdown", "pypy",    "ruby",    "script",  "svg",        "matlab",
      "octave", "idl",  "sas",   "spark",    "sql",     "cython",  "haskell", "tcl",        "gnuplot"};
  if (!line.starts_with("%%")) return {};
  line.remove_prefix(2);
  const auto end = std::min(line.find(' '), line.size());
  const auto language = line.substr(0, end);
  if (std::find(languages.begin(), languages.end(), language) == languages.end()) return {};
  const auto arguments = end == line.size() ? std::string_view{} : line.substr(end + 1);
  if (end != line.size() && arguments.empty()) return {};
  return {language, arguments};
}

}  // namespace percent
