// policies/script through the host's own adapter: Lua files as policies, and what a script cannot do.
#include <gtest/gtest.h>

#include <filesystem>

#include "plugin/policy.hpp"
#include "plugin_support.hpp"

namespace lectern::plugin {
namespace {

constexpr const char* questions_around = R"(
function initial_capabilities(room, member) return "interactor" end
function can_take_over_editing(room, asker)
  %s
end
)";

std::string as_json(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr char hex[] = "0123456789abcdef";
      out += std::string("\\u00") + hex[c >> 4] + hex[c & 15];
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

class ScriptPolicyTest : public testing::RegistryTest {
 protected:
  void SetUp() override {
    registry_ = registry({testing::shipped});
    auto generation = registry_->load(Kind::policy, "script");
    ASSERT_TRUE(generation) << generation.error().message;
    generation_ = *generation;
  }
  Result<PolicyPtr> source(const std::string& text, const std::string& settings = "{}") {
    return Policy::create(generation_, "{\"source\":" + as_json(text) + ",\"settings\":" + settings + "}");
  }
  Result<PolicyPtr> file(const std::string& name, const std::string& settings = "{}") {
    const auto path = (std::filesystem::path(LECTERN_TEST_DATA) / "../../examples/policies" / name).string();
    return Policy::create(generation_, "{\"file\":" + as_json(path) + ",\"settings\":" + settings + "}");
  }
  /// A policy whose answer to a takeover is `body`.
  Result<PolicyPtr> answering(const std::string& body) {
    std::string text = questions_around;
    return source(text.replace(text.find("%s"), 2, body));
  }
  static RoomSnapshot room(std::uint64_t holder, std::vector<std::string> labels = {"Ada", "Ben"}) {
    RoomSnapshot made;
    made.holder = holder;
    made.epoch = 3;
    made.now_ms = 60'000;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      Member member;
      member.id = i + 1;
      member.label = labels[i];
      if (member.id == holder) {
        member.grant = 3;
        member.caps = cap_edit | cap_interact;
      }
      made.members.push_back(member);
    }
    return made;
  }
  static PolicyEvent event(EventKind kind, std::uint64_t who, std::uint64_t request = 0) {
    PolicyEvent made;
    made.kind = kind;
    made.who = who;
    made.request = request;
    return made;
  }
  static PolicyEvent asking(RoomSnapshot& in, std::uint64_t who) {
    Request request;
    request.id = 7;
    request.from = who;
    in.requests.push_back(request);
    return event(EventKind::requested, who, 7);
  }
  /// The words a takeover's `body` fails with.
  std::string failure_of(const std::string& body) {
    const auto policy = answering(body);
    if (!policy) return "at creation: " + policy.error().message;
    auto in = room(1);
    const auto request = asking(in, 2);
    const auto outcome = (*policy)->reduce("", in, request);
    return outcome ? "nothing failed" : outcome.error().message;
  }
  std::unique_ptr<Registry> registry_;
  GenerationPtr generation_;
};

TEST_F(ScriptPolicyTest, FirstComeInLua) {
  const auto made = file("first-come.lua", R"({"guests":["wall"]})");
  ASSERT_TRUE(made) << made.error().message;
  const Policy& policy = **made;
  EXPECT_FALSE(policy.multi_editor());

  auto joined = policy.reduce("", room(0), event(EventKind::joined, 1));
  ASSERT_TRUE(joined) << joined.error().message;
  ASSERT_EQ(joined->effects.size(), 1u);
  EXPECT_EQ(joined->effects[0].kind, EffectKind::grant);
  EXPECT_EQ(joined->effects[0].target, 1u);
  EXPECT_FALSE(joined->state) << "a policy of two questions has no state";

  joined = policy.reduce("", room(0, {"wall"}), event(EventKind::joined, 1));
  ASSERT_TRUE(joined);
  ASSERT_EQ(joined->effects.size(), 1u);
  EXPECT_EQ(joined->effects[0].kind, EffectKind::set_caps) << "a guest does not get the pen";

  auto in = room(1);
  const auto request = asking(in, 2);
  const auto denied = policy.reduce("", in, request);
  ASSERT_TRUE(denied);
  ASSERT_EQ(denied->effects.size(), 1u);
  EXPECT_EQ(denied->effects[0].kind, EffectKind::resolve);
  EXPECT_FALSE(denied->effects[0].allow);
  EXPECT_EQ(denied->effects[0].text, "Wait until Ada is done.");

  in.now_ms = 10 * 60'000;
  const auto asked = policy.reduce("", in, request);
  ASSERT_TRUE(asked);
  ASSERT_EQ(asked->effects.size(), 1u);
  EXPECT_EQ(asked->effects[0].kind, EffectKind::ask);
  EXPECT_EQ(asked->effects[0].target, 1u);
  EXPECT_EQ(asked->effects[0].at_ms, 610'000);
  EXPECT_EQ(asked->effects[0].text, "Ben would like to write.");

  in.members[0].presence = Presence::lost;
  const auto allowed = policy.reduce("", in, request);
  ASSERT_TRUE(allowed);
  EXPECT_TRUE(allowed->effects[0].allow) << "nobody waits for somebody who is gone";
}

TEST_F(ScriptPolicyTest, AQueueKeepsItsLineInTheState) {
  const auto made = file("queue.lua");
  ASSERT_TRUE(made) << made.error().message;
  const Policy& policy = **made;
  auto in = room(1, {"Ada", "Ben", "Cem"});
  const auto third = policy.reduce("", in, asking(in, 3));
  ASSERT_TRUE(third) << third.error().message;
  EXPECT_EQ(third->effects[0].text, "You are number 1 in line.");
  ASSERT_TRUE(third->state);
  EXPECT_EQ(*third->state, R"({"schema":"queue/1","state":{"waiting":[3]}})");
  in.requests.clear();
  const auto second = policy.reduce(*third->state, in, asking(in, 2));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->effects[0].text, "You are number 2 in line.");

  const auto released = policy.reduce(*second->state, room(0, {"Ada", "Ben", "Cem"}), event(EventKind::released, 1));
  ASSERT_TRUE(released);
  ASSERT_GE(released->effects.size(), 3u);
  EXPECT_EQ(released->effects[0].kind, EffectKind::grant);
  EXPECT_EQ(released->effects[0].target, 3u) << "who asked first";
  EXPECT_EQ(released->effects[1].kind, EffectKind::notice);
  EXPECT_EQ(released->effects[2].kind, EffectKind::timer);
  EXPECT_EQ(*released->state, R"({"schema":"queue/1","state":{"waiting":[2]}})");
  EXPECT_EQ(released->effects.back().text, R"({"waiting":1})");

  auto late = room(1);
  late.now_ms = 11 * 60'000;
  const auto turn = policy.reduce(*released->state, late, event(EventKind::timer, 0));
  ASSERT_TRUE(turn);
  EXPECT_EQ(turn->effects[0].kind, EffectKind::grant) << "the turn was over";
  EXPECT_EQ(turn->effects[0].target, 2u);

  const auto other = policy.reduce(R"({"schema":"other/1","state":{"waiting":[2]}})", late, event(EventKind::timer, 0));
  ASSERT_TRUE(other);
  EXPECT_EQ(*other->state, R"({"schema":"queue/1","state":{"waiting":{}}})") << "a state of another shape is not taken";
}

TEST_F(ScriptPolicyTest, AnEndlessLoopIsCutAndTheNextDecisionIsFine) {
  const auto policy = answering("if room.epoch == 3 then while true do end end return allow()");
  ASSERT_TRUE(policy) << policy.error().message;
  auto in = room(1);
  const auto request = asking(in, 2);
  const auto cut = (*policy)->reduce("", in, request);
  ASSERT_FALSE(cut);
  EXPECT_NE(cut.error().message.find("script:4:"), std::string::npos) << cut.error().message;
  EXPECT_NE(cut.error().message.find("too many steps"), std::string::npos) << cut.error().message;
  in.epoch = 4;
  EXPECT_TRUE((*policy)->reduce("", in, request));

  EXPECT_NE(failure_of("local function f() return f() end return f()").find("too many steps"), std::string::npos);
  EXPECT_NE(failure_of("for i = 1, 1e9 do string.rep('x', 100) end").find("too many steps"), std::string::npos);
  EXPECT_NE(failure_of("string.rep('', 1 << 60)").find("too many steps"), std::string::npos);
  EXPECT_NE(
      failure_of("local t = {} for i = 1, 1e9 do t[i % 1000] = i for k in pairs(t) do end end").find("too many steps"),
      std::string::npos);
  const auto at_start = source("while true do end");
  ASSERT_FALSE(at_start) << "a script is run once when it is made";
  EXPECT_NE(at_start.error().message.find("script:1:"), std::string::npos) << at_start.error().message;
}

TEST_F(ScriptPolicyTest, AMemoryBombIsCut) {
  for (const char* bomb : {"local s = 'x' while true do s = s .. s end", "return deny(string.rep('xxxxxxxx', 1 << 40))",
                           "local t = {} for i = 1, 1e9 do t[i] = {i} end", "local function f() return 1 + f() end f()",
                           "local s = string.rep('x', 1000000) for i = 1, 1e6 do local u = s .. i end"}) {
    const auto words = failure_of(bomb);
    EXPECT_TRUE(words.find("memory") != std::string::npos || words.find("too many steps") != std::string::npos)
        << bomb << ": " << words;
  }
  EXPECT_NE(failure_of("local s = 'x' while true do s = s .. s end").find("too much memory"), std::string::npos);
}

TEST_F(ScriptPolicyTest, ErrorsNameTheLine) {
  const auto syntax = source("function initial_capabilities(room, member)\n  return \"editor\"\nend\nif then");
  ASSERT_FALSE(syntax);
  EXPECT_EQ(syntax.error().status, 400);
  EXPECT_NE(syntax.error().message.find("script:4:"), std::string::npos) << syntax.error().message;
  const auto words = failure_of("local x = nil + 1");
  EXPECT_NE(words.find("script:4: attempt to perform arithmetic on a nil value"), std::string::npos) << words;
  const auto answer = failure_of("return 'yes'");
  EXPECT_NE(answer.find("script:3: can_take_over_editing must return allow()"), std::string::npos) << answer;
  EXPECT_NE(failure_of("return { verdict = 'maybe' }").find("must return allow()"), std::string::npos);
  EXPECT_NE(failure_of("return deny()").find("string expected"), std::string::npos);
  EXPECT_NE(failure_of("error({})").find("an error that is no text"), std::string::npos);

  testing::write_file(temporary_.path() / "mine.lua", "\n\nlocal x =\n");
  const auto named =
      Policy::create(generation_, "{\"file\":" + as_json((temporary_.path() / "mine.lua").string()) + "}");
  ASSERT_FALSE(named);
  EXPECT_NE(named.error().message.find("mine.lua:"), std::string::npos) << named.error().message;
}

TEST_F(ScriptPolicyTest, WhatCouldReachOutOrVaryIsNotThere) {
  for (const char* name :
       {"os",           "io",           "package",        "debug",       "require",     "load",
        "loadfile",     "dofile",       "coroutine",      "pcall",       "xpcall",      "setmetatable",
        "getmetatable", "rawset",       "collectgarbage", "next",        "math.random", "math.randomseed",
        "string.dump",  "string.match", "string.gsub",    "string.pack", "table.move",  "(\"x\").find"}) {
    const auto words = failure_of(std::string("local x = ") + name);
    EXPECT_NE(words.find("is not offered to policies"), std::string::npos) << name << ": " << words;
  }
  EXPECT_NE(failure_of("return deny(reson)").find("'reson' has no value"), std::string::npos);
  EXPECT_NE(failure_of("return deny(string.format('%p', room))").find("'%p' is not offered"), std::string::npos);
  const auto bytecode = source("\x1bLua\x54");
  ASSERT_FALSE(bytecode);
  EXPECT_NE(bytecode.error().message.find("attempt to load a binary chunk"), std::string::npos);
}

TEST_F(ScriptPolicyTest, TheSameRoomHasTheSameAnswer) {
  // Addresses, the order of a table and what an earlier decision left behind would each show here.
  const auto policy = answering(R"(
    calls = (rawcalls or 0) + 1
    local seen = {}
    for name, value in pairs(room) do seen[#seen + 1] = name .. "=" .. tostring(value) end
    return deny(table.concat(seen, " ") .. string.format(" %s ", asker) .. tostring(allow)))");
  ASSERT_TRUE(policy) << policy.error().message;
  auto in = room(1);
  const auto request = asking(in, 2);
  const auto none = (*policy)->reduce("", in, request);
  ASSERT_FALSE(none) << "a name without a value is an error";
  const auto fine = answering(R"(
    local seen = {}
    for name, value in pairs(room) do seen[#seen + 1] = name .. "=" .. tostring(value) end
    for place in pairs({ [2.5] = 1, [1] = 1, [10] = 1 }) do seen[#seen + 1] = place end
    return deny(table.concat(seen, " ") .. string.format(" %s ", asker) .. tostring(allow)))");
  ASSERT_TRUE(fine) << fine.error().message;
  const auto first = (*fine)->reduce("", in, request);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->effects[0].text,
            "epoch=3 holder=1 members=table now_ms=60000 requests=table since_ms=0 version=0 1 2.5 10 table function");
  for (int i = 0; i < 5; ++i) EXPECT_EQ((*fine)->reduce("", in, request)->effects, first->effects);

  const auto counting = answering("count = (settings.count or 0) + 1 settings.count = count return deny('' .. count)");
  ASSERT_TRUE(counting);
  for (int i = 0; i < 3; ++i) EXPECT_EQ((*counting)->reduce("", in, request)->effects[0].text, "1");
}

TEST_F(ScriptPolicyTest, EveryEffectOfTheInterface) {
  const auto policy = source(R"(
    function reduce(state, room, event, out)
      out.set_caps(1, "viewer")
      out.grant(room.members[2], "viewer")
      out.vacate(1)
      out.deny(7, "no")
      out.ask(7, 1, room.now_ms + 10, "may I?")
      out.unask(7)
      out.timer(5, 0)
      out.notice(0, "all")
      out.show({ list = { 1, 2.5, true }, name = "x\n" })
      out.show(nil)
      return { deep = { { a = 1 } }, empty = {} }
    end)");
  ASSERT_TRUE(policy) << policy.error().message;
  const auto outcome = (*policy)->reduce("", room(1), event(EventKind::joined, 1));
  ASSERT_TRUE(outcome) << outcome.error().message;
  std::vector<std::string> names;
  for (const auto& effect : outcome->effects) names.emplace_back(effect_name(effect.kind));
  EXPECT_EQ(names, (std::vector<std::string>{"set_caps", "grant", "vacate", "resolve", "ask", "unask", "timer",
                                             "notice", "show", "show"}));
  EXPECT_EQ(outcome->effects[0].caps, 0u);
  EXPECT_EQ(outcome->effects[1].target, 2u);
  EXPECT_EQ(outcome->effects[2].caps, cap_interact);
  EXPECT_EQ(outcome->effects[4].at_ms, 60'010);
  EXPECT_EQ(outcome->effects[8].text, "{\"list\":[1,2.5,true],\"name\":\"x\\u000a\"}");
  EXPECT_EQ(outcome->effects[9].text, "");
  EXPECT_EQ(outcome->state, R"({"schema":"","state":{"deep":[{"a":1}],"empty":{}}})");

  const auto allowing = source("function reduce(state, room, event, out) out.allow(event.request) end");
  ASSERT_TRUE(allowing);
  const auto allowed = (*allowing)->reduce("", room(1), event(EventKind::requested, 2, 7));
  ASSERT_TRUE(allowed) << allowed.error().message;
  ASSERT_EQ(allowed->effects.size(), 1u);
  EXPECT_TRUE(allowed->effects[0].allow);
  EXPECT_EQ(allowed->effects[0].caps, cap_interact) << "what the former editor keeps";
  EXPECT_FALSE(allowed->state);
}

TEST_F(ScriptPolicyTest, StatesThatCannotBeKeptAreErrors) {
  for (const auto& [value, words] :
       std::vector<std::pair<std::string, std::string>>{{"{ f = allow }", "a function cannot be kept"},
                                                        {"{ n = 0/0 }", "not finite"},
                                                        {"{ 1, name = 2 }", "both places and names"},
                                                        {"'text'", "must return the new state, a table"},
                                                        {"{ t = string.rep('x', 70000) }", "cannot be kept"}}) {
    const auto policy = source("function reduce() return " + value + " end");
    ASSERT_TRUE(policy) << policy.error().message;
    const auto outcome = (*policy)->reduce("", room(1), event(EventKind::joined, 1));
    ASSERT_FALSE(outcome) << value;
    EXPECT_NE(outcome.error().message.find(words), std::string::npos) << outcome.error().message;
  }
  const auto loop = source("function reduce() local t = {} t.t = t return t end");
  ASSERT_TRUE(loop);
  EXPECT_FALSE((*loop)->reduce("", room(1), event(EventKind::joined, 1)));
}

TEST_F(ScriptPolicyTest, SettingsAreChecked) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"{}", "no script is named"},
      {R"({"source":"","file":"x.lua"})", "x.lua"},
      {R"({"source":1})", "must be a string"},
      {R"({"sauce":"x"})", "\"sauce\""},
      {R"({"source":"x = 1","settings":[]})", "must be an object"},
      {R"({"source":"x = 1"})", "neither reduce nor"},
      {R"({"file":"/nowhere/policy.lua"})", "cannot be read"},
      {R"({"file":"/etc/passwd"})", "not called *.lua"},
      {"[]", "must be a JSON object"}};
  for (const auto& [config, words] : wrong) {
    const auto made = Policy::create(generation_, config);
    ASSERT_FALSE(made) << config;
    EXPECT_NE((made.error().message + made.error().hint).find(words), std::string::npos) << made.error().message;
  }
  const auto both =
      source("function reduce() end function initial_capabilities() end function can_take_over_editing() end");
  ASSERT_FALSE(both);
  EXPECT_NE(both.error().message.find("both reduce and"), std::string::npos);
}

}  // namespace
}  // namespace lectern::plugin
