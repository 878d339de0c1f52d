#include "write.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "members.hpp"
#include "outputs.hpp"
#include "read.hpp"
#include "scan.hpp"
#include "style.hpp"
#include "text.hpp"

namespace ipynb {

using lectern::sdk::Cell;
using lectern::sdk::Failure;
using lectern::sdk::Notebook;
using lectern::sdk::Sink;

namespace {

constexpr std::size_t write_depth = 256;  // deeper JSON is refused: laying it out recurses
constexpr std::string_view spaces = " \n\r\t";
constexpr std::string_view empty_notebook =
    "{\n \"cells\": [],\n \"metadata\": {},\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n";

// Collects small pieces; hands large ones on as they are.
class Output {
 public:
  explicit Output(const Sink& sink) : sink_(sink) {}
  void put(std::string_view text) {
    if (pending_.size() + text.size() > chunk || text.size() > large) flush();
    if (text.size() > large) {
      sink_.write(text);
    } else {
      pending_ += text;
    }
  }
  void flush() {
    if (!pending_.empty()) sink_.write(pending_);
    pending_.clear();
  }

 private:
  static constexpr std::size_t chunk = 256u << 10, large = 32u << 10;
  const Sink& sink_;
  std::string pending_;
};

void check_json(std::string_view json, char first, const std::string& what) {
  try {
    Scanner scanner(json, write_depth);
    scanner.skip_space();
    if (scanner.peek() != first) scanner.unexpected(first == '{' ? "an object" : "a list");
    scanner.value();
    scanner.skip_space();
    if (!scanner.at_end()) scanner.unexpected("the end");
  } catch (const Malformed& bad) {
    throw Failure(LECTERN_INVALID, what + " is not what a notebook can hold: " + bad.message + " (byte " +
                                       std::to_string(bad.offset + 1) + ").");
  }
}

bool none(std::string_view attachments) {
  return attachments.empty() || attachments == "{}";
}

std::string_view trimmed(std::string_view json) {
  const auto begin = json.find_first_not_of(spaces);
  if (begin == std::string_view::npos) return {};
  return json.substr(begin, json.find_last_not_of(spaces) - begin + 1);
}

std::string laid_out(std::string_view json, const Style& style, std::string_view lead) {
  std::string out;
  reindent(trimmed(json), style, lead, out);
  return out;
}

std::string quoted(std::string_view text, const Style& style) {
  std::string out;
  encode(text, style.ascii, out);
  return out;
}

// How a list of lines is laid out, and how lines were written that are still there: a file may escape more than we
// would.
struct LineStyle {
  std::string first, next, last;  // white space before the first line, the others, and the bracket
  std::unordered_map<std::string, std::string_view> known;
};

LineStyle line_style(std::string_view old_source, const Style& style, const std::string& lead) {
  LineStyle lines;
  lines.first = lines.next = style.pretty ? lead + style.unit : std::string{};
  if (!style.pretty) lines.next = style.gap;
  lines.last = style.pretty ? lead : std::string{};
  if (old_source.empty() || old_source.front() != '[') return lines;
  Scanner scanner(old_source, write_depth);
  std::size_t count = 0;
  std::size_t end = 1;
  scanner.array([&] {
    if (count < 2) {
      const auto space = old_source.substr(end, scanner.at() - end);
      const auto inner = space.substr(space.find(',') == std::string_view::npos ? 0 : space.find(',') + 1);
      (count == 0 ? lines.first : lines.next) = inner;
    }
    const auto token = scanner.value();
    lines.known.emplace(decoded(token.substr(1, token.size() - 2)), token);
    end = scanner.at();
    ++count;
  });
  if (count == 1 && lines.first.find('\n') != std::string::npos) lines.next = lines.first;
  if (count == 1 && lines.first.find('\n') == std::string::npos) lines.next = " ";
  if (count > 0) lines.last = old_source.substr(end, old_source.size() - 1 - end);
  return lines;
}

std::string source_value(std::string_view source, std::string_view old_source, const Style& style,
                         const std::string& lead) {
  const bool as_text = old_source.empty() ? style.source_as_text : old_source.front() == '"';
  if (as_text) return quoted(source, style);
  if (source.empty()) return "[]";
  const LineStyle layout = line_style(old_source, style, lead);
  std::string out = "[";
  bool first = true;
  for (const auto line : split_lines(source)) {
    if (!first) out.push_back(',');
    out += std::exchange(first, false) ? layout.first : layout.next;
    const auto known = layout.known.find(std::string(line));
    if (known != layout.known.end()) {
      out += known->second;
    } else {
      encode(line, style.ascii, out);
    }
  }
  return out + layout.last + "]";
}

std::string outputs_value(const Cell& cell, const Style& style, const std::string& lead) {
  if (trimmed(cell.outputs).empty()) return "[]";
  check_json(cell.outputs, '[', "The outputs of cell " + std::string(cell.id));
  std::string out;
  write_outputs(trimmed(cell.outputs), style, lead, out);
  return out;
}

std::string count_value(const Cell& cell) {
  return cell.execution_count < 0 ? std::string("null") : std::to_string(cell.execution_count);
}

std::string metadata_value(const Cell& cell, const Style& style, const std::string& lead) {
  check_json(cell.metadata, '{', "The metadata of cell " + std::string(cell.id));
  return laid_out(cell.metadata, style, lead);
}

void set_attachments(const Cell& cell, const Style& style, Members& members) {
  const auto old = members.find("attachments");
  if (none(cell.attachments)) {
    if (old && !none(*old)) members.remove("attachments");
  } else if (!old || *old != cell.attachments) {
    check_json(cell.attachments, '{', "The attachments of cell " + std::string(cell.id));
    members.set("attachments", laid_out(cell.attachments, style, members.lead()));
  }
}

std::string new_cell(const Cell& cell, const Style& style, const std::string& lead) {
  const std::string inside = style.pretty ? lead + style.unit : std::string{};
  Members members("{}", style, inside);
  members.set("cell_type", quoted(cell.cell_type, style));
  members.set("id", quoted(cell.id, style));
  members.set("metadata", metadata_value(cell, style, inside));
  members.set("source", source_value(cell.source, {}, style, inside));
  set_attachments(cell, style, members);
  if (cell.cell_type == "code") {
    members.set("execution_count", count_value(cell));
    members.set("outputs", outputs_value(cell, style, inside));
  }
  std::string out;
  members.render(out);
  return out;
}

std::string changed_cell(const Cell& cell, std::string_view body, const Style& style, const std::string& lead) {
  Members members(body, style, style.pretty ? lead + style.unit : std::string{});
  if ((cell.changed & LECTERN_CELL_ID_CHANGED) != 0) members.set("id", quoted(cell.id, style));
  if ((cell.changed & LECTERN_CELL_TYPE_CHANGED) != 0) members.set("cell_type", quoted(cell.cell_type, style));
  if ((cell.changed & LECTERN_CELL_SOURCE_CHANGED) != 0) {
    const auto old = members.find("source");
    members.set("source", source_value(cell.source, old.value_or(std::string_view{}), style, members.lead()));
  }
  if ((cell.changed & LECTERN_CELL_METADATA_CHANGED) != 0) {
    members.set("metadata", metadata_value(cell, style, members.lead()));
  }
  set_attachments(cell, style, members);
  if (cell.cell_type != "code") {
    if ((cell.changed & LECTERN_CELL_TYPE_CHANGED) != 0) {
      members.remove("outputs");
      members.remove("execution_count");
    }
  } else if ((cell.changed & LECTERN_CELL_OUTPUTS_CHANGED) != 0 || !members.find("outputs")) {
    members.set("outputs", outputs_value(cell, style, members.lead()));
    members.set("execution_count", count_value(cell));
  }
  std::string out;
  members.render(out);
  return out;
}

struct Cells {
  const Style& style;
  std::string lead;  // before a new cell
  bool all_need_ids = false;
  Output& out;

  void put(const Cell& given, bool first) {
    Cell cell = given;
    const bool is_new = cell.original.empty() || (cell.changed & LECTERN_CELL_NEW) != 0;
    if (is_new) {
      out.put(style.pretty || !first ? std::string_view(lead) : std::string_view{});
      out.put(new_cell(cell, style, lead));
      return;
    }
    const auto begin = cell.original.find_first_not_of(spaces);
    const auto end = cell.original.find_last_not_of(spaces);
    if (begin == std::string_view::npos || cell.original[begin] != '{' || cell.original[end] != '}') {
      throw Failure(LECTERN_INVALID, "The original text of cell " + std::string(cell.id) + " is not a notebook cell.");
    }
    const auto body = cell.original.substr(begin, end + 1 - begin);
    if (all_need_ids && !Members(body, style, {}).find("id")) cell.changed |= LECTERN_CELL_ID_CHANGED;
    if (cell.changed == 0) return out.put(cell.original);
    const std::string space(cell.original.substr(0, begin));
    out.put(space);
    out.put(changed_cell(cell, body, style, space));
    out.put(cell.original.substr(end + 1));
  }
};

bool writes_ids(const Cell& cell) {
  return cell.original.empty() || (cell.changed & (LECTERN_CELL_NEW | LECTERN_CELL_ID_CHANGED)) != 0;
}

}  // namespace

void write_notebook(const Notebook& notebook, const Sink& sink) {
  Envelope envelope;
  const bool fresh = notebook.original.empty();
  if (fresh) {
    envelope.text = empty_notebook;
    envelope.had_cells = false;
  } else if (!unpack(notebook.original, envelope)) {
    throw Failure(LECTERN_INVALID, "The notebook's original text was not made by this format.");
  }
  Style style = detect_style(envelope.text);
  style.ascii = envelope.ascii;
  style.source_as_text = envelope.source_as_text;
  const auto brace = envelope.text.find('{');
  const auto end = envelope.text.rfind('}');
  if (brace == std::string_view::npos || end == std::string_view::npos || end < brace) {
    throw Failure(LECTERN_INVALID, "The notebook's original text is not a notebook.");
  }
  Members members(envelope.text.substr(brace, end + 1 - brace), style, style.lead(1));
  const auto old_cells = members.find("cells");
  if (!old_cells || old_cells->size() < 2) throw Failure(LECTERN_INVALID, "The notebook's original text has no cells.");
  const auto space = old_cells->substr(1, old_cells->size() - 2);
  const bool raise = std::any_of(notebook.cells.begin(), notebook.cells.end(), writes_ids) &&
                     integer(members.find("nbformat_minor").value_or("0")) < 5;
  if (raise) members.set("nbformat_minor", "5");
  if (fresh || (notebook.changed & (LECTERN_NOTEBOOK_METADATA_CHANGED | LECTERN_NOTEBOOK_NEW)) != 0) {
    check_json(notebook.metadata, '{', "The notebook's metadata");
    members.set("metadata", laid_out(notebook.metadata, style, members.lead()));
  }
  std::string before, after;
  members.render_around("cells", before, after);
  Output out(sink);
  out.put(envelope.text.substr(0, brace));
  out.put(before);
  out.put("[");
  std::string lead = envelope.had_cells ? std::string(envelope.lead) : style.pretty ? style.lead(2) : style.gap;
  Cells cells{style, std::move(lead), raise, out};
  for (std::size_t i = 0; i < notebook.cells.size(); ++i) {
    if (i > 0) out.put(",");
    cells.put(notebook.cells[i], i == 0);
  }
  if (notebook.cells.empty()) {
    out.put(envelope.had_cells ? std::string_view{} : space);
  } else {
    out.put(envelope.had_cells ? std::string(space) : style.lead(1));
  }
  out.put("]");
  out.put(after);
  out.put(envelope.text.substr(end + 1));
  out.flush();
}

}  // namespace ipynb
