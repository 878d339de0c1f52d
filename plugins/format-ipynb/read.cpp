#include "read.hpp"

#include <algorithm>
#include <charconv>
#include <deque>

#include "members.hpp"
#include "style.hpp"
#include "text.hpp"

namespace ipynb {

using lectern::sdk::Cell;
using lectern::sdk::Failure;
using lectern::sdk::FormatLimits;
using lectern::sdk::Notebook;
using lectern::sdk::NotebookBuilder;

namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
constexpr std::size_t batch_bytes = 4u << 20;

std::string name_of_cell(std::size_t index) {
  return "cells[" + std::to_string(index) + "]";
}

// Consumes the value; the slice when it has the wanted type.
std::string_view typed(Scanner& scanner, char first, const std::string& what, const char* wanted,
                       Complaint& complaint) {
  const std::size_t begin = scanner.at();
  const bool fits = scanner.peek() == first;
  const auto value = scanner.value();
  if (fits) return value;
  complaint.add(begin, what + " is not " + wanted);
  return {};
}

std::string_view source(Scanner& scanner, const std::string& cell, Complaint& complaint) {
  const std::size_t begin = scanner.at();
  if (scanner.peek() == '"') return scanner.value();
  if (scanner.peek() != '[') {
    complaint.add(begin, cell + ".source is neither a string nor a list of strings");
    scanner.value();
    return {};
  }
  scanner.array([&] {
    if (scanner.peek() == '"') {
      scanner.string();
    } else {
      complaint.add(scanner.at(), cell + ".source is a list with something else than strings");
      scanner.value();
    }
  });
  return scanner.slice(begin);
}

std::string_view outputs(Scanner& scanner, const std::string& cell, Complaint& complaint) {
  const std::size_t begin = scanner.at();
  if (scanner.peek() != '[') return typed(scanner, '[', cell + ".outputs", "a list", complaint);
  scanner.array([&] { typed(scanner, '{', "an item of " + cell + ".outputs", "an object", complaint); });
  return scanner.slice(begin);
}

void slice_cell(Scanner& scanner, std::size_t index, CellSlices& cell, Complaint& complaint) {
  const std::string name = name_of_cell(index);
  cell.offset = scanner.at();
  if (scanner.peek() != '{') {
    complaint.add(cell.offset, name + " is not an object");
    scanner.value();
    return;
  }
  scanner.object([&](std::string_view raw_key) {
    const std::string key = key_text(raw_key);
    if (key == "source") {
      cell.source = source(scanner, name, complaint);
    } else if (key == "outputs") {
      cell.outputs = outputs(scanner, name, complaint);
    } else if (key == "metadata") {
      cell.metadata = typed(scanner, '{', name + ".metadata", "an object", complaint);
    } else if (key == "attachments") {
      const bool fits = scanner.peek() == '{';
      const auto value = scanner.value();
      cell.attachments = fits ? value : std::string_view{};
    } else if (key == "execution_count") {
      cell.execution_count = scanner.value();
    } else if (key == "cell_type" || key == "id") {
      const bool fits = scanner.peek() == '"';
      const auto value = scanner.value();
      (key == "id" ? cell.id : cell.cell_type) = fits ? decoded(value.substr(1, value.size() - 2)) : std::string{};
    } else {
      scanner.value();
    }
  });
  if (cell.cell_type != "code" && cell.cell_type != "markdown" && cell.cell_type != "raw") {
    complaint.add(cell.offset, name + ".cell_type is " +
                                   (cell.cell_type.empty() ? std::string("missing") : "\"" + cell.cell_type + "\"") +
                                   "; it must be \"code\", \"markdown\" or \"raw\"");
  }
}

void slice_cells(Scanner& scanner, const FormatLimits& limits, FileSlices& file, Complaint& complaint) {
  if (scanner.peek() != '[') {
    complaint.add(scanner.at(), "\"cells\" is not a list");
    scanner.value();
    return;
  }
  if (std::exchange(file.has_cells, true)) complaint.add(scanner.at(), "\"cells\" is there twice");
  file.cells.clear();
  file.cells_begin = file.cells_end = scanner.at() + 1;
  std::size_t begin = 0;  // of the cell's original
  scanner.array([&] {
    const auto text = scanner.text();
    std::size_t after_comma = scanner.at();
    while (std::string_view(" \n\r\t").find(text[after_comma - 1]) != std::string_view::npos) --after_comma;
    if (!file.cells.empty()) file.cells.back().original = text.substr(begin, after_comma - 1 - begin);
    if (file.cells.size() >= limits.max_cells)
      too_large("The notebook has more cells than", limits.max_cells, "max_cells");
    begin = after_comma;
    if (file.cells.size() < 2) file.lead = text.substr(begin, scanner.at() - begin);
    const std::size_t index = file.cells.size();
    slice_cell(scanner, index, file.cells.emplace_back(), complaint);
    file.cells.back().original = scanner.slice(begin);
    file.cells_end = scanner.at();
  });
}

// Decodes sources batch by batch: the host copies what does not lie in the file's own bytes.
void emit_cells(const FileSlices& file, const FormatLimits& limits, const NotebookBuilder& out,
                std::size_t& without_id) {
  InventedIds ids;
  std::vector<bool> has_id(file.cells.size());
  for (std::size_t i = 0; i < file.cells.size(); ++i) {
    has_id[i] = !file.cells[i].id.empty() && ids.take(file.cells[i].id);
  }
  std::deque<std::string> kept;
  std::size_t kept_bytes = 0;
  std::vector<Cell> batch;
  const auto flush = [&] {
    if (!batch.empty()) out.cells(batch);
    batch.clear();
    kept.clear();
    kept_bytes = 0;
  };
  for (std::size_t i = 0; i < file.cells.size(); ++i) {
    const CellSlices& slices = file.cells[i];
    Cell cell;
    if (has_id[i]) {
      cell.id = slices.id;
    } else {
      ++without_id;
      cell.changed = LECTERN_CELL_ID_CHANGED;
      cell.id = kept.emplace_back(ids.invent(i));
    }
    cell.cell_type = slices.cell_type;
    if (!slices.source.empty()) {
      auto& text = kept.emplace_back();
      text.reserve(slices.source.size());
      decode_source(slices.source, text);
      if (text.size() > limits.max_source_bytes) {
        too_large(name_of_cell(i) + ".source has more bytes than", limits.max_source_bytes, "max_source_bytes");
      }
      cell.source = text;
      kept_bytes += text.size();
    }
    if (!slices.metadata.empty()) cell.metadata = slices.metadata;
    cell.attachments = slices.attachments;
    if (slices.cell_type == "code") {
      cell.outputs = slices.outputs;
      cell.execution_count = integer(slices.execution_count);
    }
    cell.original = slices.original;
    batch.push_back(cell);
    if (kept_bytes > batch_bytes || batch.size() == 512) flush();
  }
  flush();
}

void read_version_4(const FileSlices& file, std::string_view bytes, const FormatLimits& limits,
                    const NotebookBuilder& out) {
  std::size_t without_id = 0;
  emit_cells(file, limits, out, without_id);
  const std::string around = std::string(bytes.substr(0, file.cells_begin)) + std::string(bytes.substr(file.cells_end));
  Envelope envelope;
  envelope.text = around;
  envelope.lead = file.lead;
  envelope.had_cells = !file.cells.empty();
  envelope.ascii = file.ascii;
  envelope.source_as_text = file.source_as_text;
  const std::string original = pack(envelope);
  const std::string language = language_of(file.metadata);
  Notebook notebook;
  if (!file.metadata.empty()) notebook.metadata = file.metadata;
  notebook.original = original;
  notebook.language = language;
  out.notebook(notebook);
  const std::int64_t minor = integer(file.minor);
  if (without_id > 0 && minor < 5) {
    out.notice("This notebook is in format 4." + std::to_string(std::max<std::int64_t>(minor, 0)) +
               ", which has no cell ids. The first save that changes something adds them and makes it format 4.5.");
  } else if (without_id > 0) {
    out.notice(std::to_string(without_id) + " cells had no id of their own and got one; the next save writes them.");
  }
}

[[noreturn]] void refuse_version(const FileSlices& file) {
  const std::string version(file.nbformat);
  throw Failure(LECTERN_UNSUPPORTED, "The notebook is in format " + version + "; formats 3 and 4 are read.",
                "Convert it with `jupyter nbconvert --to notebook`.")
      .code("unknown_format");
}

void read_checked(std::string_view bytes, const FormatLimits& limits, const NotebookBuilder& out) {
  Scanner scanner(bytes, limits.max_depth);
  const bool marked = bytes.substr(0, 3) == byte_order_mark;
  if (marked) scanner.go_to(3);
  scanner.skip_space();
  if (scanner.at_end()) throw Malformed{scanner.at(), "the file is empty"};
  if (find_invalid_utf8(bytes.substr(scanner.at(), 4)) == 0) scanner.bad(scanner.at(), "the text is not UTF-8");
  if (scanner.peek() != '{') scanner.bad(scanner.at(), "a notebook begins with '{'");
  Complaint complaint;
  FileSlices file = slice_file(scanner, limits, complaint);
  file.ascii = !marked && scanner.ascii() && scanner.escapes_unicode();
  scanner.skip_space();
  if (!scanner.at_end()) throw Malformed{scanner.at(), "the text goes on after the notebook's end"};
  if (file.nbformat.empty()) throw Malformed{scanner.at() - 1, "\"nbformat\" is missing, so this is no notebook"};
  const std::int64_t major = integer(file.nbformat);
  if (major < 0) throw Malformed{file.nbformat_offset, "\"nbformat\" is not a version number"};
  if (major != 3 && major != 4) refuse_version(file);
  if (major == 3) return read_worksheets(file, scanner, limits, out);
  if (complaint.any) throw complaint.what;
  if (!file.has_cells) throw Malformed{scanner.at() - 1, "\"cells\" is missing"};
  read_version_4(file, bytes, limits, out);
}

}  // namespace

FileSlices slice_file(Scanner& scanner, const FormatLimits& limits, Complaint& complaint) {
  FileSlices file;
  scanner.object([&](std::string_view raw_key) {
    const std::string key = key_text(raw_key);
    if (key == "cells") {
      slice_cells(scanner, limits, file, complaint);
    } else if (key == "metadata") {
      file.metadata_offset = scanner.at();
      file.metadata = typed(scanner, '{', "\"metadata\"", "an object", complaint);
    } else if (key == "nbformat") {
      file.nbformat_offset = scanner.at();
      file.nbformat = scanner.value();
    } else if (key == "nbformat_minor") {
      file.minor = scanner.value();
    } else {
      if (key == "worksheets") file.worksheets_offset = scanner.at();
      scanner.value();
    }
  });
  const auto first =
      std::find_if(file.cells.begin(), file.cells.end(), [](const auto& c) { return !c.source.empty(); });
  file.source_as_text = first != file.cells.end() && first->source.front() == '"';
  return file;
}

std::int64_t integer(std::string_view number) {
  std::int64_t value = -1;
  const char* end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, value);
  return error == std::errc{} && stop == end && value >= 0 ? value : -1;
}

std::string key_text(std::string_view raw) {
  return decoded(raw);
}

void too_large(const std::string& what, std::uint64_t limit, const char* name) {
  throw Failure(LECTERN_TOO_LARGE, what + " the limit of " + std::to_string(limit) + " (" + name + ").",
                "Raise the limit in the settings, or split the notebook.");
}

std::string InventedIds::invent(std::size_t index) {
  static constexpr char digits[] = "0123456789abcdef";
  for (std::uint64_t round = 0;; ++round) {
    std::uint64_t hash = 0xCBF29CE484222325U;  // FNV-1a
    for (const char c : "lectern cell " + std::to_string(index) + "." + std::to_string(round)) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
    }
    std::string id;
    for (int shift = 60; shift >= 32; shift -= 4) id.push_back(digits[(hash >> shift) & 15]);
    if (take(id)) return id;
  }
}

std::string language_of(std::string_view metadata) {
  if (metadata.empty()) return {};
  const Style style;
  const auto text_at = [&](const char* object, const char* key) -> std::string {
    const Members members(metadata, style, {});
    const auto inner = members.find(object);
    if (!inner || inner->front() != '{') return {};
    const Members fields(*inner, style, {});
    const auto value = fields.find(key);
    return value && value->front() == '"' ? decoded(value->substr(1, value->size() - 2)) : std::string{};
  };
  const std::string language = text_at("language_info", "name");
  return language.empty() ? text_at("kernelspec", "language") : language;
}

void read_notebook(std::string_view bytes, const FormatLimits& limits, const NotebookBuilder& out) {
  if (bytes.size() > limits.max_bytes) too_large("The file has more bytes than", limits.max_bytes, "max_bytes");
  try {
    read_checked(bytes, limits, out);
  } catch (const Malformed& bad) {
    const auto before = bytes.substr(0, bad.offset);
    const auto line = static_cast<std::uint64_t>(std::count(before.begin(), before.end(), '\n')) + 1;
    const auto feed = before.rfind('\n');
    const std::uint64_t column = feed == std::string_view::npos ? before.size() + 1 : before.size() - feed;
    throw Failure(LECTERN_INVALID,
                  "The notebook is malformed at line " + std::to_string(line) + ", column " + std::to_string(column) +
                      ": " + bad.message + ".",
                  "Repair the file with a text editor, or take an older version of it. It was not touched.")
        .at(line, column)
        .code("malformed");
  }
}

}  // namespace ipynb
