// JSON of the host: one guarded parser, one value type, one writer. RapidJSON stays behind the .cpp. Numbers keep their
// text (protocol: "JSON numbers pass through the host with their text untouched"), objects keep their order.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace lectern::json {

/// What the guard allows; what exceeds it is refused before or while parsing, never after.
struct Limits {
  std::size_t bytes = 16u << 20;
  std::size_t depth = 64;
  std::size_t nodes = 1'000'000;
  bool unique_keys = true;  // duplicates mean smuggling: RapidJSON finds the first, most peers keep the last
};

struct Number {
  std::string text;
  bool operator==(const Number&) const = default;
};
/// JSON text that is written as it is; the parser never makes one.
struct Raw {
  std::string text;
  bool operator==(const Raw&) const = default;
};

class Value;
using Array = std::vector<Value>;
using Object = std::vector<std::pair<std::string, Value>>;

class Value {
 public:
  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool value) : data_(value) {}
  Value(int value) : data_(Number{std::to_string(value)}) {}
  Value(unsigned value) : data_(Number{std::to_string(value)}) {}
  Value(long value) : data_(Number{std::to_string(value)}) {}
  Value(unsigned long value) : data_(Number{std::to_string(value)}) {}
  Value(long long value) : data_(Number{std::to_string(value)}) {}
  Value(unsigned long long value) : data_(Number{std::to_string(value)}) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(std::string_view value) : data_(std::string(value)) {}
  Value(Number value) : data_(std::move(value)) {}
  Value(Raw value) : data_(std::move(value)) {}
  Value(Array value) : data_(std::move(value)) {}
  Value(Object value) : data_(std::move(value)) {}

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::nullptr_t>(data_); }
  [[nodiscard]] bool is_string() const { return std::holds_alternative<std::string>(data_); }
  [[nodiscard]] bool is_number() const { return std::holds_alternative<Number>(data_); }
  [[nodiscard]] bool is_bool() const { return std::holds_alternative<bool>(data_); }
  [[nodiscard]] bool is_array() const { return std::holds_alternative<Array>(data_); }
  [[nodiscard]] bool is_object() const { return std::holds_alternative<Object>(data_); }
  /// "null", "boolean", "number", "string", "array", "object" - for messages.
  [[nodiscard]] std::string_view type_name() const;

  /// Null when the type differs. Pointers live as long as this value is unchanged.
  [[nodiscard]] const std::string* as_string() const { return std::get_if<std::string>(&data_); }
  [[nodiscard]] const Array* as_array() const { return std::get_if<Array>(&data_); }
  [[nodiscard]] const Object* as_object() const { return std::get_if<Object>(&data_); }
  [[nodiscard]] Array* as_array() { return std::get_if<Array>(&data_); }
  [[nodiscard]] Object* as_object() { return std::get_if<Object>(&data_); }
  [[nodiscard]] const Number* as_number() const { return std::get_if<Number>(&data_); }
  [[nodiscard]] std::optional<bool> as_bool() const;
  /// Empty when not a number or not an integer in range ("1.0" and "1e2" are not integers here).
  [[nodiscard]] std::optional<std::int64_t> as_int() const;
  [[nodiscard]] std::optional<std::uint64_t> as_uint() const;
  [[nodiscard]] std::optional<double> as_double() const;

  /// The member `key` of an object, null when absent or not an object. Linear: our objects are small.
  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] Value* find(std::string_view key);
  /// Sets or adds a member; makes an empty object of a null.
  void set(std::string_view key, Value value);

  bool operator==(const Value&) const = default;

 private:
  friend void write(const Value&, std::string&);
  std::variant<std::nullptr_t, bool, Number, std::string, Array, Object, Raw> data_{nullptr};
};

/// [any] Parses one whole JSON text. 400 `malformed_json` with line and column, 413 `too_large`.
Result<Value> parse(std::string_view text, const Limits& limits = {});
/// [any] Appends `value` as compact JSON. Strings must be valid UTF-8 (the parser sees to it).
void write(const Value& value, std::string& out);
std::string write(const Value& value);
/// [any] Appends `text` quoted and escaped.
void write_string(std::string_view text, std::string& out);

/// Builds JSON text in place for hot paths: events are encoded once, without a tree.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_array() { return open('['); }
  Writer& end_array() { return close(']'); }
  Writer& key(std::string_view name);
  Writer& string(std::string_view text);
  Writer& integer(std::int64_t value);
  Writer& unsigned_integer(std::uint64_t value);
  Writer& boolean(bool value);
  Writer& null();
  Writer& value(const Value& value);
  /// JSON text written as it is.
  Writer& raw(std::string_view json);
  // Shorthands for the common member kinds.
  Writer& member(std::string_view name, std::string_view text) { return key(name).string(text); }
  Writer& member(std::string_view name, const char* text) { return key(name).string(text); }
  Writer& member(std::string_view name, bool flag) { return key(name).boolean(flag); }
  Writer& member(std::string_view name, std::int64_t number) { return key(name).integer(number); }
  Writer& member(std::string_view name, std::uint64_t number) { return key(name).unsigned_integer(number); }
  Writer& member(std::string_view name, int number) { return key(name).integer(number); }
  Writer& member_raw(std::string_view name, std::string_view json) { return key(name).raw(json); }

 private:
  Writer& open(char c);
  Writer& close(char c);
  void separate();
  std::string& out_;
  bool need_comma_ = false;
};

/// [any] The text of the member `key`; empty when it is no string, or not there. For what may be missing; Fields says
/// what is wrong with it.
std::string string_or_empty(const Value& object, std::string_view key);

/// [any] 400 `bad_request` about the value at `path` ("body.changes[2].value"): `what` follows it in the message (" is
/// missing"), and details name it.
Error error_at(std::string_view path, std::string_view what, std::string hint = {});

/// Reads members of an object with errors that carry the JSON path ("body.changes[2].cell_id must be a string").
class Fields {
 public:
  /// `path` names the object in messages. Keeps references; use on the stack.
  Fields(const Value& object, std::string path) : object_(object), path_(std::move(path)) {}
  /// 400 `bad_request` unless the value is an object.
  [[nodiscard]] Status check() const;
  /// 400 `bad_request` for a member that is none of `known`: where one that is not understood must not be passed over.
  [[nodiscard]] Status only(std::initializer_list<std::string_view> known) const;
  [[nodiscard]] Result<std::string> string(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::string>> optional_string(std::string_view key) const;
  [[nodiscard]] Result<std::uint64_t> unsigned_integer(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::uint64_t>> optional_unsigned(std::string_view key) const;
  [[nodiscard]] Result<bool> boolean(std::string_view key) const;
  [[nodiscard]] Result<bool> boolean_or(std::string_view key, bool fallback) const;
  [[nodiscard]] Result<const Array*> array(std::string_view key) const;
  [[nodiscard]] Result<const Value*> object(std::string_view key) const;
  [[nodiscard]] Result<std::vector<std::string>> strings(std::string_view key) const;
  [[nodiscard]] bool has(std::string_view key) const { return object_.find(key) != nullptr; }
  [[nodiscard]] std::string path_of(std::string_view key) const;

 private:
  [[nodiscard]] Result<const Value*> required(std::string_view key) const;
  const Value& object_;
  std::string path_;
};

}  // namespace lectern::json
