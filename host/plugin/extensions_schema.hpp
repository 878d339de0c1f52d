// The JSON Schema of a plugin's settings (lectern/abi/ext/config_schema.h). Private to plugin/.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace lectern::plugin {

/// Draft 4, every keyword that is taken is enforced. Immutable; any number of threads may check at once.
class ConfigSchema {
 public:
  /// [control] 422 `bad_schema` for what is no schema, or has a keyword that would not be enforced.
  static Result<std::unique_ptr<ConfigSchema>> compile(std::string_view text);
  ~ConfigSchema();
  ConfigSchema(const ConfigSchema&) = delete;
  ConfigSchema& operator=(const ConfigSchema&) = delete;

  /// [any] 400 `bad_config` naming the setting by its JSON pointer, and the rule it breaks; details carry both:
  /// {"pointer":"/secondary","rule":"enum"}. `who` is the plugin's id. Text that is no JSON is refused too.
  [[nodiscard]] Status check(std::string_view config_json, std::string_view who) const;
  /// [any] The schema as compact JSON.
  [[nodiscard]] const std::string& text() const;

 private:
  struct Inner;
  explicit ConfigSchema(std::unique_ptr<Inner> inner);
  std::unique_ptr<Inner> inner_;
};

}  // namespace lectern::plugin
