#include "plugin/extensions_schema.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

// RapidJSON asserts on misuse; ours are bugs and end in an exception the tests see, never in an abort of the host.
#include <stdexcept>
#define RAPIDJSON_ASSERT(x) \
  if (!(x)) throw std::logic_error("schema: " #x)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wclass-memaccess"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
#pragma GCC diagnostic ignored "-Wshadow"
#include <rapidjson/document.h>
#include <rapidjson/pointer.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>
#pragma GCC diagnostic pop

#include "base/json.hpp"
#include "base/text.hpp"

namespace lectern::plugin {

namespace {

constexpr json::Limits limits{.bytes = 64u << 10, .depth = 24, .nodes = 10'000, .unique_keys = true};

// What RapidJSON enforces, or what only people read. Others it ignores without a word: "const", "if", "propertyNames".
constexpr std::array<std::string_view, 32> keywords{"type",
                                                    "enum",
                                                    "properties",
                                                    "required",
                                                    "additionalProperties",
                                                    "patternProperties",
                                                    "dependencies",
                                                    "minProperties",
                                                    "maxProperties",
                                                    "items",
                                                    "additionalItems",
                                                    "minItems",
                                                    "maxItems",
                                                    "uniqueItems",
                                                    "minLength",
                                                    "maxLength",
                                                    "pattern",
                                                    "minimum",
                                                    "maximum",
                                                    "exclusiveMinimum",
                                                    "exclusiveMaximum",
                                                    "multipleOf",
                                                    "allOf",
                                                    "anyOf",
                                                    "oneOf",
                                                    "not",
                                                    "$ref",
                                                    "definitions",
                                                    "title",
                                                    "description",
                                                    "default",
                                                    "$schema"};

tl::unexpected<Error> bad_schema(const std::string& what) {
  return fail(422, "bad_schema", "the schema of the settings " + what,
              "docs/plugins.md lists the keywords of JSON Schema draft 4 that are enforced.");
}

/// Walks a schema and everything in it that is one.
class Walk {
 public:
  explicit Walk(const json::Value& root) : root_(root) {}

  Status schema(const json::Value& at, const std::string& path) const {
    if (at.as_object() == nullptr) return bad_schema("is no object at \"" + path + "\"");
    for (const auto& [key, value] : *at.as_object()) {
      if (std::find(keywords.begin(), keywords.end(), key) == keywords.end()) {
        return bad_schema("has the keyword \"" + text::label(key, 40) + "\" at \"" + path +
                          "\", which would not be enforced");
      }
      LECTERN_CHECK(keyword(key, value, below(path, key)));
    }
    return {};
  }

 private:
  static std::string below(std::string path, std::string_view key) { return path.append("/").append(key); }
  static bool in(std::string_view key, std::initializer_list<std::string_view> list) {
    return std::find(list.begin(), list.end(), key) != list.end();
  }

  Status keyword(const std::string& key, const json::Value& value, const std::string& path) const {
    if (key == "$ref") return reference(value, path);
    if (in(key, {"properties", "patternProperties", "definitions"})) return members(value, path);
    if (in(key, {"allOf", "anyOf", "oneOf"})) return list(value, path);
    if (key == "not") return schema(value, path);
    if (in(key, {"additionalProperties", "additionalItems"})) return value.is_bool() ? Status{} : schema(value, path);
    if (key == "items") return value.is_array() ? list(value, path) : schema(value, path);
    if (key == "dependencies") return dependencies(value, path);
    return simple(key, value, path);
  }
  // RapidJSON takes no notice of a keyword whose value is of another type than draft 4 says ("minimum": "5").
  static Status simple(const std::string& key, const json::Value& value, const std::string& path) {
    if (key == "pattern") return pattern(value.as_string(), path);
    const bool number = value.as_double().has_value();
    const bool fits = in(key, {"type"})               ? value.is_string() || value.is_array()
                      : in(key, {"enum", "required"}) ? value.is_array()
                      : in(key, {"uniqueItems", "exclusiveMinimum", "exclusiveMaximum"}) ? value.is_bool()
                      : in(key, {"minimum", "maximum", "multipleOf"})                    ? number
                      : in(key, {"title", "description", "$schema"})                     ? value.is_string()
                      : key == "default"                                                 ? true
                                                                                         : value.as_uint().has_value();
    return fits ? Status{} : bad_schema("has a " + std::string(value.type_name()) + " at \"" + path + "\"");
  }
  // Counted repetitions are unrolled when the pattern is compiled, and the schema may be of somebody nobody trusts.
  static Status pattern(const std::string* text, const std::string& path) {
    if (text == nullptr || text->size() > 200 || text->find('{') != std::string::npos)
      return bad_schema("has a pattern at \"" + path + "\" that is longer than 200 bytes or counts with {}");
    return {};
  }
  Status members(const json::Value& value, const std::string& path) const {
    if (value.as_object() == nullptr) return bad_schema("is no object at \"" + path + "\"");
    for (const auto& [name, inner] : *value.as_object()) {
      if (path.ends_with("/patternProperties")) LECTERN_CHECK(pattern(&name, path));
      LECTERN_CHECK(schema(inner, below(path, name)));
    }
    return {};
  }
  Status list(const json::Value& value, const std::string& path) const {
    if (value.as_array() == nullptr) return bad_schema("is no array at \"" + path + "\"");
    for (std::size_t i = 0; i < value.as_array()->size(); ++i)
      LECTERN_CHECK(schema((*value.as_array())[i], below(path, std::to_string(i))));
    return {};
  }
  Status dependencies(const json::Value& value, const std::string& path) const {
    if (value.as_object() == nullptr) return bad_schema("is no object at \"" + path + "\"");
    for (const auto& [name, inner] : *value.as_object()) {
      if (!inner.is_array()) LECTERN_CHECK(schema(inner, below(path, name)));
    }
    return {};
  }
  // Only into the definitions, and never at another reference: RapidJSON follows a ring of those for ever.
  Status reference(const json::Value& value, const std::string& path) const {
    constexpr std::string_view start = "#/definitions/";
    const std::string* target = value.as_string();
    if (target == nullptr || !target->starts_with(start))
      return bad_schema("has a $ref at \"" + path + "\" that does not start with \"#/definitions/\"");
    const auto* definitions = root_.find("definitions");
    const auto* found = definitions == nullptr ? nullptr : definitions->find(target->substr(start.size()));
    if (found == nullptr) return bad_schema("refers to \"" + text::label(*target, 80) + "\", which is not there");
    if (found->find("$ref") != nullptr)
      return bad_schema("refers to \"" + text::label(*target, 80) + "\", which is itself a $ref");
    return {};
  }

  const json::Value& root_;
};

std::string pointer_text(const rapidjson::Pointer& pointer) {
  rapidjson::StringBuffer buffer;
  pointer.Stringify(buffer);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string list_of(const json::Value& values) {
  std::string out;
  const json::Array one{values};
  for (const auto& value : values.as_array() != nullptr ? *values.as_array() : one)
    out += (out.empty() ? "" : ", ") + json::write(value);
  return text::label(out, 300);
}

/// The words of a rule: "it can be one of: …".
std::string words_of(const std::string& rule, const json::Value* value) {
  const std::string shown = value == nullptr ? std::string() : list_of(*value);
  if (rule == "type") return "It must be of type " + shown + ".";
  if (rule == "enum") return "It can be one of: " + shown + ".";
  if (rule == "required") return "There must be: " + shown + ".";
  if (rule == "minimum") return "The least is " + shown + ".";
  if (rule == "maximum") return "The most is " + shown + ".";
  if (rule == "minLength") return "It has at least " + shown + " characters.";
  if (rule == "maxLength") return "It has at most " + shown + " characters.";
  if (rule == "minItems") return "It has at least " + shown + " entries.";
  if (rule == "maxItems") return "It has at most " + shown + " entries.";
  if (rule == "pattern") return "It must match " + shown + ".";
  return {};
}

std::string escaped(std::string_view key) {
  std::string out;
  for (const char c : key) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

}  // namespace

struct ConfigSchema::Inner {
  std::string text;
  json::Value value;
  rapidjson::Document document;
  std::unique_ptr<rapidjson::SchemaDocument> schema;

  /// The value a JSON pointer names in the schema; null when it leads nowhere.
  [[nodiscard]] const json::Value* at(const std::string& pointer) const {
    const json::Value* now = &value;
    for (std::size_t i = 0; i < pointer.size() && now != nullptr;) {
      const auto next = std::min(pointer.find('/', i + 1), pointer.size());
      std::string key = pointer.substr(i + 1, next - i - 1);
      for (std::size_t k = 0; (k = key.find("~1", k)) != std::string::npos;) key.replace(k, 2, "/");
      for (std::size_t k = 0; (k = key.find("~0", k)) != std::string::npos; ++k) key.replace(k, 2, "~");
      now = now->as_array() == nullptr ? now->find(key) : nullptr;
      i = next;
    }
    return now;
  }

  [[nodiscard]] Error refuse(const rapidjson::SchemaValidator& validator, const json::Value& config,
                             std::string_view who) const {
    const char* keyword = validator.GetInvalidSchemaKeyword();
    const std::string rule = keyword == nullptr ? "" : keyword;
    const std::string schema_pointer = pointer_text(validator.GetInvalidSchemaPointer());
    std::string pointer = pointer_text(validator.GetInvalidDocumentPointer());
    const json::Value* broken = at(schema_pointer);
    std::string known;
    if (rule == "additionalProperties" && broken != nullptr) known = name_stranger(*broken, config, pointer);
    const std::string shown = text::label(pointer.empty() ? std::string("the whole") : "\"" + pointer + "\"", 200);
    Error error{400, "bad_config", {}, {}, {}};
    error.message = std::string(who) + " could not take these settings: " + shown +
                    (rule == "additionalProperties" ? " is no setting" : " breaks the rule \"" + rule + "\"");
    error.hint =
        rule == "additionalProperties" ? known : words_of(rule, broken == nullptr ? nullptr : broken->find(rule));
    json::Writer(error.details).begin_object().member("pointer", pointer).member("rule", rule).end_object();
    return error;
  }

  /// The key that nobody knows: the validator stops at the object it is in. `pointer` becomes the key's.
  static std::string name_stranger(const json::Value& schema, const json::Value& config, std::string& pointer) {
    const auto* properties = schema.find("properties");
    std::string known;
    if (properties != nullptr && properties->as_object() != nullptr) {
      for (const auto& [key, unused] : *properties->as_object()) known += (known.empty() ? "" : ", ") + key;
    }
    if (pointer.empty() && config.as_object() != nullptr) {
      for (const auto& [key, unused] : *config.as_object()) {
        if (properties != nullptr && properties->find(key) != nullptr) continue;
        pointer = "/" + escaped(key);
        break;
      }
    }
    return known.empty() ? "It has no settings." : "The settings are: " + text::label(known, 400) + ".";
  }
};

ConfigSchema::ConfigSchema(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}
ConfigSchema::~ConfigSchema() = default;

Result<std::unique_ptr<ConfigSchema>> ConfigSchema::compile(std::string_view text) {
  auto value = json::parse(text, limits);
  if (!value) return bad_schema("is no JSON: " + value.error().message);
  LECTERN_CHECK(Walk(*value).schema(*value, ""));
  auto inner = std::make_unique<Inner>();
  inner->text = json::write(*value);
  inner->value = std::move(*value);
  try {
    inner->document.Parse<rapidjson::kParseIterativeFlag>(inner->text.data(), inner->text.size());
    if (inner->document.HasParseError()) return bad_schema("has a number that is out of range");
    inner->schema = std::make_unique<rapidjson::SchemaDocument>(inner->document);
  } catch (const std::exception& problem) {
    return bad_schema(std::string("cannot be compiled: ") + problem.what());
  }
  return std::unique_ptr<ConfigSchema>(new ConfigSchema(std::move(inner)));
}

Status ConfigSchema::check(std::string_view config_json, std::string_view who) const {
  const auto config = json::parse(config_json.empty() ? "{}" : config_json, limits);
  if (!config) {
    return fail(400, "bad_config", std::string(who) + " could not take these settings: " + config.error().message,
                "They are a JSON object.");
  }
  const std::string compact = json::write(*config);
  try {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseIterativeFlag>(compact.data(), compact.size());
    if (document.HasParseError())
      return fail(400, "bad_config", std::string(who) + " could not take these settings: a number is out of range", {});
    rapidjson::SchemaValidator validator(*inner_->schema);
    if (document.Accept(validator)) return {};
    return fail(inner_->refuse(validator, *config, who));
  } catch (const std::exception& problem) {
    return fail(500, "internal", "the settings of " + std::string(who) + " cannot be checked: " + problem.what(), {});
  }
}

const std::string& ConfigSchema::text() const {
  return inner_->text;
}

}  // namespace lectern::plugin
