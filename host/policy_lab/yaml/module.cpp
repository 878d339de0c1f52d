// YAML to scenarios. The library, and its exceptions, stay in this file.
#include <yaml-cpp/yaml.h>

#include <stdexcept>

#include "base/json.hpp"
#include "policy_lab/scenario_file.hpp"

namespace lectern::policy_lab {
namespace {

constexpr int max_depth = 16;
constexpr int max_values = 10'000;

struct Wrong : std::runtime_error {
  Wrong(const YAML::Mark& mark, const std::string& what) : std::runtime_error(what), line(mark.line + 1) {}
  int line;
};

[[noreturn]] void unknown_key(const YAML::Node& at, const std::string& what, const std::string& key,
                              const std::string& known) {
  throw Wrong(at.Mark(), what + " has no key \"" + key + "\"; it has: " + known);
}

void only_keys(const YAML::Node& map, std::initializer_list<std::string_view> allowed, const std::string& what) {
  if (!map.IsMap()) throw Wrong(map.Mark(), what + " must be a map of keys");
  for (const auto& pair : map) {
    const auto key = pair.first.as<std::string>();
    std::string list;
    bool known = false;
    for (const auto one : allowed) {
      known = known || one == key;
      list.append(list.empty() ? "" : ", ").append(one);
    }
    if (!known) unknown_key(pair.first, what, key, list);
  }
}

std::string text_of(const YAML::Node& node, const std::string& what) {
  if (!node.IsScalar()) throw Wrong(node.Mark(), what + " must be a text");
  return node.Scalar();
}

bool flag_of(const YAML::Node& node, const std::string& what) {
  const auto text = text_of(node, what);
  if (text != "true" && text != "false") throw Wrong(node.Mark(), what + " must be true or false");
  return text == "true";
}

/// Settings are written in YAML too; the policy gets JSON. Quoted scalars stay texts, whatever they look like.
/// `budget` is spent by every value: an alias can stand for itself, and a chain of aliases for gigabytes.
json::Value to_json(const YAML::Node& node, int& budget, int depth = 0) {
  if (depth > max_depth) throw Wrong(node.Mark(), "nested deeper than " + std::to_string(max_depth));
  if (--budget < 0) throw Wrong(node.Mark(), "the settings hold too many values");
  switch (node.Type()) {
    case YAML::NodeType::Map: {
      json::Value out{json::Object{}};
      for (const auto& pair : node) out.set(pair.first.as<std::string>(), to_json(pair.second, budget, depth + 1));
      return out;
    }
    case YAML::NodeType::Sequence: {
      json::Array out;
      for (const auto& one : node) out.push_back(to_json(one, budget, depth + 1));
      return json::Value(std::move(out));
    }
    case YAML::NodeType::Scalar: {
      if (node.Tag() == "!") return node.Scalar();
      auto plain = json::parse(node.Scalar());
      return plain && (plain->is_bool() || plain->is_number()) ? *plain : json::Value(node.Scalar());
    }
    default:
      return {};
  }
}

std::string config_of(const YAML::Node& node) {
  int budget = max_values;
  const auto value = to_json(node, budget);
  if (!value.is_object()) throw Wrong(node.Mark(), "config must be a map of settings");
  return json::write(value);
}

Person person_of(const std::string& name, const YAML::Node& node) {
  const auto what = "people." + name;
  only_keys(node, {"label", "device", "principal", "scope", "view_only", "headless", "agent"}, what);
  Person out;
  out.label = node["label"] ? text_of(node["label"], what + ".label") : name;
  if (node["device"]) out.device = text_of(node["device"], what + ".device");
  if (node["principal"]) out.principal = text_of(node["principal"], what + ".principal");
  if (node["scope"]) {
    const auto scope = text_of(node["scope"], what + ".scope");
    if (scope != "view" && scope != "interact" && scope != "edit") {
      throw Wrong(node["scope"].Mark(), what + ".scope is \"" + scope + "\"; it can be view, interact or edit");
    }
    out.scope = scope == "view" ? 0u : scope == "interact" ? plugin::cap_interact + 0u : out.scope;
  }
  const auto flag = [&](const char* key, std::uint32_t bit) {
    if (node[key] && flag_of(node[key], what + "." + key)) out.flags |= bit;
  };
  flag("view_only", plugin::member_view_only);
  flag("headless", plugin::member_headless);
  flag("agent", plugin::member_agent);
  return out;
}

void add_people(const YAML::Node& node, std::map<std::string, Person>& people) {
  if (!node) return;
  if (!node.IsMap()) throw Wrong(node.Mark(), "people must be a map of names");
  for (const auto& pair : node) {
    const auto name = pair.first.as<std::string>();
    if (name.find(' ') != std::string::npos) throw Wrong(pair.first.Mark(), "a name has no spaces: \"" + name + "\"");
    people[name] = person_of(name, pair.second);
  }
}

/// "bob is refused: No." in a list is a map of one pair to YAML; it is a sentence to people.
std::string sentence_of(const YAML::Node& node, const std::string& what) {
  if (node.IsMap() && node.size() == 1 && node.begin()->second.IsScalar()) {
    return node.begin()->first.as<std::string>() + ": " + node.begin()->second.Scalar();
  }
  return text_of(node, what);
}

std::vector<std::string> sentences_of(const YAML::Node& node, const std::string& what) {
  std::vector<std::string> out;
  if (node.IsScalar()) {
    if (node.Scalar() != "nothing") out.push_back(node.Scalar());
    return out;
  }
  if (!node.IsSequence()) throw Wrong(node.Mark(), what + " must be a sentence or a list of sentences");
  for (const auto& one : node) out.push_back(sentence_of(one, what));
  return out;
}

Step step_of(const YAML::Node& node) {
  only_keys(node, {"when", "then", "now"}, "a step");
  Step out;
  out.line = node.Mark().line + 1;
  if (!node["when"]) throw Wrong(node.Mark(), "a step needs a \"when\"");
  out.when = text_of(node["when"], "when");
  if (const auto then = node["then"]) {
    out.says = true;
    out.then = sentences_of(then, "then");
  }
  if (const auto now = node["now"]) out.now = sentences_of(now, "now");
  return out;
}

Scenario scenario_of(const YAML::Node& node, const std::string& config, const std::map<std::string, Person>& people) {
  only_keys(node, {"name", "config", "people", "room", "steps"}, "a scenario");
  Scenario out;
  out.line = node.Mark().line + 1;
  if (!node["name"]) throw Wrong(node.Mark(), "a scenario needs a \"name\"");
  out.name = text_of(node["name"], "name");
  out.config = node["config"] ? config_of(node["config"]) : config;
  out.people = people;
  add_people(node["people"], out.people);
  if (const auto room = node["room"]) {
    if (!room.IsMap()) throw Wrong(room.Mark(), "room must be a map of names");
    for (const auto& pair : room) out.room.push_back({pair.first.as<std::string>(), text_of(pair.second, "room")});
  }
  const auto steps = node["steps"];
  if (!steps || !steps.IsSequence()) throw Wrong(node.Mark(), "a scenario needs a list of \"steps\"");
  for (const auto& one : steps) out.steps.push_back(step_of(one));
  return out;
}

ScenarioFile file_of(const YAML::Node& root, const std::string& path) {
  only_keys(root, {"policy", "config", "people", "scenarios"}, "a scenario file");
  ScenarioFile out;
  out.path = path;
  if (root["policy"]) out.policy = text_of(root["policy"], "policy");
  const auto config = root["config"] ? config_of(root["config"]) : std::string("{}");
  std::map<std::string, Person> people;
  add_people(root["people"], people);
  const auto list = root["scenarios"];
  if (!list || !list.IsSequence()) throw Wrong(root.Mark(), "the file needs a list of \"scenarios\"");
  for (const auto& one : list) out.scenarios.push_back(scenario_of(one, config, people));
  return out;
}

tl::unexpected<Error> bad(const std::string& path, int line, const std::string& what) {
  return fail(400, "bad_scenario", path + ":" + std::to_string(line) + ": " + what,
              "docs/policy-scenarios.md tells the grammar");
}

Result<ScenarioFile> parse(const std::string& text, const std::string& path) {
  try {
    return file_of(YAML::Load(text), path);
  } catch (const Wrong& wrong) {
    return bad(path, wrong.line, wrong.what());
  } catch (const YAML::Exception& wrong) {
    return bad(path, wrong.mark.line + 1, wrong.msg);
  }
}

}  // namespace
}  // namespace lectern::policy_lab

extern "C" __attribute__((visibility("default"))) lectern::policy_lab::ScenarioParser lectern_scenarios() {
  return &lectern::policy_lab::parse;
}
