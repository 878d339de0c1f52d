#include "base/json.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <unordered_set>

// RapidJSON asserts on misuse; ours are bugs and end in an exception the tests see, never in an abort of the host.
#include <stdexcept>
#define RAPIDJSON_ASSERT(x) \
  if (!(x)) throw std::logic_error("json: " #x)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wclass-memaccess"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
#pragma GCC diagnostic ignored "-Wshadow"
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#pragma GCC diagnostic pop

#include "base/text.hpp"

namespace lectern::json {
namespace {

// One container while it is being read. Keys of large objects are checked by hash; small ones by looking.
struct Frame {
  bool is_object = false;
  Array array;
  Object object;
  std::string key;
  std::unordered_set<std::string> keys;
};

class Builder {
 public:
  explicit Builder(const Limits& limits) : limits_(limits) {}
  std::string refusal;
  std::string refusal_code = "malformed_json";
  Value root;

  bool Null() { return add(Value(nullptr)); }
  bool Bool(bool value) { return add(Value(value)); }
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    return add(Value(Number{std::string(text, size)}));
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    std::string_view view(text, size);
    // A lone low surrogate escape passes RapidJSON's own validation and becomes invalid UTF-8.
    if (!text::valid_utf8(view)) return refuse("a string is not valid Unicode");
    return add(Value(view));
  }
  bool StartObject() { return push(true); }
  bool StartArray() { return push(false); }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    auto& frame = frames_.back();
    frame.key.assign(text, size);
    if (!text::valid_utf8(frame.key)) return refuse("a key is not valid Unicode");
    if (limits_.unique_keys && !remember(frame)) return refuse("the key \"" + frame.key + "\" appears twice");
    return true;
  }
  bool EndObject(rapidjson::SizeType) {
    Value value(std::move(frames_.back().object));
    frames_.pop_back();
    return place(std::move(value));
  }
  bool EndArray(rapidjson::SizeType) {
    Value value(std::move(frames_.back().array));
    frames_.pop_back();
    return place(std::move(value));
  }

 private:
  bool refuse(std::string why) {
    refusal = std::move(why);
    return false;
  }
  bool push(bool is_object) {
    if (frames_.size() >= limits_.depth) {
      return refuse("it is nested deeper than " + std::to_string(limits_.depth) + " levels");
    }
    frames_.emplace_back().is_object = is_object;
    return count();
  }
  bool count() {
    if (++nodes_ <= limits_.nodes) return true;
    refusal_code = "too_large";
    return refuse("it has more than " + std::to_string(limits_.nodes) + " values");
  }
  bool add(Value value) { return count() && place(std::move(value)); }
  bool place(Value value) {
    if (frames_.empty()) {
      root = std::move(value);
    } else if (auto& frame = frames_.back(); frame.is_object) {
      frame.object.emplace_back(std::move(frame.key), std::move(value));
    } else {
      frame.array.push_back(std::move(value));
    }
    return true;
  }
  static bool remember(Frame& frame) {
    if (frame.object.size() < 16) {
      for (const auto& [key, value] : frame.object) {
        if (key == frame.key) return false;
      }
      return true;
    }
    if (frame.keys.empty()) {
      for (const auto& [key, value] : frame.object) frame.keys.insert(key);
    }
    return frame.keys.insert(frame.key).second;
  }

  const Limits& limits_;
  std::vector<Frame> frames_;
  std::size_t nodes_ = 0;
};

std::string place_of(std::string_view text, std::size_t offset) {
  const auto [line, column] = text::line_and_column(text, offset);
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

}  // namespace

Result<Value> parse(std::string_view text, const Limits& limits) {
  if (text.size() > limits.bytes) {
    return fail(413, "too_large",
                "The JSON text has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(limits.bytes) +
                    " are read here.");
  }
  rapidjson::MemoryStream stream(text.data(), text.size());
  Builder builder(limits);
  rapidjson::Reader reader;
  // Iterative: the recursive parser overflows the stack. Numbers as strings: their text must survive. Stop when done:
  // the trailing check below is ours, because RapidJSON takes a NUL byte for the end.
  constexpr unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag |
                             rapidjson::kParseValidateEncodingFlag | rapidjson::kParseStopWhenDoneFlag;
  const auto outcome = reader.Parse<flags>(stream, builder);
  if (outcome.IsError()) {
    const std::string why = builder.refusal.empty() ? rapidjson::GetParseError_En(outcome.Code()) : builder.refusal;
    const bool large = builder.refusal_code == "too_large";
    return fail(large ? 413 : 400, builder.refusal_code,
                "The JSON text is refused at " + place_of(text, outcome.Offset()) + ": " + why,
                large ? "" : "Send one JSON value in UTF-8.");
  }
  std::size_t end = stream.Tell();
  while (end < text.size() && (text[end] == ' ' || text[end] == '\n' || text[end] == '\r' || text[end] == '\t')) ++end;
  if (end != text.size()) {
    return fail(400, "malformed_json", "The JSON text goes on after its end at " + place_of(text, end) + ".",
                "Send one JSON value and nothing after it.");
  }
  return std::move(builder.root);
}

std::string_view Value::type_name() const {
  static constexpr std::string_view names[] = {"null", "boolean", "number", "string", "array", "object", "raw"};
  return names[data_.index()];
}

std::optional<bool> Value::as_bool() const {
  if (const auto* value = std::get_if<bool>(&data_)) return *value;
  return std::nullopt;
}

namespace {
template <class T>
std::optional<T> parse_number(const Number* number) {
  if (number == nullptr) return std::nullopt;
  T value{};
  const char* end = number->text.data() + number->text.size();
  const auto [stop, error] = std::from_chars(number->text.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}
}  // namespace

std::optional<std::int64_t> Value::as_int() const {
  return parse_number<std::int64_t>(as_number());
}
std::optional<std::uint64_t> Value::as_uint() const {
  return parse_number<std::uint64_t>(as_number());
}
std::optional<double> Value::as_double() const {
  return parse_number<double>(as_number());
}

const Value* Value::find(std::string_view key) const {
  const auto* object = as_object();
  if (object == nullptr) return nullptr;
  for (const auto& [name, value] : *object) {
    if (name == key) return &value;
  }
  return nullptr;
}
Value* Value::find(std::string_view key) {
  return const_cast<Value*>(std::as_const(*this).find(key));
}

void Value::set(std::string_view key, Value value) {
  if (is_null()) data_ = Object{};
  if (auto* existing = find(key)) {
    *existing = std::move(value);
  } else if (auto* object = as_object()) {
    object->emplace_back(std::string(key), std::move(value));
  }
}

void write_string(std::string_view text, std::string& out) {
  static constexpr char hex[] = "0123456789abcdef";
  out += '"';
  std::size_t from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, from, i - from);
    from = i + 1;
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        out += "\\u00", out += hex[c >> 4], out += hex[c & 15];
    }
  }
  out.append(text, from, text.size() - from);
  out += '"';
}

void write(const Value& value, std::string& out) {
  struct Visitor {
    std::string& out;
    void operator()(std::nullptr_t) const { out += "null"; }
    void operator()(bool flag) const { out += flag ? "true" : "false"; }
    void operator()(const Number& number) const { out += number.text; }
    void operator()(const std::string& text) const { write_string(text, out); }
    void operator()(const Raw& raw) const { out += raw.text; }
    void operator()(const Array& array) const {
      out += '[';
      bool first = true;
      for (const auto& item : array) {
        if (!std::exchange(first, false)) out += ',';
        write(item, out);
      }
      out += ']';
    }
    void operator()(const Object& object) const {
      out += '{';
      bool first = true;
      for (const auto& [key, item] : object) {
        if (!std::exchange(first, false)) out += ',';
        write_string(key, out);
        out += ':';
        write(item, out);
      }
      out += '}';
    }
  };
  std::visit(Visitor{out}, value.data_);
}

std::string write(const Value& value) {
  std::string out;
  write(value, out);
  return out;
}

void Writer::separate() {
  if (need_comma_) out_ += ',';
  need_comma_ = true;
}
Writer& Writer::open(char c) {
  separate();
  out_ += c;
  need_comma_ = false;
  return *this;
}
Writer& Writer::close(char c) {
  out_ += c;
  need_comma_ = true;
  return *this;
}
Writer& Writer::key(std::string_view name) {
  separate();
  write_string(name, out_);
  out_ += ':';
  need_comma_ = false;
  return *this;
}
Writer& Writer::string(std::string_view text) {
  separate();
  write_string(text, out_);
  return *this;
}
Writer& Writer::integer(std::int64_t number) {
  return raw(std::to_string(number));
}
Writer& Writer::unsigned_integer(std::uint64_t number) {
  return raw(std::to_string(number));
}
Writer& Writer::boolean(bool flag) {
  return raw(flag ? "true" : "false");
}
Writer& Writer::null() {
  return raw("null");
}
Writer& Writer::value(const Value& tree) {
  separate();
  write(tree, out_);
  return *this;
}
Writer& Writer::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

std::string string_or_empty(const Value& object, std::string_view key) {
  const auto* value = object.find(key);
  const auto* text = value == nullptr ? nullptr : value->as_string();
  return text == nullptr ? std::string() : *text;
}

std::string Fields::path_of(std::string_view key) const {
  return path_ + "." + std::string(key);
}

Error error_at(std::string_view path, std::string_view what, std::string hint) {
  std::string details;
  Writer(details).begin_object().member("path", path).end_object();
  return {400, "bad_request", std::string(path) + std::string(what), std::move(hint), std::move(details)};
}

namespace {
tl::unexpected<Error> wrong_type(const std::string& path, std::string_view wanted, const Value& got) {
  return fail(error_at(path, " must be " + std::string(wanted) + ", got " + std::string(got.type_name()) + "."));
}
}  // namespace

Status Fields::check() const {
  if (!object_.is_object()) return wrong_type(path_, "an object", object_);
  return {};
}
Status Fields::only(std::initializer_list<std::string_view> known) const {
  LECTERN_CHECK(check());
  for (const auto& [key, value] : *object_.as_object()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const auto shown = path_of(text::label(key, 80));
    const auto near = text::nearest(key.substr(0, 80), std::vector<std::string>(known.begin(), known.end()));
    return fail(
        error_at(shown, " is not known here.", near.empty() ? std::string() : "Did you mean " + path_of(near) + "?"));
  }
  return {};
}
Result<const Value*> Fields::required(std::string_view key) const {
  const Value* value = object_.find(key);
  if (value == nullptr) {
    return fail(error_at(path_of(key), " is missing."));
  }
  return value;
}
Result<std::string> Fields::string(std::string_view key) const {
  LECTERN_TRY(const Value* value, required(key));
  if (const auto* text = value->as_string()) return *text;
  return wrong_type(path_of(key), "a string", *value);
}
Result<std::optional<std::string>> Fields::optional_string(std::string_view key) const {
  const Value* value = object_.find(key);
  if (value == nullptr || value->is_null()) return std::optional<std::string>{};
  if (const auto* text = value->as_string()) return std::optional<std::string>{*text};
  return wrong_type(path_of(key), "a string", *value);
}
Result<std::uint64_t> Fields::unsigned_integer(std::string_view key) const {
  LECTERN_TRY(const Value* value, required(key));
  if (const auto number = value->as_uint()) return *number;
  return wrong_type(path_of(key), "a whole number from 0", *value);
}
Result<std::optional<std::uint64_t>> Fields::optional_unsigned(std::string_view key) const {
  const Value* value = object_.find(key);
  if (value == nullptr || value->is_null()) return std::optional<std::uint64_t>{};
  if (const auto number = value->as_uint()) return std::optional<std::uint64_t>{*number};
  return wrong_type(path_of(key), "a whole number from 0", *value);
}
Result<bool> Fields::boolean(std::string_view key) const {
  LECTERN_TRY(const Value* value, required(key));
  if (const auto flag = value->as_bool()) return *flag;
  return wrong_type(path_of(key), "true or false", *value);
}
Result<bool> Fields::boolean_or(std::string_view key, bool fallback) const {
  const Value* value = object_.find(key);
  if (value == nullptr || value->is_null()) return fallback;
  if (const auto flag = value->as_bool()) return *flag;
  return wrong_type(path_of(key), "true or false", *value);
}
Result<const Array*> Fields::array(std::string_view key) const {
  LECTERN_TRY(const Value* value, required(key));
  if (const auto* items = value->as_array()) return items;
  return wrong_type(path_of(key), "an array", *value);
}
Result<const Value*> Fields::object(std::string_view key) const {
  LECTERN_TRY(const Value* value, required(key));
  if (value->is_object()) return value;
  return wrong_type(path_of(key), "an object", *value);
}
Result<std::vector<std::string>> Fields::strings(std::string_view key) const {
  LECTERN_TRY(const Array* items, array(key));
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < items->size(); ++i) {
    const auto* text = (*items)[i].as_string();
    if (text == nullptr) return wrong_type(path_of(key) + "[" + std::to_string(i) + "]", "a string", (*items)[i]);
    texts.push_back(*text);
  }
  return texts;
}

}  // namespace lectern::json
