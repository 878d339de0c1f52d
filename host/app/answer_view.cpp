#include "app/answer_view.hpp"

namespace lectern::app {

std::string text_of(const json::Value& object, std::string_view key) {
  const auto* member = object.find(key);
  if (!member) return {};
  if (const auto* text = member->as_string()) return *text;
  return member->is_null() ? std::string() : json::write(*member);
}

const json::Array& array_of(const json::Value& object, std::string_view key) {
  static const json::Array none;
  const auto* member = object.find(key);
  const auto* array = member ? member->as_array() : nullptr;
  return array ? *array : none;
}

}  // namespace lectern::app
