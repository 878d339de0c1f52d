#include "outputs.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "scan.hpp"
#include "text.hpp"

namespace ipynb {
namespace {

struct Writer {
  const Style& style;
  std::string line;  // what stands before a value on its own line
  std::string& out;

  void open(char bracket) {
    out.push_back(bracket);
    if (style.pretty) line += style.unit;
  }
  void next(bool first) {
    if (!first) out.push_back(',');
    if (style.pretty) {
      out += line;
    } else if (!first) {
      out += style.gap;
    }
  }
  void close(char bracket, bool empty) {
    if (style.pretty) line.resize(line.size() - style.unit.size());
    if (!empty) out += style.pretty ? std::string_view(line) : std::string_view{};
    out.push_back(bracket);
  }
};

enum class Place { elsewhere, list, output, data, text };

bool splits(std::string_view type) {
  return type.substr(0, 5) == "text/" || type == "application/javascript" || type == "image/svg+xml";
}

void write_string(std::string_view quoted, bool split, Writer& to) {
  const auto raw = quoted.substr(1, quoted.size() - 2);
  std::string text;
  // What no UTF-8 can say (a lone surrogate) stays as it came.
  if (!decode(raw, text)) {
    to.out += quoted;
    return;
  }
  if (!split) return encode(text, to.style.ascii, to.out);
  const auto lines = split_lines(text);
  to.open('[');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    to.next(i == 0);
    encode(lines[i], to.style.ascii, to.out);
  }
  to.close(']', lines.empty());
}

void write_value(std::string_view value, Place place, Writer& to);

void write_object(std::string_view object, Place place, Writer& to) {
  std::vector<std::pair<std::string, std::string_view>> members;
  Scanner scanner(object, any_depth);
  scanner.object([&](std::string_view key) {
    std::string name = decoded(key);
    members.emplace_back(std::move(name), scanner.value());
  });
  std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string_view type;
  for (const auto& [key, member] : members) {
    if (key == "output_type") type = member;
  }
  to.open('{');
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto& [key, member] = members[i];
    Place inside = Place::elsewhere;
    if (place == Place::output && key == "data" && (type == R"("execute_result")" || type == R"("display_data")")) {
      inside = Place::data;
    } else if (place == Place::output && key == "text" && type == R"("stream")") {
      inside = Place::text;
    } else if (place == Place::data && splits(key)) {
      inside = Place::text;
    }
    to.next(i == 0);
    encode(key, to.style.ascii, to.out);
    to.out += to.style.colon;
    write_value(member, inside, to);
  }
  to.close('}', members.empty());
}

void write_array(std::string_view array, Place place, Writer& to) {
  Scanner scanner(array, any_depth);
  bool first = true;
  to.open('[');
  scanner.array([&] {
    to.next(std::exchange(first, false));
    write_value(scanner.value(), place == Place::list ? Place::output : Place::elsewhere, to);
  });
  to.close(']', first);
}

// Recursion is as deep as the JSON is nested, which the caller has bounded.
void write_value(std::string_view value, Place place, Writer& to) {
  switch (value.front()) {
    case '{':
      return write_object(value, place, to);
    case '[':
      return write_array(value, place, to);
    case '"':
      return write_string(value, place == Place::text, to);
    default:
      to.out += value;
  }
}

}  // namespace

void write_outputs(std::string_view outputs, const Style& style, std::string_view lead, std::string& out) {
  Writer writer{style, std::string(style.pretty ? lead : std::string_view{}), out};
  write_value(outputs, Place::list, writer);
}

}  // namespace ipynb
