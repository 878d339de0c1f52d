#include "api/spec.hpp"

namespace lectern::api {
namespace {

json::Array choices(std::string_view values, bool nullable) {
  json::Array out;
  while (!values.empty()) {
    const auto bar = values.find('|');
    out.emplace_back(values.substr(0, bar));
    values.remove_prefix(bar == std::string_view::npos ? values.size() : bar + 1);
  }
  if (nullable) out.emplace_back(nullptr);
  return out;
}

json::Value field_schema(const session::Field& field) {
  json::Value out{json::Object{}};
  if (const auto type = session::json_type(field.type); !type.empty()) {
    if (field.nullable) {
      out.set("type", json::Array{json::Value(type), json::Value("null")});
    } else {
      out.set("type", type);
    }
  }
  if (field.type == session::FieldType::unsigned_integer) out.set("minimum", 0);
  if (field.type == session::FieldType::array) out.set("items", json::Value(json::Object{}));
  if (field.type == session::FieldType::strings) {
    json::Value item;
    item.set("type", "string");
    out.set("items", std::move(item));
  }
  if (!field.values.empty()) out.set("enum", choices(field.values, field.nullable));
  if (!field.about.empty()) out.set("description", field.about);
  return out;
}

}  // namespace

json::Value object_schema(std::span<const session::Field> fields) {
  json::Value properties{json::Object{}};
  json::Array required;
  for (const auto& field : fields) {
    properties.set(field.name, field_schema(field));
    if (field.required) required.emplace_back(field.name);
  }
  json::Value out;
  out.set("type", "object");
  if (!required.empty()) out.set("required", std::move(required));
  if (!fields.empty()) out.set("properties", std::move(properties));
  return out;
}

}  // namespace lectern::api
