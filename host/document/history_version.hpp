// A version: what one person (or the host) did to a notebook in one go, when, and the heads the document had
// afterwards.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "document/change_hash.hpp"
#include "document/notebook_changes.hpp"

namespace lectern::document {

struct Author {
  std::string client_id, label, device;
  std::vector<std::string> actors;  ///< hex, that their changes were made under
};

/// What happened to one cell.
struct CellTouch {
  std::string cell_id;
  std::uint64_t inserted = 0, deleted = 0;  ///< code points of the source
  bool created = false, removed = false, moved = false;
  bool changed = false;  ///< its type or metadata
};

struct Version {
  std::uint64_t number = 0;
  std::string history_id;
  /// "client", "restore", "kernel", "file", "host"; what a history begins with: "import", "create", "earlier" (made
  /// before there was a log), "trimmed" (the one before had grown too long); "recovered": after a crash, of which the
  /// log had not heard.
  std::string source;
  std::int64_t first_ms = 0, last_ms = 0;  ///< wall clock of this host
  std::vector<Author> authors;             ///< in the order they came; empty when nobody did it
  std::vector<ChangeHash> heads;
  std::vector<CellTouch> cells;  ///< at most max_cells_told
  std::uint64_t more_cells = 0;
  std::uint64_t edits = 0;
  std::string restored, restored_cell;  ///< with "restore": which version, and which cell when it was only one
};
inline constexpr std::size_t max_cells_told = 64;

/// [any] What `changes` did, cell by cell, in the order they were touched first.
std::vector<CellTouch> touches_of(const std::vector<Change>& changes);
/// [any] Adds to `into` what comes after it.
void merge_touches(Version& into, const std::vector<CellTouch>& later);
/// [any] Adds an author, or their actors where they are known already.
void merge_author(Version& into, const Author& author);

/// [any] For the log.
std::string to_json(const Version& version);
Result<Version> version_from_json(std::string_view text);

}  // namespace lectern::document
