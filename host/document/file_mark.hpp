// What a notebook's journal remembers of the file: what it was when it was last read or written, and the heads of the
// document that made it. Private to this folder.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "document/notebook_file.hpp"

namespace lectern::document {

struct FileMark {
  Fingerprint print;
  std::string heads;  ///< SaveRequest::heads; empty when unknown
};

/// [any] As it stands in the journal's meta values `meta_key::file` and `meta_key::save_intent`.
std::string mark_json(const FileMark& mark);
/// [any] nullopt when `key` is missing or not a mark.
std::optional<FileMark> read_mark(const std::map<std::string, std::string>& meta, std::string_view key);

/// Of `meta_key::file_base`: about a notebook with a larger one, differences are asked.
inline constexpr std::size_t kMostBaseBytes = 1u << 20;

}  // namespace lectern::document
