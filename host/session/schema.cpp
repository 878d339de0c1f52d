#include "session/schema.hpp"

#include <string>

namespace lectern::session {
namespace {

bool is_strings(const json::Value& value) {
  const auto* array = value.as_array();
  if (array == nullptr) return false;
  for (const auto& item : *array) {
    if (!item.is_string()) return false;
  }
  return true;
}

bool fits(const json::Value& value, FieldType type) {
  switch (type) {
    case FieldType::string:
      return value.is_string();
    case FieldType::unsigned_integer:
      return value.as_uint().has_value();
    case FieldType::integer:
      return value.as_int().has_value();
    case FieldType::number:
      return value.is_number();
    case FieldType::boolean:
      return value.is_bool();
    case FieldType::object:
      return value.is_object();
    case FieldType::array:
      return value.is_array();
    case FieldType::strings:
      return is_strings(value);
    case FieldType::any:
      return true;
  }
  return false;
}

std::string_view in_words(FieldType type) {
  switch (type) {
    case FieldType::string:
      return "a string";
    case FieldType::unsigned_integer:
      return "an integer, 0 or more";
    case FieldType::integer:
      return "an integer";
    case FieldType::number:
      return "a number";
    case FieldType::boolean:
      return "true or false";
    case FieldType::object:
      return "an object";
    case FieldType::array:
      return "an array";
    case FieldType::strings:
      return "an array of strings";
    case FieldType::any:
      return "any value";
  }
  return "a value";
}

auto refused(const std::string& where, const std::string& what, std::string hint = {}) {
  return fail(json::error_at(where, what, std::move(hint)));
}

bool one_of(std::string_view word, std::string_view values) {
  while (true) {
    const auto bar = values.find('|');
    if (values.substr(0, bar) == word) return true;
    if (bar == std::string_view::npos) return false;
    values.remove_prefix(bar + 1);
  }
}

}  // namespace

std::string_view json_type(FieldType type) {
  switch (type) {
    case FieldType::string:
      return "string";
    case FieldType::unsigned_integer:
    case FieldType::integer:
      return "integer";
    case FieldType::number:
      return "number";
    case FieldType::boolean:
      return "boolean";
    case FieldType::object:
      return "object";
    case FieldType::array:
    case FieldType::strings:
      return "array";
    case FieldType::any:
      return "";
  }
  return "";
}

Status check_fields(const json::Value& object, std::span<const Field> fields, std::string_view path) {
  const std::string at(path);
  if (!object.is_object()) {
    return refused(at, " must be an object, not " + std::string(object.type_name()));
  }
  for (const auto& field : fields) {
    const std::string where = at + "." + std::string(field.name);
    const auto* value = object.find(field.name);
    if (value == nullptr) {
      if (!field.required) continue;
      return refused(where, " is missing; it must be " + std::string(in_words(field.type)));
    }
    if (value->is_null() && (field.nullable || !field.required)) continue;
    if (!fits(*value, field.type)) {
      return refused(where,
                     " must be " + std::string(in_words(field.type)) + ", not " + std::string(value->type_name()));
    }
    if (field.type == FieldType::string && !field.values.empty() && !one_of(*value->as_string(), field.values)) {
      return refused(where, " is '" + *value->as_string() + "'", "use one of " + std::string(field.values));
    }
  }
  return {};
}

}  // namespace lectern::session
