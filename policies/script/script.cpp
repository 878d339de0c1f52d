#include "script.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "questions.hpp"
#include "reducer.hpp"
#include "sandbox.hpp"
#include "values.hpp"

namespace script {
namespace {

using namespace lectern::sdk;
namespace fs = std::filesystem;

constexpr std::uintmax_t max_source = 64u << 10;

std::string text_of(const Json& value, std::string_view key) {
  if (value.as_string() == nullptr) {
    throw Failure(LECTERN_INVALID, "the setting " + quote(key) + " must be a string");
  }
  return *value.as_string();
}

std::string read_file(const std::string& name) {
  const fs::path path = name;
  // So that an error in it cannot show lines of a file that was never meant to be a script.
  if (path.extension() != ".lua") throw Failure(LECTERN_INVALID, "the file " + quote(name) + " is not called *.lua");
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) {
    throw Failure(LECTERN_NOT_FOUND, "the file " + quote(name) + " cannot be read: " + error.message(),
                  "Give its whole path: the host's working directory may be another.");
  }
  if (size > max_source) throw Failure(LECTERN_TOO_LARGE, "the file " + quote(name) + " has more than 64 KiB");
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The script's own settings are there as the global `settings` before its first line runs.
void start(Sandbox& sandbox, const Json& settings) {
  sandbox.run([&](lua_State* lua) {
    lua_pushglobaltable(lua);
    push(lua, settings);
    lua_setfield(lua, -2, "settings");
  });
  sandbox.start();
}

}  // namespace

ScriptPolicy::ScriptPolicy(std::string_view config) {
  const auto root = Json::parse(config.empty() ? "{}" : config);
  const auto* members = root.as_object();
  if (members == nullptr) throw Failure(LECTERN_INVALID, "the settings must be a JSON object");
  std::string source, name;
  int sources = 0;
  settings_ = Json::parse("{}");
  for (const auto& [key, value] : *members) {
    if (key == "file") {
      const auto file = text_of(value, key);
      source = read_file(file);
      name = fs::path(file).filename().string();
      ++sources;
    } else if (key == "source") {
      source = text_of(value, key);
      name = "script";
      ++sources;
    } else if (key == "settings") {
      if (value.as_object() == nullptr) throw Failure(LECTERN_INVALID, "the setting \"settings\" must be an object");
      settings_ = value;
    } else {
      throw Failure(LECTERN_INVALID, "there is no setting " + quote(key),
                    "The settings are: \"file\", \"source\", \"settings\".");
    }
  }
  if (sources != 1) {
    throw Failure(LECTERN_INVALID, sources == 0 ? "no script is named" : "two scripts are named",
                  R"(Say {"file": "/path/to/policy.lua"}, or {"source": "…"}.)");
  }
  if (source.size() > max_source) throw Failure(LECTERN_TOO_LARGE, "the script has more than 64 KiB");

  Sandbox sandbox;
  sandbox.compile(source, name);
  compiled_ = sandbox.dump();
  start(sandbox, settings_);
  reduces_ = sandbox.defines("reduce");
  const bool questions = sandbox.defines("initial_capabilities") && sandbox.defines("can_take_over_editing");
  if (reduces_ == questions) {
    throw Failure(LECTERN_INVALID,
                  name + (reduces_ ? ": both reduce and the two questions are defined"
                                   : ": neither reduce nor both of initial_capabilities and can_take_over_editing are "
                                     "defined"),
                  "A policy is either the function reduce, or the two questions.");
  }
}

void ScriptPolicy::reduce(std::string_view state, const Room& room, const Event& event, Outcome& out) const {
  // Most events concern no question, and then nothing is started.
  std::unique_ptr<Sandbox> sandbox;
  const SandboxSource starter = [&]() -> Sandbox& {
    if (!sandbox) {
      sandbox = std::make_unique<Sandbox>();
      sandbox->load(compiled_);
      start(*sandbox, settings_);
    }
    return *sandbox;
  };
  if (reduces_) {
    run_reduce(starter(), state, room, event, out);
  } else {
    Questions(starter).reduce(state, room, event, out);
  }
}

}  // namespace script
