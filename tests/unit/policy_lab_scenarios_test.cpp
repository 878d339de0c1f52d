// Runs tests/scenarios/*.yaml against the policies that ship, and checks what the runner says of files that are wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "plugin/policy.hpp"
#include "plugin_support.hpp"
#include "policy_lab/scenario.hpp"

namespace lectern::policy_lab {
namespace {

namespace fs = std::filesystem;
using plugin::testing::RegistryTest;
using plugin::testing::TemporaryFolder;

const fs::path scenarios = fs::path(LECTERN_TEST_DATA) / ".." / "scenarios";

std::string told(const Outcome& outcome) {
  std::string out;
  for (const auto& step : outcome.steps) {
    out += "  line " + std::to_string(step.line) + ": " + step.when + "\n";
    for (const auto& one : step.decided) out += "      " + one + "\n";
    for (const auto& one : step.wrong) out += "    ! " + one + "\n";
  }
  return out;
}

class ScenarioTest : public ::testing::Test {
 public:
  ScenarioTest(std::string policy, Scenario scenario) : policy_(std::move(policy)), scenario_(std::move(scenario)) {}

  void TestBody() override {
    const TemporaryFolder folder;
    plugin::Registry registry({{plugin::testing::shipped}, folder.path()});
    const auto generation = registry.load(plugin::Kind::policy, policy_);
    ASSERT_TRUE(generation) << generation.error().message;
    const auto policy = plugin::Policy::create(*generation, scenario_.config);
    ASSERT_TRUE(policy) << policy.error().message << policy.error().hint;
    const auto outcome = play(scenario_, *policy);
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_TRUE(outcome->passed()) << told(*outcome);
    EXPECT_EQ((*generation)->report().failures, 0u);
  }

 private:
  std::string policy_;
  Scenario scenario_;
};

std::string test_name(std::string title) {
  for (char& c : title) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return title;
}

// One test per scenario, so that a failure names it.
const bool registered = [] {
  for (const auto& entry : fs::directory_iterator(scenarios)) {
    if (entry.path().extension() != ".yaml") continue;
    const auto file = read_scenarios(entry.path());
    if (!file) throw std::runtime_error(file.error().message);
    for (const Scenario& scenario : file->scenarios) {
      ::testing::RegisterTest(("PolicyScenario_" + test_name(entry.path().stem())).c_str(),
                              test_name(scenario.name).c_str(), nullptr, nullptr, __FILE__, __LINE__,
                              [policy = file->policy, scenario]() -> ::testing::Test* {
                                return std::make_unique<ScenarioTest>(policy, scenario).release();
                              });
    }
  }
  return true;
}();

class Scenarios : public RegistryTest {
 protected:
  plugin::PolicyPtr policy(const std::string& id, const std::string& config = "{}") {
    if (!registry_) registry_ = registry({plugin::testing::shipped});
    const auto generation = registry_->load(plugin::Kind::policy, id);
    return generation ? plugin::Policy::create(*generation, config).value_or(nullptr) : nullptr;
  }
  /// What is wrong with a file of one scenario with these steps under local-takeover.
  std::string problem(const std::string& steps) {
    const auto file = parse_scenarios("scenarios:\n  - name: one\n    steps:\n" + steps, "it.yaml");
    if (!file) return file.error().message;
    const auto outcome = play(file->scenarios.at(0), policy("local-takeover"));
    if (!outcome) return outcome.error().message;
    return outcome->passed() ? "" : outcome->steps.back().wrong.at(0);
  }
  std::unique_ptr<plugin::Registry> registry_;
};

TEST_F(Scenarios, EveryShippedPolicyHasScenariosAPageAndAtMost150Lines) {
  const auto root = fs::path(LECTERN_TEST_DATA) / "../..";
  std::size_t policies = 0;
  for (const auto& entry : fs::directory_iterator(root / "policies")) {
    const auto id = entry.path().filename().string();
    if (!fs::exists(entry.path() / "CMakeLists.txt")) continue;  // what they share
    ++policies;
    EXPECT_TRUE(fs::exists(plugin::testing::shipped / id)) << id;
    EXPECT_TRUE(fs::exists(scenarios / (id + ".yaml"))) << id;
    EXPECT_TRUE(fs::exists(root / "docs/policies" / (id + ".md"))) << id;
    if (id == "script") continue;  // not a policy but what runs them
    std::string source = id + ".cpp";
    std::replace(source.begin(), source.end(), '-', '_');
    const auto text = plugin::testing::read_file(entry.path() / source);
    EXPECT_GT(text.size(), 0u) << id;
    EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 150) << id;
  }
  EXPECT_GE(policies, 9u);
}

TEST_F(Scenarios, WhatDoesNotHappenAndWhatHappensUnexpectedBothFail) {
  EXPECT_EQ(problem("      - {when: ada joins, then: ada edits}\n"), "");
  EXPECT_EQ(problem("      - {when: ada joins, then: nothing}\n"), "happened, and was not expected: ada edits");
  EXPECT_EQ(problem("      - {when: ada joins, then: [ada edits, ada interacts]}\n"),
            "expected, and it did not happen: ada interacts");
  EXPECT_EQ(problem("      - {when: ada joins, now: ada interacts}\n"), "now \"ada interacts\": ada is editor");
  EXPECT_EQ(problem("      - {when: ada joins, now: the pen is free}\n"), "now \"the pen is free\": it is not");
}

TEST_F(Scenarios, ErrorsNameFileLineAndWord) {
  EXPECT_NE(problem("      - {when: ada dances}\n").find("line 4: \"ada dances\": ada has not joined"),
            std::string::npos);
  EXPECT_NE(problem("      - {when: ada joins}\n      - {when: ada dances}\n").find("line 5: \"ada dances\": not"),
            std::string::npos);
  EXPECT_NE(problem("      - {when: ada joins}\n      - {when: ada agrees}\n").find("ada was not asked"),
            std::string::npos);
  EXPECT_NE(problem("      - {whenn: ada joins}\n").find("it.yaml:4: a step has no key \"whenn\""), std::string::npos);
  EXPECT_NE(problem("      - {when: [ada, joins]}\n").find("when must be a text"), std::string::npos);
  EXPECT_NE(problem("      - {when: ada joins\n").find("it.yaml:"), std::string::npos);
  for (const char* text :
       {"", "a", "[]", "scenarios: 3", "scenarios: [{name: x}]", "people: 1\nscenarios: []",
        "config: [1]\nscenarios: [{name: x, steps: []}]", "config: &a {x: *a}\nscenarios: []",
        "people: {ada: {scope: all}}\nscenarios: []", "\"", "{", "scenarios: [{name: x, steps: [1]}]"}) {
    const auto file = parse_scenarios(text, "it.yaml");
    ASSERT_FALSE(file) << text;
    EXPECT_EQ(file.error().code, "bad_scenario") << text;
  }
  EXPECT_EQ(read_scenarios("/nowhere/at/all.yaml").error().code, "not_found");
  EXPECT_EQ(parse_scenarios(std::string((1u << 20) + 1, ' '), "it.yaml").error().code, "too_large");
}

TEST_F(Scenarios, SettingsAreYamlAndQuotedScalarsStayTexts) {
  const auto file = parse_scenarios(
      "config: {a: 1, b: \"1\", c: true, d: 'true', e: [x, {f: -2}], g: ada}\nscenarios: [{name: x, steps: []}]", "x");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->scenarios[0].config, R"({"a":1,"b":"1","c":true,"d":"true","e":["x",{"f":-2}],"g":"ada"})");
}

TEST_F(Scenarios, UnknownKeysAndValuesOfSettingsAreErrorsThatNameTheRightOnes) {
  const auto all = registry({plugin::testing::shipped});
  const auto refused = [&](const std::string& id, const std::string& config) {
    const auto generation = all->load(plugin::Kind::policy, id);
    if (!generation) return std::string("not loaded");
    const auto made = plugin::Policy::create(*generation, config);
    EXPECT_EQ((*generation)->report().failures, 0u) << "wrong settings are not the plugin's fault";
    if (made) return std::string("accepted");
    EXPECT_EQ(made.error().status, 400);
    EXPECT_EQ(made.error().code, "bad_config");
    return made.error().message + " " + made.error().hint;
  };
  EXPECT_NE(refused("local-takeover", R"({"secundary":"viewer"})").find("secondary"), std::string::npos)
      << refused("local-takeover", R"({"secundary":"viewer"})");
  EXPECT_NE(refused("local-takeover", R"({"secondary":"editor"})").find("\"viewer\""), std::string::npos);
  for (const char* config :
       {"[]", "{", R"({"secondary":3})", R"({"secondary":"viewer","secondary":"viewer"})", "nonsense"}) {
    EXPECT_NE(refused("local-takeover", config), "accepted") << config;
  }
  EXPECT_NE(refused("collaborative", R"({"x":1})"), "accepted");
  EXPECT_NE(refused("ask-first", R"({"deadline_s":0})").find("deadline_s"), std::string::npos);
  EXPECT_NE(refused("ask-first", R"({"silence":"maybe"})").find("silence"), std::string::npos);
  EXPECT_NE(refused("idle-handoff", R"({"idle_s":"5 min"})").find("idle_s"), std::string::npos);
  EXPECT_NE(refused("presenter", "{}").find("presenter"), std::string::npos);
  EXPECT_NE(refused("roles", R"({"editors":"ada"})").find("editors"), std::string::npos);
  EXPECT_NE(refused("roles", R"({"editors":["principal:"]})").find("empty text"), std::string::npos);
  EXPECT_NE(refused("queue", R"({"turn_s":-1})").find("turn_s"), std::string::npos);
  EXPECT_NE(refused("classroom", "{}").find("teachers"), std::string::npos);
  EXPECT_TRUE(policy("collaborative")->multi_editor());
  EXPECT_EQ(policy("collaborative")->actions_json(), "[]");
  EXPECT_TRUE(policy("roles")->multi_editor());
  EXPECT_FALSE(policy("queue")->multi_editor());
}

}  // namespace
}  // namespace lectern::policy_lab
