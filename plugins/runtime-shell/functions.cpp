#include "functions.hpp"

#include <algorithm>
#include <cstddef>

namespace shell {
namespace {

constexpr std::size_t most_functions = 1000;
constexpr std::size_t longest = 64u << 10;

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string_view line_at(std::string_view code, std::size_t at) {
  return code.substr(at, code.find('\n', at) - at);
}

/// The name a line begins to define, and where its body begins; empty when it defines nothing.
std::string_view defined_by(std::string_view line, std::size_t& body) {
  std::size_t at = 0;
  while (at < line.size() && is_name_char(line[at])) ++at;
  const auto name = line.substr(0, at);
  const auto blanks = [&] {
    while (at < line.size() && (line[at] == ' ' || line[at] == '\t')) ++at;
  };
  blanks();
  if (!is_name(name) || at >= line.size() || line[at] != '(') return {};
  ++at;
  blanks();
  if (at >= line.size() || line[at] != ')') return {};
  body = at + 1;
  return name;
}

bool closes_here(std::string_view line, std::size_t body) {
  const auto rest = line.substr(body);
  const auto last = rest.find_last_not_of(" \t\r;");
  if (last == std::string_view::npos) return false;
  const char open = rest[last] == '}' ? '{' : rest[last] == ')' ? '(' : '\0';
  return open != '\0' && std::count(rest.begin(), rest.end(), open) == std::count(rest.begin(), rest.end(), rest[last]);
}

}  // namespace

bool is_name(std::string_view text) {
  return !text.empty() && !(text.front() >= '0' && text.front() <= '9') &&
         std::all_of(text.begin(), text.end(), is_name_char);
}

void Functions::learn(std::string_view code) {
  for (std::size_t at = 0; at < code.size();) {
    const auto line = line_at(code, at);
    std::size_t body = 0;
    const auto name = defined_by(line, body);
    auto end = at + line.size();
    if (!name.empty() && !closes_here(line, body)) {
      auto next = end;
      bool closed = false;
      while (next < code.size() && !closed) {
        const auto following = line_at(code, next + 1);
        next += 1 + following.size();
        closed = !following.empty() && (following.front() == '}' || following.front() == ')');
      }
      if (!closed) return;  // no end in sight: not what we know
      end = next;
    }
    if (!name.empty() && end - at <= longest && (texts_.size() < most_functions || texts_.count(name) != 0)) {
      texts_[std::string(name)] = std::string(code.substr(at, end - at)) + "\n";
    }
    at = end + 1;
  }
}

}  // namespace shell
