// A small description of JSON objects: enough to check a command's body and to write OpenAPI and AsyncAPI from.
#pragma once

#include <span>
#include <string_view>

#include "base/json.hpp"
#include "base/result.hpp"

namespace lectern::session {

enum class FieldType { string, unsigned_integer, integer, number, boolean, object, array, strings, any };

struct Field {
  std::string_view name;
  FieldType type;
  bool required;
  std::string_view about;
  std::string_view values = {};  // for a string: the allowed ones, separated by '|'; empty = any
  bool nullable = false;
};

/// [any] The JSON Schema `type` of a field type: "string", "integer", ...; empty for any.
std::string_view json_type(FieldType type);
/// [any] 400 `bad_request` with the JSON path when `object` does not have the required fields with their types. Unknown
/// keys are fine.
Status check_fields(const json::Value& object, std::span<const Field> fields, std::string_view path);

}  // namespace lectern::session
