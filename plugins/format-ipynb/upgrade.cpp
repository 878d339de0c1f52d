// nbformat 3 to 4, by the rules of nbformat's own v4/convert.py: worksheets are put one after the other, headings and
// html become markdown, pyout and pyerr become execute_result and error, short names of media types become whole ones.
#include <deque>
#include <map>

#include "members.hpp"
#include "read.hpp"
#include "style.hpp"
#include "text.hpp"

namespace ipynb {

using lectern::sdk::Cell;
using lectern::sdk::FormatLimits;
using lectern::sdk::Notebook;
using lectern::sdk::NotebookBuilder;

namespace {

const Style& compact() {
  static const Style style = [] {
    Style made;
    made.pretty = false;
    made.colon = ":";
    return made;
  }();
  return style;
}

std::string media_type(const std::string& name) {
  static const std::map<std::string, std::string> names = {
      {"text", "text/plain"},       {"html", "text/html"},
      {"svg", "image/svg+xml"},     {"png", "image/png"},
      {"jpeg", "image/jpeg"},       {"latex", "text/latex"},
      {"json", "application/json"}, {"javascript", "application/javascript"}};
  const auto found = names.find(name);
  return found == names.end() ? name : found->second;
}

using Fields = std::vector<std::pair<std::string, std::string_view>>;

Fields fields_of(Scanner& scanner) {
  Fields fields;
  scanner.object([&](std::string_view key) {
    std::string name = key_text(key);
    fields.emplace_back(std::move(name), scanner.value());
  });
  return fields;
}

Fields fields_of(std::string_view object) {
  Scanner scanner(object, 4096);
  return fields_of(scanner);
}

std::string_view field(const Fields& fields, std::string_view name) {
  std::string_view found;
  for (const auto& [key, value] : fields) {
    if (key == name) found = value;
  }
  return found;
}

bool is_string(std::string_view value) {
  return !value.empty() && value.front() == '"';
}
bool is_object(std::string_view value) {
  return !value.empty() && value.front() == '{';
}
bool is_list(std::string_view value) {
  return !value.empty() && value.front() == '[';
}

void put(std::string& out, std::string_view key, std::string_view value) {
  if (out.back() != '{') out.push_back(',');
  encode(key, false, out);
  out.push_back(':');
  out += value;
}

// The value of "json" was the text of a JSON value.
std::string json_value(std::string_view value) {
  std::string text;
  decode_source(value, text);
  try {
    Scanner scanner(text, 128);
    scanner.skip_space();
    const std::string parsed(scanner.value());
    scanner.skip_space();
    if (scanner.at_end()) return parsed;
  } catch (const Malformed&) {
  }
  return std::string(value);
}

std::string with_media_types(std::string_view object) {
  std::string out = "{";
  for (const auto& [key, value] : fields_of(object)) put(out, media_type(key), value);
  return out + "}";
}

std::string rich_output(const Fields& fields, bool result) {
  std::string data = "{";
  for (const auto& [key, value] : fields) {
    if (key == "output_type" || key == "prompt_number" || key == "execution_count" || key == "metadata") continue;
    const std::string type = media_type(key);
    const bool text = is_string(value) || is_list(value);
    put(data, type, type == "application/json" && text ? json_value(value) : std::string(value));
  }
  const auto metadata = field(fields, "metadata");
  const auto count = field(fields, "prompt_number");
  std::string out = "{";
  put(out, "data", data + "}");
  if (result) put(out, "execution_count", integer(count) >= 0 ? count : std::string_view("null"));
  put(out, "metadata", is_object(metadata) ? with_media_types(metadata) : std::string("{}"));
  put(out, "output_type", result ? R"("execute_result")" : R"("display_data")");
  return out + "}";
}

std::string upgraded_output(std::string_view output) {
  const Fields fields = fields_of(output);
  const std::string type(is_string(field(fields, "output_type")) ? field(fields, "output_type") : R"("")");
  if (type == R"("pyout")") return rich_output(fields, true);
  if (type == R"("display_data")") return rich_output(fields, false);
  std::string out = "{";
  bool named = false;
  for (const auto& [key, value] : fields) {
    if (key == "stream" && type == R"("stream")") {
      put(out, "name", value);
      named = true;
    } else if (key == "output_type" && type == R"("pyerr")") {
      put(out, key, R"("error")");
    } else {
      put(out, key, value);
    }
  }
  if (type == R"("stream")" && !named) put(out, "name", R"("stdout")");
  return out + "}";
}

std::string upgraded_outputs(std::string_view list) {
  std::string out = "[";
  Scanner scanner(list, 4096);
  scanner.array([&] {
    if (scanner.peek() != '{') scanner.unexpected("an output");
    if (out.size() > 1) out.push_back(',');
    out += upgraded_output(scanner.value());
  });
  return out + "]";
}

std::string heading(std::string_view source, std::string_view level) {
  std::string text;
  decode_source(source, text);
  const std::int64_t wanted = integer(level);
  std::string out(static_cast<std::size_t>(wanted < 1 ? 1 : wanted > 6 ? 6 : wanted), '#');
  for (const auto line : split_lines(text)) {
    out.push_back(' ');
    out += line.substr(0, line.find_first_of("\r\n"));
  }
  return out;
}

class Upgrade {
 public:
  Upgrade(Scanner& scanner, const FormatLimits& limits, const NotebookBuilder& out)
      : scanner_(scanner), limits_(limits), out_(out) {}

  void cell() {
    const std::size_t offset = scanner_.at();
    if (scanner_.peek() != '{') scanner_.unexpected("a cell");
    if (count_ >= limits_.max_cells) too_large("The notebook has more cells than", limits_.max_cells, "max_cells");
    const Fields fields = fields_of(scanner_);
    const auto quoted = field(fields, "cell_type");
    const std::string type = is_string(quoted) ? decoded(quoted.substr(1, quoted.size() - 2)) : std::string{};
    Cell made;
    made.id = keep(ids_.invent(count_++));
    made.changed = LECTERN_CELL_ID_CHANGED;
    const auto metadata = field(fields, "metadata");
    if (is_object(metadata)) made.metadata = metadata;
    if (type == "code") {
      code(fields, made);
    } else if (type == "heading") {
      made.cell_type = "markdown";
      made.source = keep(heading(field(fields, "source"), field(fields, "level")));
    } else if (type == "markdown" || type == "html" || type == "raw") {
      made.cell_type = type == "raw" ? "raw" : "markdown";
      made.source = keep(text(field(fields, "source")));
    } else {
      scanner_.bad(offset, "a cell_type that notebook format 3 does not have");
    }
    if (made.source.size() > limits_.max_source_bytes) {
      too_large("A cell's source has more bytes than", limits_.max_source_bytes, "max_source_bytes");
    }
    out_.cell(made);
    kept_.clear();
  }

 private:
  void code(const Fields& fields, Cell& made) {
    made.cell_type = "code";
    made.source = keep(text(field(fields, "input")));
    made.execution_count = integer(field(fields, "prompt_number"));
    if (is_list(field(fields, "outputs"))) made.outputs = keep(upgraded_outputs(field(fields, "outputs")));
    if (const auto collapsed = field(fields, "collapsed"); !collapsed.empty()) {
      Members members(made.metadata, compact(), {});
      members.set("collapsed", std::string(collapsed));
      std::string metadata;
      members.render(metadata);
      made.metadata = keep(std::move(metadata));
    }
  }
  static std::string text(std::string_view value) {
    std::string out;
    if (is_string(value) || is_list(value)) decode_source(value, out);
    return out;
  }
  std::string_view keep(std::string text) { return kept_.emplace_back(std::move(text)); }

  Scanner& scanner_;
  const FormatLimits& limits_;
  const NotebookBuilder& out_;
  InventedIds ids_;
  std::size_t count_ = 0;
  std::deque<std::string> kept_;
};

}  // namespace

void read_worksheets(const FileSlices& file, Scanner& scanner, const FormatLimits& limits, const NotebookBuilder& out) {
  Upgrade upgrade(scanner, limits, out);
  if (file.worksheets_offset == 0) scanner.bad(scanner.at() - 1, "\"worksheets\" is missing");
  // The scanner stands behind the whole, valid, notebook; its bracket stack is empty again.
  scanner.go_to(file.worksheets_offset);
  scanner.array([&] {
    if (scanner.peek() != '{') scanner.unexpected("a worksheet");
    scanner.object([&](std::string_view key) {
      if (key_text(key) == "cells") {
        scanner.array([&] { upgrade.cell(); });
      } else {
        scanner.value();
      }
    });
  });
  std::string metadata = "{}";
  if (!file.metadata.empty()) {
    Members members(file.metadata, compact(), {});
    members.remove("name");
    members.remove("signature");
    metadata.clear();
    members.render(metadata);
  }
  const std::string language = language_of(metadata);
  Notebook notebook;
  notebook.changed = LECTERN_NOTEBOOK_NEW;
  notebook.metadata = metadata;
  notebook.language = language;
  out.notebook(notebook);
  out.notice("This notebook was in format 3 and was upgraded. The first save writes format 4.5.");
}

}  // namespace ipynb
