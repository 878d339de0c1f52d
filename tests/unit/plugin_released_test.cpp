// Plugins that were built against a released SDK and are kept as they were (tests/data/plugins-<version>/): today's
// host loads and runs them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "plugin/format.hpp"
#include "plugin/policy.hpp"
#include "plugin/presence.hpp"
#include "plugin/runtime.hpp"
#include "plugin/transport.hpp"
#include "plugin_support.hpp"

namespace lectern::plugin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// One test per released version of the SDK.
class Released : public testing::RegistryTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
#if !defined(__x86_64__)
    GTEST_SKIP() << "the released plugins are built for x86-64";
#endif
    RegistryOptions options;
    options.search = {testing::fs::path(LECTERN_TEST_DATA) / (std::string("plugins-") + GetParam())};
    options.staging = temporary_.path() / "state";
    options.services.checks = CheckLevel::maximal;
    registry_ = std::make_unique<Registry>(std::move(options));
  }
  std::unique_ptr<Registry> registry_;
};

TEST_P(Released, AreAllStillTaken) {
  const auto found = registry_->discover();
  std::set<Kind> kinds;
  for (const Found& one : found) {
    ASSERT_FALSE(one.refused) << one.path << ": " << one.refused->message;
    kinds.insert(one.manifest->kind);
    const auto generation = registry_->load(one.manifest->kind, one.id);
    EXPECT_TRUE(generation) << one.id << ": " << generation.error().message;
  }
  EXPECT_EQ(kinds.size(), 5u) << "one of each kind";
}

TEST_P(Released, APolicyDecides) {
  const auto generation = registry_->load(Kind::policy, "first-come");
  ASSERT_TRUE(generation) << generation.error().message;
  {
    const auto refused = Policy::create(*generation, R"({"odd":1})");
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("\"/odd\" is no setting"));
    const auto policy = *Policy::create(*generation, "{}");
    RoomSnapshot room;
    Member first;
    first.id = 1;
    Member second;
    second.id = 2;
    room.members = {first, second};
    PolicyEvent joined;
    joined.kind = EventKind::joined;
    joined.who = 1;
    const auto granted = policy->reduce("", room, joined);
    ASSERT_TRUE(granted) << granted.error().message;
    ASSERT_EQ(granted->effects.size(), 1u);
    EXPECT_EQ(granted->effects[0].kind, EffectKind::grant);
    EXPECT_EQ(granted->effects[0].target, 1u);
    room.holder = 1;
    PolicyEvent asks;
    asks.kind = EventKind::requested;
    asks.who = 2;
    asks.request = 7;
    const auto denied = policy->reduce("", room, asks);
    ASSERT_TRUE(denied) << denied.error().message;
    ASSERT_EQ(denied->effects.size(), 1u);
    EXPECT_EQ(denied->effects[0].kind, EffectKind::resolve);
    EXPECT_FALSE(denied->effects[0].allow);
    EXPECT_EQ(denied->effects[0].text, "Wait until the pen is free.");
  }
  ASSERT_TRUE((*generation)->health());
  EXPECT_EQ((*generation)->health()->summary, "first come, first served");
  EXPECT_THAT((*generation)->report().breaches, IsEmpty());
}

TEST_P(Released, AFormatReadsAndWrites) {
  const auto generation = registry_->load(Kind::format, "lines");
  ASSERT_TRUE(generation) << generation.error().message;
  const auto format = *Format::create(*generation);
  EXPECT_EQ(format->probe("a.lines", ""), 80);
  const std::string file = "x = 1\nprint(x)\n";
  const auto read = format->read(std::make_shared<const std::string>(file));
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->cells.size(), 2u);
  EXPECT_EQ(read->cells[1].id, "2");
  EXPECT_EQ(read->cells[1].source, "print(x)");
  const auto written = format->write({read->cells, read->metadata, read->original, read->language, 0});
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(*written, file);
  EXPECT_THAT((*generation)->report().breaches, IsEmpty());
}

TEST_P(Released, ATransportReadsAndWrites) {
  const auto generation = registry_->load(Kind::transport, "whispers");
  ASSERT_TRUE(generation) << generation.error().message;
  {
    const auto transport = *Transport::create(*generation, "{}");
    EXPECT_EQ(transport->bindings().at(0).name, "whisper.v1");
    const auto encoding = transport->open(7, 0, "{}");
    ASSERT_TRUE(encoding) << encoding.error().message;
    std::vector<std::string> heard;
    const auto visitor = [&](const Inbound& message) {
      heard.emplace_back(message.name);
      heard.emplace_back(message.body);
      return Status{};
    };
    ASSERT_TRUE(transport->receive(7, false, R"(focus {"cell_id":"a"})", visitor));
    EXPECT_THAT(heard, ElementsAre("focus", R"({"cell_id":"a"})"));
    const auto refused = transport->receive(7, true, "x", visitor);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("a line is a name, a space and JSON"));
    Outbound message;
    message.op = "notice";
    message.data = R"({"text":"hello"})";
    const auto frames = transport->encode(*encoding, message);
    ASSERT_TRUE(frames) << frames.error().message;
    ASSERT_EQ(frames->size(), 2u);
    EXPECT_EQ((*frames)[1].bytes, R"({"text":"hello"})");
    transport->close(7);
  }
  EXPECT_THAT((*generation)->report().breaches, IsEmpty());
}

TEST_P(Released, APresenceBackendKeepsRecords) {
  const auto generation = registry_->load(Kind::presence, "shelf");
  ASSERT_TRUE(generation) << generation.error().message;
  {
    const auto backend = *PresenceBackend::open(*generation, "{}");
    EXPECT_EQ(backend->min_period_ms(), 100u);
    ASSERT_TRUE(backend->publish("d", "one", R"({"v":1})"));
    ASSERT_TRUE(backend->publish("d", "two", R"({"v":2})"));
    ASSERT_TRUE(backend->publish("d", "one", R"({"v":3})"));
    ASSERT_TRUE(backend->remove("d", "two"));
    const auto found = backend->snapshot();
    ASSERT_TRUE(found) << found.error().message;
    ASSERT_EQ(found->records.size(), 1u);
    EXPECT_EQ(found->records[0].origin, "d/one");
    EXPECT_EQ(found->records[0].record, R"({"v":3})");
  }
  EXPECT_THAT((*generation)->report().breaches, IsEmpty());
}

TEST_P(Released, ARuntimeRunsCode) {
  const auto generation = registry_->load(Kind::runtime, "parrot");
  ASSERT_TRUE(generation) << generation.error().message;
  {
    std::vector<std::string> said;  // on the thread of the call: this one tells nothing from another
    const auto runtime = *Runtime::create(*generation, "{}", [&](RuntimeEvent&& event) {
      said.push_back(std::to_string(static_cast<int>(event.kind)) + " " + event.text);
    });
    EXPECT_THAT(*runtime->kernels(), HasSubstr("\"parrot\""));
    EXPECT_EQ(runtime->start(1, "cockatoo", "{}").error().code, "unknown_kernel");
    ASSERT_TRUE(runtime->start(1, "parrot", "{}"));
    ASSERT_TRUE(runtime->execute(1, 5, "hello"));
    EXPECT_EQ(runtime->request(1, 1, "complete", "{}").error().status, 415);
    ASSERT_TRUE(runtime->restart(1));
    ASSERT_TRUE(runtime->shutdown(1));
    EXPECT_EQ(runtime->execute(1, 6, "hello").error().code, "unknown_kernel");
    EXPECT_THAT(said, ElementsAre("1 ", "1 ", "2 ", "3 hello", "7 ", "1 ", "1 ", "1 ", "1 shutdown"));
  }
  EXPECT_THAT((*generation)->report().breaches, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Sdk, Released, ::testing::Values("0.1"), [](const auto& version) {
  return "V" + std::string(1, version.param[0]) + "_" + (version.param + 2);
});

}  // namespace
}  // namespace lectern::plugin
