// The header-only wrapper by itself: settings, JSON, failures, the simple policy's asks, and what it may include.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <stdexcept>

#include "lectern/sdk/policy.hpp"
#include "lectern/sdk/settings.hpp"
#include "lectern/sdk/simple_policy.hpp"

namespace lectern::sdk {
namespace {

using ::testing::HasSubstr;

TEST(SdkHeaders, IncludeNothingButTheSdkAndTheStandardLibrary) {
  const std::regex include(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  int seen = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(std::filesystem::path(LECTERN_SDK_SOURCE) / "include")) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      ++seen;
      const std::string name = match[2];
      if (match[1] == "\"") {
        EXPECT_TRUE(name.starts_with("lectern/abi/") || name.starts_with("lectern/sdk/"))
            << entry.path() << ": " << line;
      } else {
        EXPECT_EQ(name.find('/'), std::string::npos) << entry.path() << ": " << line;
        EXPECT_TRUE(name.find('.') == std::string::npos || name.starts_with("std")) << entry.path() << ": " << line;
      }
      const bool interface = entry.path().extension() == ".h";
      EXPECT_FALSE(interface && name.starts_with("lectern/sdk/"))
          << "the interface must not need the wrapper: " << entry.path();
    }
  }
  EXPECT_GT(seen, 40) << "the pattern finds no includes any more";
}

TEST(SdkJson, ReadsWhatSettingsNeed) {
  const Json json = Json::parse(R"( {"a":[1,-2.5e1,true,null],"s":"\u00e9\ud83d\ude00\n\"","o":{}} )");
  const auto& list = *json.find("a")->as_array();
  EXPECT_EQ(*list[0].as_number(), 1);
  EXPECT_EQ(*list[1].as_number(), -25);
  EXPECT_TRUE(*list[2].as_bool());
  EXPECT_TRUE(list[3].is_null());
  EXPECT_EQ(*json.find("s")->as_string(), "é😀\n\"");
  EXPECT_TRUE(json.find("o")->as_object()->empty());
  EXPECT_EQ(json.find("absent"), nullptr);
  EXPECT_EQ(*Json::parse(quote("a\"\\\x01\n")).as_string(), "a\"\\\x01\n");
}

TEST(SdkJson, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "nul", "01x", "\"\\x\"",
                           "\"\\ud800\"", "\"\n\"", "1 2", "+", "\"open", "{1:2}", "\"\\u12\""}) {
    EXPECT_THROW(Json::parse(text), Failure) << text;
  }
  EXPECT_THROW(Json::parse(std::string(100, '[')), Failure);
  EXPECT_NO_THROW(Json::parse(std::string(30, '[') + std::string(30, ']')));
}

TEST(SdkSettings, NamesWhatIsWrong) {
  const auto text_of = [](auto&& action) -> std::string {
    try {
      action();
    } catch (const Failure& failure) {
      return std::string(failure.what()) + " | " + failure.hint();
    }
    return "no failure";
  };
  EXPECT_THAT(text_of([] { Settings("[]"); }), HasSubstr("must be a JSON object"));
  Settings settings(R"({"minutes":7,"name":"x","on":true,"odd":1})");
  EXPECT_EQ(settings.integer("minutes", 1, 0, 10), 7);
  EXPECT_EQ(settings.integer("absent", 3, 0, 10), 3);
  EXPECT_EQ(settings.text("name", ""), "x");
  EXPECT_TRUE(settings.flag("on", false));
  EXPECT_THAT(text_of([&] { settings.integer("minutes", 1, 0, 5); }), HasSubstr("whole number from 0 to 5"));
  EXPECT_THAT(text_of([&] { settings.flag("name", false); }), HasSubstr("true or false"));
  EXPECT_THAT(text_of([&] { settings.choice("name", {"y", "z"}, "y"); }), HasSubstr("\"y\", \"z\""));
  EXPECT_THAT(text_of([&] { settings.done(); }), HasSubstr("no setting \"odd\""));
}

TEST(SdkFailure, NothingLeavesTheGuard) {
  lectern_error error{};
  error.struct_size = sizeof error;
  EXPECT_EQ(detail::guard(&error, [] {}), LECTERN_OK);
  EXPECT_EQ(detail::guard(&error, [] { throw Failure(LECTERN_INVALID, "bad", "do this").at(3, 4).code("odd"); }),
            LECTERN_INVALID);
  EXPECT_STREQ(error.message, "bad");
  EXPECT_STREQ(error.hint, "do this");
  EXPECT_STREQ(error.code, "odd");
  EXPECT_EQ(error.line, 3u);
  EXPECT_EQ(detail::guard(&error, [] { throw std::runtime_error("text of the exception"); }), LECTERN_INTERNAL);
  EXPECT_STREQ(error.message, "text of the exception");
  EXPECT_EQ(detail::guard(&error, [] { throw 7; }), LECTERN_INTERNAL);
  EXPECT_EQ(detail::guard(nullptr, [] { throw 7; }), LECTERN_INTERNAL);
  EXPECT_EQ(detail::guard(&error, [] { detail::check(LECTERN_TOO_LARGE); }), LECTERN_TOO_LARGE);
  // A long text is cut between characters.
  EXPECT_EQ(detail::guard(&error, [] { throw Failure(LECTERN_INVALID, std::string(510, 'x') + "é"); }),
            LECTERN_INVALID);
  EXPECT_EQ(std::string(error.message), std::string(510, 'x'));
}

// What a host of a later day sends: longer structs. What an older one sends: shorter ones. LECTERN_HAS tells them
// apart.
TEST(SdkAbi, FieldsAreThereAsFarAsTheSizeSays) {
  lectern_host host{};
  host.struct_size = offsetof(lectern_host, log);
  EXPECT_FALSE(LECTERN_HAS(&host, log));
  host.struct_size = offsetof(lectern_host, get_extension);
  EXPECT_TRUE(LECTERN_HAS(&host, log));
  EXPECT_FALSE(LECTERN_HAS(&host, get_extension));
  host.struct_size = 4096;
  EXPECT_TRUE(LECTERN_HAS(&host, get_extension));
}

/// Asks the editor; used to walk through the simple base's questions.
class Asking final : public SimplePolicy {
 public:
  explicit Asking(std::string_view) {}
  Start initial_capabilities(const Room& room, const Member&) const override {
    return room.holder == 0 ? Start::editor : Start::viewer;
  }
  Decision can_take_over_editing(const Room& room, const Member&) const override {
    return room.holder == 0 ? Decision::allow() : Decision::ask(room.holder, 30'000, "May I?");
  }
};

class SimplePolicyAsks : public ::testing::Test {
 protected:
  SimplePolicyAsks() {
    room_.now_ms = 1000;
    room_.holder = 1;
    room_.members = {member(1, 3), member(2, 0)};
    room_.requests = {{7, 2, 1, 0, 0, 0, ""}};
  }
  static Member member(std::uint64_t id, std::uint64_t grant) {
    Member made;
    made.id = id;
    made.scope = LECTERN_CAP_EDIT | LECTERN_CAP_INTERACT;
    made.grant = grant;
    return made;
  }
  /// The one effect of an event, through the C interface as a host calls it.
  lectern_effect only_effect(std::uint32_t kind, std::uint64_t who, std::uint64_t target, std::uint32_t value = 0) {
    Event event;
    event.kind = kind;
    event.who = who;
    event.target = target;
    event.value = value;
    event.request = 7;
    Outcome outcome;
    Asking("").reduce("", room_, event, outcome);
    std::vector<lectern_effect> seen;
    lectern_policy_out out{};
    out.ctx = &seen;
    out.effect = [](void* ctx, const lectern_effect* effect) noexcept -> lectern_status {
      static_cast<std::vector<lectern_effect>*>(ctx)->push_back(*effect);
      return LECTERN_OK;
    };
    outcome.deliver(out);
    EXPECT_EQ(seen.size(), 1u);
    return seen.empty() ? lectern_effect{} : seen[0];
  }
  Room room_;
};

TEST_F(SimplePolicyAsks, TheEditorIsAskedAndItsAnswerCounts) {
  const auto ask = only_effect(LECTERN_EVENT_REQUESTED, 2, 0);
  EXPECT_EQ(ask.kind, std::uint32_t{LECTERN_EFFECT_ASK});
  EXPECT_EQ(ask.target, 1u);
  EXPECT_EQ(ask.at_ms, 31'000);
  const auto yes = only_effect(LECTERN_EVENT_ANSWERED, 0, 1, 1);
  EXPECT_EQ(yes.kind, std::uint32_t{LECTERN_EFFECT_RESOLVE});
  EXPECT_EQ(yes.verdict, std::uint32_t{LECTERN_ALLOW});
  EXPECT_EQ(only_effect(LECTERN_EVENT_ANSWERED, 0, 1, 0).verdict, std::uint32_t{LECTERN_DENY});
}

TEST_F(SimplePolicyAsks, TheSilenceOfAFormerEditorTakesThePenFromNobody) {
  room_.members[0].grant = 0;
  room_.members[1].grant = 2;
  room_.holder = room_.members[1].id;
  EXPECT_EQ(only_effect(LECTERN_EVENT_ASK_ENDED, 0, 1).verdict, std::uint32_t{LECTERN_DENY});
}

TEST_F(SimplePolicyAsks, SilenceBlocksAndAbsenceDoesNot) {
  EXPECT_EQ(only_effect(LECTERN_EVENT_ASK_ENDED, 0, 1).verdict, std::uint32_t{LECTERN_DENY});
  room_.members[0].presence = LECTERN_LOST;
  EXPECT_EQ(only_effect(LECTERN_EVENT_ASK_ENDED, 0, 1).verdict, std::uint32_t{LECTERN_ALLOW});
  room_.members.erase(room_.members.begin());
  EXPECT_EQ(only_effect(LECTERN_EVENT_ASK_ENDED, 0, 1).verdict, std::uint32_t{LECTERN_ALLOW});
}

}  // namespace
}  // namespace lectern::sdk
