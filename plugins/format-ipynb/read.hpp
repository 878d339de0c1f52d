// From the bytes of a file to slices of its parts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "lectern/sdk/format.hpp"
#include "scan.hpp"

namespace ipynb {

/// One cell as nbformat 4 has it; empty slices for what is missing.
struct CellSlices {
  std::size_t offset = 0;     ///< in the file, for messages
  std::string_view original;  ///< with the white space around it, up to the commas
  std::string id;
  std::string cell_type;
  std::string_view source;  ///< the JSON value
  std::string_view metadata, attachments, outputs, execution_count;
};

struct FileSlices {
  std::vector<CellSlices> cells;
  bool has_cells = false;
  std::size_t cells_begin = 0, cells_end = 0;  ///< between the brackets, without the white space before the closing one
  std::string_view lead;
  std::string_view metadata;
  std::size_t metadata_offset = 0;
  std::string_view nbformat, minor;
  std::size_t nbformat_offset = 0;
  std::size_t worksheets_offset = 0;  ///< 0 = none
  bool ascii = false;                 ///< all of it is ASCII and other characters are escaped
  bool source_as_text = false;
};

/// The first thing that is wrong about the structure. It is told only once the version is known: the cells of another
/// version may well look wrong.
struct Complaint {
  bool any = false;
  Malformed what{0, {}};
  void add(std::size_t offset, std::string message) {
    if (!any) what = {offset, std::move(message)};
    any = true;
  }
};

/// Throws Malformed for bad JSON, Failure for a limit.
FileSlices slice_file(Scanner& scanner, const lectern::sdk::FormatLimits& limits, Complaint& complaint);

/// A non-negative integer; -1 for anything else.
std::int64_t integer(std::string_view number);
/// A key as it reads.
std::string key_text(std::string_view raw);
[[noreturn]] void too_large(const std::string& what, std::uint64_t limit, const char* name);

/// The whole of format.read().
void read_notebook(std::string_view bytes, const lectern::sdk::FormatLimits& limits,
                   const lectern::sdk::NotebookBuilder& out);
/// The part of it for nbformat 3, in upgrade.cpp.
void read_worksheets(const FileSlices& file, Scanner& scanner, const lectern::sdk::FormatLimits& limits,
                     const lectern::sdk::NotebookBuilder& out);

/// Ids for cells that have none: the same ones for the same place, so that reading twice gives one notebook.
class InventedIds {
 public:
  /// False when the id is used already.
  bool take(std::string_view id) { return used_.emplace(id).second; }
  std::string invent(std::size_t index);

 private:
  std::unordered_set<std::string> used_;
};

/// What language the notebook's metadata tell; may be empty.
std::string language_of(std::string_view metadata);

}  // namespace ipynb
