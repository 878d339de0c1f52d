// What host and plugins offer each other by string ids: schemas of settings, health, metrics, and the log's limit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "plugin/extensions_schema.hpp"
#include "plugin/policy.hpp"
#include "plugin/presence.hpp"
#include "plugin_support.hpp"

namespace lectern::plugin {
namespace {

using ::testing::AllOf;
using testing::bad;
using ::testing::HasSubstr;
using ::testing::Not;

/// Text that breaks the rule, and text that does not: a keyword that is taken and not enforced would show here.
struct Keyword {
  const char* rule;
  const char* schema;
  const char* breaks;
  const char* keeps;
};

TEST(ConfigSchemaTest, EveryKeywordThatIsTakenIsEnforced) {
  const Keyword keywords[] = {
      {"type", R"({"type":"object"})", "[]", "{}"},
      {"enum", R"({"properties":{"a":{"enum":["x",1]}}})", R"({"a":2})", R"({"a":1})"},
      {"required", R"({"required":["a"]})", "{}", R"({"a":1})"},
      {"additionalProperties", R"({"properties":{"a":{}},"additionalProperties":false})", R"({"b":1})", R"({"a":1})"},
      {"patternProperties", R"({"patternProperties":{"^n_":{"type":"integer"}}})", R"({"n_a":"x"})",
       R"({"n_a":1,"b":"x"})"},
      {"dependencies", R"({"dependencies":{"a":["b"]}})", R"({"a":1})", R"({"a":1,"b":1})"},
      {"minProperties", R"({"minProperties":1})", "{}", R"({"a":1})"},
      {"maxProperties", R"({"maxProperties":1})", R"({"a":1,"b":1})", R"({"a":1})"},
      {"type", R"({"properties":{"a":{"items":{"type":"string"}}}})", R"({"a":[1]})", R"({"a":["x"]})"},
      {"items", R"({"properties":{"a":{"items":[{}],"additionalItems":false}}})", R"({"a":[1,2]})", R"({"a":[1]})"},
      {"minItems", R"({"properties":{"a":{"minItems":1}}})", R"({"a":[]})", R"({"a":[1]})"},
      {"maxItems", R"({"properties":{"a":{"maxItems":1}}})", R"({"a":[1,2]})", R"({"a":[1]})"},
      {"uniqueItems", R"({"properties":{"a":{"uniqueItems":true}}})", R"({"a":[1,1]})", R"({"a":[1,2]})"},
      {"minLength", R"({"properties":{"a":{"minLength":2}}})", R"({"a":"x"})", R"({"a":"xy"})"},
      {"maxLength", R"({"properties":{"a":{"maxLength":1}}})", R"({"a":"xy"})", R"({"a":"é"})"},
      {"pattern", R"({"properties":{"a":{"pattern":"^/"}}})", R"({"a":"b"})", R"({"a":"/b"})"},
      {"minimum", R"({"properties":{"a":{"minimum":3}}})", R"({"a":2})", R"({"a":3})"},
      {"maximum", R"({"properties":{"a":{"maximum":3}}})", R"({"a":4})", R"({"a":3})"},
      {"minimum", R"({"properties":{"a":{"minimum":3,"exclusiveMinimum":true}}})", R"({"a":3})", R"({"a":4})"},
      {"maximum", R"({"properties":{"a":{"maximum":3,"exclusiveMaximum":true}}})", R"({"a":3})", R"({"a":2})"},
      {"multipleOf", R"({"properties":{"a":{"multipleOf":5}}})", R"({"a":7})", R"({"a":10})"},
      {"allOf", R"({"allOf":[{"required":["a"]},{"required":["b"]}]})", R"({"a":1})", R"({"a":1,"b":1})"},
      {"anyOf", R"({"anyOf":[{"required":["a"]},{"required":["b"]}]})", "{}", R"({"b":1})"},
      {"oneOf", R"({"oneOf":[{"required":["a"]},{"required":["b"]}]})", R"({"a":1,"b":1})", R"({"b":1})"},
      {"not", R"({"not":{"required":["a"]}})", R"({"a":1})", "{}"},
      {"type", R"({"properties":{"a":{"$ref":"#/definitions/s"}},"definitions":{"s":{"type":"string"}}})", R"({"a":1})",
       R"({"a":"x"})"},
  };
  for (const Keyword& one : keywords) {
    const auto schema = ConfigSchema::compile(one.schema);
    ASSERT_TRUE(schema) << one.schema << ": " << schema.error().message;
    EXPECT_TRUE((*schema)->check(one.keeps, "x")) << one.schema << " refuses " << one.keeps;
    const auto refused = (*schema)->check(one.breaks, "x");
    ASSERT_FALSE(refused) << one.schema << " takes " << one.breaks;
    EXPECT_EQ(refused.error().code, "bad_config");
    EXPECT_THAT(refused.error().details, HasSubstr(std::string("\"rule\":\"") + one.rule + "\"")) << one.schema;
  }
}

TEST(ConfigSchemaTest, WhatWouldNotBeEnforcedIsRefused) {
  for (
      const char* schema :
      {"", "[]", "not json", R"({"const":1})", R"({"if":{}})", R"({"properties":{"a":{"propertyNames":{}}}})",
       R"({"properties":{"a":{"format":"uri"}}})", R"({"properties":{"a":{"minimum":"3"}}})", R"({"required":true})",
       R"({"$ref":"other.json#/a"})", R"({"$ref":"#/definitions/gone"})", R"({"items":{"$ref":"#"}})",
       R"({"definitions":{"a":{"$ref":"#/definitions/b"},"b":{"$ref":"#/definitions/a"}},"not":{"$ref":"#/definitions/a"}})",
       R"({"minLength":-1})", R"({"exclusiveMinimum":3})", R"({"pattern":"(a{1000}){1000}"})",
       R"({"patternProperties":{"a{9}":{}}})", R"({"allOf":{}})"}) {
    const auto made = ConfigSchema::compile(schema);
    ASSERT_FALSE(made) << schema;
    EXPECT_EQ(made.error().code, "bad_schema") << schema;
  }
  std::string nested = "{}";
  for (int i = 0; i < 40; ++i) nested = R"({"not":)" + nested + "}";
  EXPECT_FALSE(ConfigSchema::compile(nested)) << "deeper than the guard allows";
}

TEST(ConfigSchemaTest, ErrorsNameThePointerTheRuleAndWhatWouldDo) {
  const auto schema = *ConfigSchema::compile(
      R"({"properties":{"a":{"properties":{"b/c":{"enum":["x","y"]}}}},"additionalProperties":false})");
  const auto deep = schema->check(R"({"a":{"b/c":"z"}})", "mine");
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().status, 400);
  EXPECT_EQ(deep.error().message, R"(mine could not take these settings: "/a/b~1c" breaks the rule "enum")");
  EXPECT_EQ(deep.error().hint, R"(It can be one of: "x", "y".)");
  EXPECT_EQ(deep.error().details, R"({"pointer":"/a/b~1c","rule":"enum"})");
  const auto stranger = schema->check(R"({"a":{},"d~e":1})", "mine");
  ASSERT_FALSE(stranger);
  EXPECT_EQ(stranger.error().message, R"(mine could not take these settings: "/d~0e" is no setting)");
  EXPECT_EQ(stranger.error().hint, "The settings are: a.");
  const auto text = schema->check("{", "mine");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, "bad_config");
}

class Extensions : public testing::RegistryTest {
 protected:
  std::unique_ptr<Registry> registry_ = registry({bad, testing::shipped});
};

TEST_F(Extensions, SettingsAreCheckedBeforeThePluginSeesThem) {
  const auto generation = registry_->load(Kind::policy, "local-takeover");
  ASSERT_TRUE(generation) << generation.error().message;
  EXPECT_TRUE(Policy::create(*generation, R"({"secondary":"viewer"})"));
  const auto calls = (*generation)->report().calls;
  const auto refused = Policy::create(*generation, R"({"secondary":"audience"})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 400);
  EXPECT_EQ(refused.error().code, "bad_config");
  EXPECT_THAT(refused.error().message, HasSubstr("\"/secondary\" breaks the rule \"enum\""));
  EXPECT_THAT(refused.error().hint, HasSubstr("\"interactor\", \"viewer\""));
  EXPECT_EQ((*generation)->report().calls, calls) << "the plugin was not asked";
  EXPECT_THAT(registry_->report_json(), HasSubstr(R"("config_schema":{"$schema":)"));
}

TEST_F(Extensions, HealthIsAskedAndShown) {
  const auto folder = temporary_.path() / "devices";
  const auto generation = registry_->load(Kind::presence, "presence-folder");
  ASSERT_TRUE(generation) << generation.error().message;
  const auto backend = PresenceBackend::open(*generation, R"({"folder":")" + folder.string() + "\"}");
  ASSERT_TRUE(backend) << backend.error().message;
  ASSERT_TRUE((*backend)->publish("device", "instance", "{}"));
  ASSERT_TRUE((*generation)->health());
  EXPECT_EQ((*generation)->health()->state, HealthState::ok);
  std::filesystem::remove_all(folder);
  testing::write_file(folder, "a file where the folder was");
  EXPECT_FALSE((*backend)->publish("device", "instance", "{}"));
  const auto health = (*generation)->health();
  ASSERT_TRUE(health);
  EXPECT_EQ(health->state, HealthState::degraded);
  EXPECT_THAT(health->summary, HasSubstr(folder.string()));
  EXPECT_THAT(registry_->report_json(), HasSubstr(R"("health":{"state":"degraded","summary":)"));
}

TEST_F(Extensions, MetricsOfPluginsAreShownWithTheirId) {
  const auto generation = registry_->load(Kind::policy, "local-takeover");
  const auto reckless = registry_->load(Kind::policy, "reckless");
  ASSERT_TRUE(generation && reckless);
  {
    const auto policy = *Policy::create(*generation, "{}");
    RoomSnapshot room;
    Member watcher;
    watcher.id = 3;
    watcher.flags = member_view_only;
    room.members = {watcher};
    PolicyEvent event;
    event.kind = EventKind::requested;
    event.who = 3;
    event.request = 1;
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(policy->reduce("", room, event));
    const auto bad_one = *Policy::create(*reckless, "{}");
    PolicyEvent action;
    action.kind = EventKind::action;
    action.verb = "metrics";
    ASSERT_TRUE(bad_one->reduce("", room, action));
  }
  const std::string text = registry_->metrics_text();
  EXPECT_THAT(text, HasSubstr("# TYPE lectern_plugin_takeovers_refused_total counter\n"
                              "lectern_plugin_takeovers_refused_total{plugin=\"local-takeover\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("lectern_plugin_things_total{plugin=\"reckless\"} 2\n"));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("lectern_plugin_things{")), Not(HasSubstr("lectern_plugin_far"))));
}

TEST(MetricsText, AddsUpGenerationsAndKeepsKindsApart) {
  const std::string text = metrics_text({{"a", {{true, "x_total", "Help", 2}, {false, "g", "Gauge\\", 1}}},
                                         {"a", {{true, "x_total", "Help", 3}, {false, "g", "Gauge", 0.5}}},
                                         {"b", {{true, "x_total", "Other", 1}, {true, "g", "No gauge", 9}}}});
  EXPECT_EQ(text,
            "# HELP lectern_plugin_g Gauge/\n# TYPE lectern_plugin_g gauge\nlectern_plugin_g{plugin=\"a\"} 0.5\n"
            "# HELP lectern_plugin_x_total Help\n# TYPE lectern_plugin_x_total counter\n"
            "lectern_plugin_x_total{plugin=\"a\"} 5\nlectern_plugin_x_total{plugin=\"b\"} 1\n");
}

TEST(RateLimitTest, LetsABurstThroughAndThenAFewASecond) {
  RateLimit limit(3, 2);
  std::uint64_t dropped = 0;
  int passed = 0;
  for (int i = 0; i < 10; ++i) passed += limit.pass(1000, dropped) ? 1 : 0;
  EXPECT_EQ(passed, 3);
  EXPECT_TRUE(limit.pass(1500, dropped));
  EXPECT_EQ(dropped, 7u) << "said with the next that passes";
  EXPECT_FALSE(limit.pass(1600, dropped));
  EXPECT_TRUE(limit.pass(1'000'000, dropped));
  EXPECT_EQ(dropped, 1u);
}

// A plugin that stays mapped after deinit, with a thread it never joined, may still call in.
TEST(ServicesTest, AfterDeinitEveryFunctionOnlyTells) {
  Services services("late", {});
  const lectern_host* host = services.host();
  const auto extension = [&](std::string_view id) { return host->get_extension(host->ctx, {id.data(), id.size()}); };
  const auto* log = static_cast<const lectern_log*>(extension(LECTERN_EXT_LOG));
  const auto* metrics = static_cast<const lectern_metrics*>(extension(LECTERN_EXT_METRICS));
  ASSERT_TRUE(log != nullptr && metrics != nullptr);
  EXPECT_EQ(extension("log/2"), nullptr);
  EXPECT_EQ(extension("log/1 "), nullptr);
  ASSERT_EQ(metrics->declare(metrics->ctx, 1, LECTERN_METRIC_GAUGE, {"depth", 5}, {"Depth", 5}), LECTERN_OK);
  EXPECT_EQ(metrics->declare(metrics->ctx, 1, LECTERN_METRIC_GAUGE, {"depth", 5}, {"Depth", 5}), LECTERN_OK) << "again";
  EXPECT_EQ(metrics->declare(metrics->ctx, 1, LECTERN_METRIC_GAUGE, {"other", 5}, {"", 0}), LECTERN_CONFLICT);
  metrics->set(metrics->ctx, 1, 4);
  services.close();
  metrics->set(metrics->ctx, 1, 9);
  log->write(log->ctx, LECTERN_LOG_ERROR, {"late", 4}, nullptr, 0);
  host->log(host->ctx, LECTERN_LOG_ERROR, {"late", 4});
  EXPECT_EQ(extension(LECTERN_EXT_LOG), nullptr);
  ASSERT_EQ(services.metrics().size(), 1u);
  EXPECT_EQ(services.metrics()[0].value, 4);
  const auto breaches = services.checker()->breaches();
  ASSERT_EQ(breaches.size(), 4u);
  for (const Breach& one : breaches) {
    EXPECT_EQ(one.tag, "(initialised)");
    EXPECT_THAT(one.what, HasSubstr("was called after deinit"));
  }
}

TEST(ServicesTest, TextsOfAPluginAreBounded) {
  Services services("odd", {CheckLevel::maximal, log::Level::error});
  const lectern_host* host = services.host();
  host->log(host->ctx, LECTERN_LOG_ERROR, {nullptr, 500});
  host->log(host->ctx, 4711, {"below the level that is written", 31});
  EXPECT_EQ(host->get_extension(host->ctx, {nullptr, 5}), nullptr);
  const std::string key = "checks/1";
  const auto* checks = static_cast<const lectern_checks*>(host->get_extension(host->ctx, {key.data(), key.size()}));
  ASSERT_NE(checks, nullptr);
  EXPECT_EQ(checks->level, LECTERN_CHECKS_MAXIMAL);
  const std::string huge(100'000, 'x');
  checks->broken(checks->ctx, {huge.data(), huge.size()}, {nullptr, 3}, {huge.data(), huge.size()});
  const auto breaches = services.checker()->breaches();
  ASSERT_EQ(breaches.size(), 1u);
  EXPECT_EQ(breaches[0].side, Side::host);
  EXPECT_EQ(breaches[0].tag.size(), 64u);
  EXPECT_EQ(breaches[0].what.size(), 400u);
}

TEST_F(Extensions, AChattyPluginIsCutShort) {
  const auto generation = registry_->load(Kind::policy, "reckless");
  ASSERT_TRUE(generation);
  const auto policy = *Policy::create(*generation, "{}");
  PolicyEvent event;
  event.kind = EventKind::action;
  event.verb = "chatter";
  ASSERT_TRUE(policy->reduce("", RoomSnapshot{}, event));
  const auto dropped = (*generation)->report().dropped_lines;
  EXPECT_GT(dropped, 300u) << "500 lines at once, 100 pass";
  EXPECT_LT(dropped, 401u);
}

}  // namespace
}  // namespace lectern::plugin
