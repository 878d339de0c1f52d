#pragma once

#include <lectern/sdk/json.hpp>
#include <lectern/sdk/policy.hpp>

#include <string>
#include <string_view>

namespace script {

/// Holds the compiled script and its settings. Two shapes of script:
///   the two questions of SimplePolicy, as global functions; or
///   function reduce(state, room, event, out), which may return a new state.
class ScriptPolicy final : public lectern::sdk::Policy {
 public:
  static constexpr std::string_view state_schema = "script/1";

  /// {"file": "x.lua"} or {"source": "…"}, and "settings": {…} for the script. Throws a Failure with Lua's words and
  /// the line when the script does not compile or start.
  explicit ScriptPolicy(std::string_view config);
  void reduce(std::string_view state, const lectern::sdk::Room& room, const lectern::sdk::Event& event,
              lectern::sdk::Outcome& out) const override;

 private:
  std::string compiled_;
  lectern::sdk::Json settings_;
  bool reduces_ = false;
};

}  // namespace script
