// The edits of protocol 4 between JSON and values.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"
#include "document/notebook_changes.hpp"

namespace lectern::session {

/// [any] Reads `changes` of a transaction. 400 `bad_request` with the JSON path ("body.changes[2].cell_id is missing").
Result<std::vector<document::Change>> parse_changes(const json::Array& changes, const std::string& path);
/// [any] A JSON array of changes, as they go into notebook-document-transaction and replies.
std::string changes_json(const std::vector<document::Change>& changes);

}  // namespace lectern::session
