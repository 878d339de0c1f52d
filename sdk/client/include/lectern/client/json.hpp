// JSON as the wire has it: events, metadata and outputs are open-ended, so they are values of this type. Numbers keep
// their text, objects keep their order. Looking for what is not there gives null and never fails.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lectern/client/result.hpp"

namespace lectern::client {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;
  /// What exceeds one of these is refused while it is read.
  struct Limits {
    std::size_t depth = 100;
    std::size_t values = 4'000'000;
  };

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : data_(value) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Json(T value) : data_(Number{std::to_string(value)}) {}
  /// Null when not finite: JSON has no such number.
  Json(double value);
  Json(const char* text) : data_(std::string(text)) {}
  Json(std::string text) : data_(std::move(text)) {}
  Json(std::string_view text) : data_(std::string(text)) {}
  Json(Array values) : data_(std::move(values)) {}
  Json(Object members) : data_(std::move(members)) {}

  /// [any] Reads one whole JSON text in UTF-8. `bad_answer` with the byte where it is wrong. Of members with one name
  /// the first counts.
  static Result<Json> parse(std::string_view text, const Limits& limits);
  static Result<Json> parse(std::string_view text) { return parse(text, Limits()); }
  /// [any] As compact JSON text.
  [[nodiscard]] std::string dump() const;

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::nullptr_t>(data_); }
  [[nodiscard]] bool is_bool() const { return std::holds_alternative<bool>(data_); }
  [[nodiscard]] bool is_number() const { return std::holds_alternative<Number>(data_); }
  [[nodiscard]] bool is_string() const { return std::holds_alternative<std::string>(data_); }
  [[nodiscard]] bool is_array() const { return std::holds_alternative<Array>(data_); }
  [[nodiscard]] bool is_object() const { return std::holds_alternative<Object>(data_); }

  /// Null when the type differs; what they point to is this value's own.
  [[nodiscard]] const std::string* as_string() const { return std::get_if<std::string>(&data_); }
  [[nodiscard]] const Array* as_array() const { return std::get_if<Array>(&data_); }
  [[nodiscard]] const Object* as_object() const { return std::get_if<Object>(&data_); }
  [[nodiscard]] std::string* as_string() { return std::get_if<std::string>(&data_); }
  [[nodiscard]] Array* as_array() { return std::get_if<Array>(&data_); }
  [[nodiscard]] Object* as_object() { return std::get_if<Object>(&data_); }

  /// The text of a string; empty when it is none.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::optional<bool> boolean() const;
  /// Empty when it is no integer, or does not fit.
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] std::optional<double> number() const;

  /// The member `key`; null when absent or not an object.
  [[nodiscard]] const Json* find(std::string_view key) const;
  [[nodiscard]] Json* find(std::string_view key);
  /// The same as a reference: to a null value when it is absent, so that look-ups chain.
  const Json& operator[](std::string_view key) const;
  const Json& operator[](const char* key) const { return (*this)[std::string_view(key)]; }
  const Json& operator[](std::size_t index) const;
  /// Members of an object, elements of an array, else 0.
  [[nodiscard]] std::size_t size() const;
  /// Sets or adds a member; whatever is no object becomes one. For chains: Json().set("a", 1).set("b", 2).
  Json& set(std::string_view key, Json value) &;
  Json&& set(std::string_view key, Json value) &&;
  /// Removes a member, if there is one.
  void erase(std::string_view key);
  /// Adds an element; whatever is no array becomes one.
  void push_back(Json value);

  bool operator==(const Json&) const = default;

 private:
  struct Number {
    std::string text;
    bool operator==(const Number&) const = default;
  };
  class Parser;
  void write(std::string& out) const;
  std::variant<std::nullptr_t, bool, Number, std::string, Array, Object> data_{nullptr};
};

}  // namespace lectern::client
