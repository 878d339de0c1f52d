// How a file is laid out, so that what is written anew looks like the rest of it.
#pragma once

#include <string>
#include <string_view>

namespace ipynb {

/// Defaults: as Jupyter writes.
struct Style {
  bool pretty = true;  ///< one value a line
  std::string newline = "\n";
  std::string unit = " ";  ///< indentation of one level
  std::string colon = ": ";
  std::string gap;              ///< after a comma, when not pretty
  bool ascii = false;           ///< other characters are escaped
  bool source_as_text = false;  ///< new sources as one string, not as lines

  /// What stands before a value at `depth` on a line of its own; empty when not pretty.
  [[nodiscard]] std::string lead(std::size_t depth) const;
};

/// Learns the layout from the notebook's outermost object.
Style detect_style(std::string_view envelope);

/// `json` (valid) laid out anew: tokens as they are, white space by `style`. `lead` is what stands before the line on
/// which the value begins (a line break and the indentation).
void reindent(std::string_view json, const Style& style, std::string_view lead, std::string& out);

/// The text around the cells, with what cannot be seen in it, packed into lectern_notebook.original.
struct Envelope {
  std::string_view text;  ///< the file without its cells: `{... "cells": [] ...}` and what is around
  std::string_view lead;  ///< white space before the second cell, else before the first
  bool had_cells = true;
  bool ascii = false;
  bool source_as_text = false;
};
std::string pack(const Envelope& envelope);
/// False when `original` is not what pack() made.
bool unpack(std::string_view original, Envelope& envelope);

}  // namespace ipynb
