// The part of YAML that notebook headers are written in: mappings by indentation, scalars, lists, flow collections.
// What is beyond it (anchors, block scalars, tags) is kept as it stands and has no value here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace text_cells {

/// One key of a mapping, and the lines [first, last) that say it.
struct YamlEntry {
  std::string key;
  std::string json;  ///< its value as JSON text; empty when it is beyond what is read here
  std::size_t first = 0, last = 0;
};

/// The entries of the mapping that the lines (without their ends) hold; nothing when they hold something else.
std::optional<std::vector<YamlEntry>> yaml_mapping(const std::vector<std::string>& lines);
/// The entries as a JSON object, those without a value left out.
std::string json_object(const std::vector<YamlEntry>& entries);
/// A scalar or flow collection on one line, as JSON text; nothing for what is beyond it.
std::optional<std::string> yaml_inline(std::string_view text);

/// The lines of a mapping after its values became those of the JSON object `metadata`: entries that stayed keep their
/// lines, others are written, removed or appended; `leave_out` is not written. Entries without a value stay, and what
/// Jupytext says about the file itself.
std::vector<std::string> updated_yaml(const std::vector<std::string>& lines, std::string_view metadata,
                                      const std::vector<std::string_view>& leave_out);
/// The members of a JSON object: decoded key, compact value.
std::vector<std::pair<std::string, std::string>> json_members(std::string_view object);
/// JSON text without the white space between its tokens.
std::string compact(std::string_view json);

}  // namespace text_cells
