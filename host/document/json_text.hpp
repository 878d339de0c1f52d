// Surgery on the text of a JSON object: one value changes, every other byte stays as it came.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lectern::document::json_text {

struct Member {
  std::string key;         // unescaped
  std::string_view value;  // into the object's text, without white space around it
};

// [any] All take text that a JSON parser accepted as an object; on other text they give nothing back or change nothing.

/// Top-level members in order. Of repeated keys the last counts, as it does for the document.
std::vector<Member> members(std::string_view object);
/// The value text of a top-level member; empty when absent.
std::optional<std::string_view> find(std::string_view object, std::string_view key);
/// The object with `value` at `path`. Objects on the way are made where they are missing or something else.
std::string with(std::string_view object, std::span<const std::string> path, std::string_view value);
/// The object without what `path` names.
std::string without(std::string_view object, std::span<const std::string> path);

}  // namespace lectern::document::json_text
