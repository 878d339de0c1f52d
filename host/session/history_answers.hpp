// The JSON that questions about the past are answered with, and where kept copies of the file lie.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "document/history_difference.hpp"
#include "document/history_reader.hpp"
#include "document/history_version.hpp"
#include "document/notebook_file.hpp"

namespace lectern::session {

/// A file that a save put aside. Its version is "copy-<ms>".
struct KeptCopy {
  std::string version, path, name;
  std::int64_t at_ms = 0;
  std::uint64_t bytes = 0;
};

/// [worker] The newest first.
std::vector<KeptCopy> kept_copies(const std::string& state_dir);

/// [worker] The cells of a file. Errors: those of document::load().
Result<std::vector<document::Cell>> cells_of_file(const std::string& path, const document::Formats& formats,
                                                  const document::FileLimits& limits);

/// [any] The members of a version, without the braces' neighbours: one JSON object.
std::string version_json(const document::Version& version);
std::string kept_json(const std::vector<KeptCopy>& copies);
/// [any] `"cells":[…],"truncated":…` of a version; sources past 8 MB are left out.
std::string cells_json(const std::vector<document::Cell>& cells);
/// [any] `"cells":[…],"unchanged":n,"truncated":…` of a comparison.
std::string differences_json(const std::vector<document::Cell>& before, const std::vector<document::Cell>& after);
/// [any] The answer about one cell. `group` of a line is an index into `versions`.
std::string blame_json(std::string_view cell_id, const std::vector<document::LineAuthor>& lines,
                       const std::vector<document::Version>& versions);

}  // namespace lectern::session
