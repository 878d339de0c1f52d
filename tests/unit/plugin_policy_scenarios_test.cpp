// Runs tests/scenarios/*.txt against the policies that ship. The format is told in tests/scenarios/README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "plugin/policy.hpp"
#include "plugin_support.hpp"

namespace lectern::plugin {
namespace {

using testing::TemporaryFolder;

struct Scenario {
  std::string file, policy, config, title;
  int line = 0;
  RoomSnapshot room;
  PolicyEvent event;
  std::vector<std::string> expected;
};

[[noreturn]] void wrong(const std::string& what) {
  throw std::runtime_error(what);
}

/// The words of a line: bare words, and key=value pairs.
struct Words {
  std::vector<std::string> bare;
  std::map<std::string, std::string> pairs;

  explicit Words(std::istream& line) {
    for (std::string word; line >> word;) {
      const auto equals = word.find('=');
      if (equals == std::string::npos) {
        bare.push_back(word);
      } else {
        pairs[word.substr(0, equals)] = word.substr(equals + 1);
      }
    }
  }
  std::string take(const std::string& key) {
    const auto at = pairs.find(key);
    if (at == pairs.end()) return {};
    std::string value = at->second;
    pairs.erase(at);
    return value;
  }
  std::uint64_t number(const std::string& key) {
    const std::string text = take(key);
    if (text.empty()) return 0;
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) wrong(key + "=" + text + " is no number");
    return value;
  }
  std::int64_t time(const std::string& key) { return static_cast<std::int64_t>(number(key)); }
  bool flag(const std::string& word) { return std::erase(bare, word) != 0; }
  void done() const {
    for (const auto& word : bare) wrong("what is \"" + word + "\"?");
    for (const auto& [key, value] : pairs) wrong("what is \"" + key + "\"?");
  }
};

std::uint32_t caps_of(const std::string& text) {
  std::uint32_t caps = 0;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    if (part == "edit") {
      caps |= cap_edit;
    } else if (part == "interact") {
      caps |= cap_interact;
    } else if (part != "none") {
      wrong("what are the caps \"" + part + "\"?");
    }
  }
  return caps;
}

Member member_of(std::uint64_t id, Words& words) {
  Member member;
  member.id = id;
  if (const auto scope = words.take("scope"); !scope.empty()) member.scope = caps_of(scope);
  member.caps = caps_of(words.take("caps"));
  member.grant = words.number("grant");
  member.edited_ms = words.time("edited");
  member.joined_ms = words.time("joined");
  member.reserved_until_ms = words.time("reserved_until");
  if (words.flag("lost")) member.presence = Presence::lost;
  if (words.flag("probing")) member.presence = Presence::probing;
  if (words.flag("view_only")) member.flags |= member_view_only;
  if (words.flag("headless")) member.flags |= member_headless;
  if (words.flag("agent")) member.flags |= member_agent;
  member.label = "member " + std::to_string(id);
  return member;
}

EventKind event_kind(const std::string& name) {
  for (std::uint32_t i = 1; i <= static_cast<std::uint32_t>(EventKind::action); ++i) {
    if (event_name(static_cast<EventKind>(i)) == name) return static_cast<EventKind>(i);
  }
  wrong("what is the event \"" + name + "\"?");
}

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : file_(path.stem().string()) {
    std::ifstream in(path);
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      if (line.empty() || line.starts_with("#")) continue;
      try {
        read(line, number);
      } catch (const std::exception& problem) {
        wrong(path.string() + ":" + std::to_string(number) + ": " + problem.what());
      }
    }
  }
  std::vector<Scenario> scenarios;

 private:
  static std::uint64_t id_of(std::istream& line) {
    std::uint64_t id = 0;
    if (!(line >> id)) wrong("an id is missing");
    return id;
  }
  static std::string rest(std::istream& line) {
    std::string text;
    std::getline(line >> std::ws, text);
    return text;
  }
  Scenario& now() {
    if (scenarios.empty()) wrong("no scenario yet");
    return scenarios.back();
  }
  void read(const std::string& text, int number) {
    std::istringstream line(text);
    std::string word;
    line >> word;
    if (word == "policy") {
      line >> policy_;
      config_ = rest(line);
      if (config_.empty()) config_ = "{}";
    } else if (word == "scenario") {
      scenarios.push_back({file_, policy_, config_, rest(line), number, {}, {}, {}});
    } else if (word == "room") {
      read_room(line);
    } else if (word == "member") {
      const auto id = id_of(line);
      Words words(line);
      now().room.members.push_back(member_of(id, words));
      words.done();
    } else if (word == "request") {
      read_request(line);
    } else if (word == "event") {
      read_event(line);
    } else if (word == "expect") {
      now().expected.push_back(rest(line));
    } else {
      wrong("what is \"" + word + "\"?");
    }
  }
  void read_room(std::istream& line) {
    Words words(line);
    RoomSnapshot& room = now().room;
    room.holder = words.number("holder");
    room.epoch = words.number("epoch");
    room.now_ms = words.time("now");
    room.since_ms = words.time("since");
    words.done();
  }
  void read_request(std::istream& line) {
    Request request;
    request.id = id_of(line);
    Words words(line);
    request.from = words.number("from");
    request.asked = words.number("asked");
    request.at_ms = words.time("at");
    request.deadline_ms = words.time("deadline");
    words.done();
    now().room.requests.push_back(request);
  }
  void read_event(std::istream& line) {
    std::string kind;
    line >> kind;
    Words words(line);
    PolicyEvent& event = now().event;
    event.kind = event_kind(kind);
    event.who = words.number("who");
    event.target = words.number("target");
    event.request = words.number("request");
    event.value = static_cast<std::uint32_t>(words.number("value"));
    event.timer = words.number("timer");
    event.verb = words.take("verb");
    event.json = words.take("json");
    words.done();
  }
  std::string file_, policy_, config_;
};

std::string shown_caps(std::uint32_t caps) {
  return (caps & cap_interact) != 0 ? "interact" : "none";
}

std::string shown(const Effect& effect) {
  const std::string target = std::to_string(effect.target), request = std::to_string(effect.request);
  const std::string at = std::to_string(effect.at_ms);
  switch (effect.kind) {
    case EffectKind::set_caps:
      return "set_caps " + target + " " + shown_caps(effect.caps);
    case EffectKind::grant:
      return "grant " + target + " former=" + shown_caps(effect.caps);
    case EffectKind::vacate:
      return "vacate " + target + " " + shown_caps(effect.caps);
    case EffectKind::resolve:
      return effect.allow ? "allow " + request + " former=" + shown_caps(effect.caps)
                          : "deny " + request + " " + effect.text;
    case EffectKind::ask:
      return "ask " + request + " " + target + " until=" + at + " " + effect.text;
    case EffectKind::unask:
      return "unask " + request;
    case EffectKind::timer:
      return "timer " + std::to_string(effect.timer) + " at=" + at;
    case EffectKind::notice:
      return "notice " + target + " " + effect.text;
    case EffectKind::show:
      return "show " + effect.text;
  }
  return "?";
}

class ScenarioTest : public ::testing::Test {
 public:
  explicit ScenarioTest(Scenario scenario) : scenario_(std::move(scenario)) {}

  void TestBody() override {
    const TemporaryFolder folder;
    Registry registry({{testing::shipped}, folder.path()});
    const auto generation = registry.load(Kind::policy, scenario_.policy);
    ASSERT_TRUE(generation) << generation.error().message;
    const auto policy = Policy::create(*generation, scenario_.config);
    ASSERT_TRUE(policy) << policy.error().message;
    const auto outcome = (*policy)->reduce("", scenario_.room, scenario_.event);
    ASSERT_TRUE(outcome) << outcome.error().message;
    std::vector<std::string> effects;
    for (const Effect& effect : outcome->effects) effects.push_back(shown(effect));
    if (effects.empty()) effects.emplace_back("nothing");
    EXPECT_EQ(effects, scenario_.expected) << "scenario at line " << scenario_.line;

    // Pure: the same history, whatever the order the members are given in, has the same effects.
    std::reverse(scenario_.room.members.begin(), scenario_.room.members.end());
    const auto again = (*policy)->reduce("", scenario_.room, scenario_.event);
    ASSERT_TRUE(again);
    EXPECT_EQ(outcome->effects, again->effects);
  }

 private:
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
  const std::filesystem::path folder = std::filesystem::path(LECTERN_TEST_DATA) / ".." / "scenarios";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".txt") continue;
    for (const Scenario& scenario : Reader(entry.path()).scenarios) {
      ::testing::RegisterTest(("PolicyScenario_" + test_name(scenario.file)).c_str(), test_name(scenario.title).c_str(),
                              nullptr, nullptr, __FILE__, __LINE__, [scenario]() -> ::testing::Test* {
                                return std::make_unique<ScenarioTest>(scenario).release();
                              });
    }
  }
  return true;
}();

class PolicySettings : public testing::RegistryTest {};

TEST_F(PolicySettings, UnknownKeysAndValuesAreErrorsThatNameTheRightOnes) {
  const auto all = registry({testing::shipped});
  const auto generation = all->load(Kind::policy, "local-takeover");
  ASSERT_TRUE(generation) << generation.error().message;

  const auto key = Policy::create(*generation, R"({"secundary":"viewer"})");
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().status, 400);
  EXPECT_EQ(key.error().code, "bad_config");
  EXPECT_NE(key.error().message.find("\"secundary\""), std::string::npos) << key.error().message;
  EXPECT_NE(key.error().hint.find("\"secondary\""), std::string::npos) << key.error().hint;

  const auto value = Policy::create(*generation, R"({"secondary":"editor"})");
  ASSERT_FALSE(value);
  EXPECT_NE(value.error().hint.find("\"viewer\""), std::string::npos) << value.error().hint;

  for (const char* config :
       {"[]", "{", R"({"secondary":3})", R"({"secondary":"viewer","secondary":"viewer"})", "nonsense"}) {
    EXPECT_FALSE(Policy::create(*generation, config)) << config;
  }
  EXPECT_EQ((*generation)->report().failures, 0u) << "wrong settings are not the plugin's fault";

  const auto collaborative = all->load(Kind::policy, "collaborative");
  ASSERT_TRUE(collaborative);
  EXPECT_FALSE(Policy::create(*collaborative, R"({"x":1})"));
  const auto policy = Policy::create(*collaborative, "{}");
  ASSERT_TRUE(policy);
  EXPECT_TRUE((*policy)->multi_editor());
  EXPECT_EQ((*policy)->actions_json(), "[]");
}

}  // namespace
}  // namespace lectern::plugin
