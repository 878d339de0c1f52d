#include "style.hpp"

#include <charconv>

#include "scan.hpp"

namespace ipynb {
namespace {

constexpr std::string_view mark = "ipynb1 ";

std::size_t space_from(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')) ++at;
  return at;
}

}  // namespace

std::string Style::lead(std::size_t depth) const {
  std::string out;
  if (!pretty) return out;
  out = newline;
  for (std::size_t i = 0; i < depth; ++i) out += unit;
  return out;
}

Style detect_style(std::string_view envelope) {
  Style style;
  const auto brace = envelope.find('{');
  if (brace == std::string_view::npos) return style;
  const std::size_t first_key = space_from(envelope, brace + 1);
  const std::string_view before = envelope.substr(brace + 1, first_key - brace - 1);
  const auto feed = before.rfind('\n');
  style.pretty = feed != std::string_view::npos;
  if (style.pretty) {
    style.newline = feed > 0 && before[feed - 1] == '\r' ? "\r\n" : "\n";
    style.unit = before.substr(feed + 1);
  }
  Scanner scanner(envelope, 4096);
  scanner.go_to(first_key);
  if (scanner.peek() != '"') return style;
  scanner.string();
  const std::size_t after_key = scanner.at();
  scanner.skip_space();
  const std::size_t value = space_from(envelope, scanner.at() + 1);
  style.colon = envelope.substr(after_key, value - after_key);
  if (style.colon.find('\n') != std::string::npos) style.colon = ": ";
  scanner.go_to(value);
  scanner.value();
  scanner.skip_space();
  if (!style.pretty && scanner.peek() == ',') {
    style.gap = envelope.substr(scanner.at() + 1, space_from(envelope, scanner.at() + 1) - scanner.at() - 1);
  }
  return style;
}

void reindent(std::string_view json, const Style& style, std::string_view lead, std::string& out) {
  std::string line(style.pretty ? lead : std::string_view{});
  for (std::size_t at = 0; at < json.size();) {
    const char c = json[at];
    if (c == '"') {
      std::size_t end = at + 1;
      while (end < json.size() && json[end] != '"') end += json[end] == '\\' ? 2 : 1;
      out.append(json, at, end + 1 - at);
      at = end + 1;
    } else if (c == '{' || c == '[') {
      const std::size_t next = space_from(json, at + 1);
      out.push_back(c);
      if (next < json.size() && (json[next] == '}' || json[next] == ']')) {
        out.push_back(json[next]);
        at = next + 1;
        continue;
      }
      if (style.pretty) line += style.unit;
      out += line;
      at = next;
    } else if (c == '}' || c == ']') {
      if (style.pretty && line.size() >= style.unit.size()) line.resize(line.size() - style.unit.size());
      out += line;
      out.push_back(c);
      ++at;
    } else if (c == ',') {
      out.push_back(c);
      out += style.pretty ? std::string_view(line) : std::string_view(style.gap);
      ++at;
    } else if (c == ':') {
      out += style.colon;
      ++at;
    } else if (space_from(json, at) != at) {
      at = space_from(json, at);
    } else {
      out.push_back(c);
      ++at;
    }
  }
}

std::string pack(const Envelope& envelope) {
  std::string out(mark);
  out += envelope.had_cells ? 'c' : '-';
  out += envelope.ascii ? 'a' : '-';
  out += envelope.source_as_text ? 't' : '-';
  out += ' ';
  out += std::to_string(envelope.lead.size());
  out += '\n';
  out += envelope.lead;
  out += envelope.text;
  return out;
}

bool unpack(std::string_view original, Envelope& envelope) {
  const std::size_t flags = mark.size();
  if (original.substr(0, flags) != mark || original.size() < flags + 6) return false;
  envelope.had_cells = original[flags] == 'c';
  envelope.ascii = original[flags + 1] == 'a';
  envelope.source_as_text = original[flags + 2] == 't';
  std::size_t lead = 0;
  const char* end = original.data() + original.size();
  const auto [stop, error] = std::from_chars(original.data() + flags + 4, end, lead);
  if (error != std::errc{} || stop == end || *stop != '\n') return false;
  const auto rest = original.substr(static_cast<std::size_t>(stop - original.data()) + 1);
  if (lead > rest.size()) return false;
  envelope.lead = rest.substr(0, lead);
  envelope.text = rest.substr(lead);
  return true;
}

}  // namespace ipynb
