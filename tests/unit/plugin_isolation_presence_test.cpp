// Presence backends in processes of their own: shut into the one folder they are given.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "base/clock.hpp"
#include "plugin/presence.hpp"
#include "plugin_support.hpp"

namespace lectern::plugin {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::fs::path;

const path crashing = path(LECTERN_TEST_PLUGINS) / ".." / "plugins-crashing-presence";

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

class IsolatedPresence : public testing::RegistryTest {
 protected:
  void SetUp() override {
    if (!testing::has_landlock()) GTEST_SKIP() << "this kernel has no Landlock: presence backends cannot be isolated";
  }
  using Backend = std::shared_ptr<PresenceBackend>;
  [[nodiscard]] path shared() const { return temporary_.path() / "place" / "shared"; }
  Result<Backend> open(const path& plugins, int call_ms = 10'000) {
    auto options = testing::isolating(RegistryOptions{{plugins}, temporary_.path() / "state"});
    options.limits.presence_ms = call_ms;
    registry_ = std::make_unique<Registry>(options);
    auto generation = registry_->load(Kind::presence, "presence-folder");
    if (!generation) return fail(generation.error());
    EXPECT_NE((*generation)->remote(), nullptr);
    return PresenceBackend::open(*generation, R"({"folder":")" + shared().string() + "\"}");
  }
  void told_to(const std::string& how) const { testing::write_file(shared() / "how", how); }
  /// What the plugin said of what it was told to do; after a death, of the next process.
  static std::string said_when_rested(const Backend& backend) {
    for (const auto end = clock::now_ms() + 60'000; clock::now_ms() < end; std::this_thread::yield()) {
      const auto found = backend->snapshot();
      if (!found && found.error().status == 503) continue;
      if (!found) return found.error().message;
      return found->rejected.empty() ? "nothing" : found->rejected[0].reason;
    }
    return "it never woke";
  }
  std::unique_ptr<Registry> registry_;
};

TEST_F(IsolatedPresence, TheShippedBackendWorksInItsFolderAndOnlyThere) {
  const auto opened = open(testing::shipped);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto& backend = *opened;
  EXPECT_EQ(backend->lag_ms(), 15'000u);
  const std::string record = R"({"device_id":"dev-a","instance_id":"one"})";
  ASSERT_TRUE(backend->publish("dev-a", "one", record));
  EXPECT_EQ(testing::read_file(shared() / "v1/dev-a/one.json"), record);
  testing::write_file(shared() / "v1/dev-a/two.json", "{");
  const auto found = backend->snapshot();
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->records.size(), 1u);
  EXPECT_EQ(found->records[0].record, record);
  ASSERT_EQ(found->rejected.size(), 1u);
  ASSERT_TRUE(backend->remove("dev-a", "one"));
  EXPECT_FALSE(testing::fs::exists(shared() / "v1/dev-a/one.json"));
  const auto bad_id = backend->publish("../up", "one", record);
  ASSERT_FALSE(bad_id);
  EXPECT_EQ(bad_id.error().code, "bad_id") << "its own refusal crosses as it is";
  const auto report = backend->generation()->report();
  EXPECT_TRUE(report.isolated);
  EXPECT_GT(report.pid, 1);
}

TEST_F(IsolatedPresence, AFolderThatWasReplacedIsFoundAgain) {
  const auto opened = open(testing::shipped);
  ASSERT_TRUE(opened) << opened.error().message;
  const std::string record = R"({"device_id":"dev-a","instance_id":"one"})";
  ASSERT_TRUE((*opened)->publish("dev-a", "one", record));
  testing::fs::remove_all(shared());
  const auto gone = (*opened)->publish("dev-a", "one", record);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().status, 503);
  testing::fs::create_directories(shared());
  ASSERT_TRUE((*opened)->publish("dev-a", "one", record)) << "the rule of the old folder does not hold for the new one";
  EXPECT_TRUE(testing::fs::exists(shared() / "v1/dev-a/one.json"));
}

TEST_F(IsolatedPresence, NothingOutsideItsFolderIsReadOrChanged) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's child may do more";
  const auto opened = open(crashing);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto outside = shared().parent_path() / "outside";
  testing::write_file(outside, "secret");
  testing::fs::create_symlink(outside, shared() / "planted");
  for (const char* how :
       {"make-outside", "read-outside", "remove-outside", "move-outside", "link-outside", "through-link",
        "truncate-outside", "truncate-reading", "old-open", "new-open", "permissions", "read-file", "write-file"}) {
    told_to(how);
    EXPECT_EQ(said_when_rested(*opened), "refused") << how;
  }
  EXPECT_EQ(testing::read_file(outside), "secret");
  EXPECT_TRUE((*opened)->publish("d", "i", "{}")) << "it lives: a refusal is no death";
  EXPECT_EQ((*opened)->generation()->report().restarts, 0u);
}

TEST_F(IsolatedPresence, TheKernelSignalsNobodyForIt) {
  if (sanitized) GTEST_SKIP() << "a sanitizer's child may do more";
  const auto opened = open(crashing);
  ASSERT_TRUE(opened) << opened.error().message;
  for (const char* how : {"socket-owner", "socket-owner-ex", "socket-signal", "socket-async", "socket-ioctl-async",
                          "socket-ioctl-owner"}) {
    told_to(how);
    EXPECT_EQ(said_when_rested(*opened), "refused") << how;
  }
  told_to("locks");
  EXPECT_EQ(said_when_rested(*opened), "locked") << "what keeping files takes stays allowed";
  EXPECT_EQ((*opened)->generation()->report().restarts, 0u);
}

TEST_F(IsolatedPresence, EveryWayToDieCostsOneCallAndIsBlamedInWords) {
  const std::pair<const char*, const char*> ways[] = {
      {"segv", sanitized ? "its process" : "SIGSEGV"},
      {"exit", "by itself with code 7"},
      {"exec", "SIGSYS"},
      {"fork", "SIGSYS"},
      {"socket", "SIGSYS"},
  };
  for (const auto& [how, blame] : ways) {
    told_to("");
    const auto opened = open(crashing);  // anew: nobody rests after the first death
    ASSERT_TRUE(opened) << opened.error().message;
    ASSERT_TRUE((*opened)->publish("d", "i", R"({"kept":1})")) << how;
    ASSERT_EQ(said_when_rested(*opened), "nothing") << how;
    told_to(how);
    const auto dead = (*opened)->snapshot();
    ASSERT_FALSE(dead) << how;
    EXPECT_THAT(dead.error().message, HasSubstr(blame)) << how;
    told_to("");
    EXPECT_EQ(said_when_rested(*opened), "nothing") << how;
    const auto found = (*opened)->snapshot();
    ASSERT_TRUE(found) << how;
    ASSERT_EQ(found->records.size(), 1u) << how;
    EXPECT_EQ(found->records[0].record, R"({"kept":1})") << how << ": what was published is in the folder, not in it";
  }
}

TEST_F(IsolatedPresence, OneThatLoopsIsEnded) {
  const auto opened = open(crashing, 500);
  ASSERT_TRUE(opened) << opened.error().message;
  told_to("loop");
  const auto hung = (*opened)->snapshot();
  ASSERT_FALSE(hung);
  EXPECT_THAT(hung.error().message, HasSubstr("did not answer within"));
  told_to("");
  // A machine that is busy enough may take another call for a hanging one.
  std::string said;
  for (const auto end = clock::now_ms() + 60'000; said != "nothing" && clock::now_ms() < end;)
    said = said_when_rested(*opened);
  EXPECT_EQ(said, "nothing");
}

TEST_F(IsolatedPresence, OneThatDiesWhenItIsOpenedIsRefusedWithTheReason) {
  told_to("abort");
  const auto refused = open(crashing);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("SIGABRT"));
}

TEST_F(IsolatedPresence, SettingsWithoutAFolderAreRefused) {
  auto options = testing::isolating(RegistryOptions{{crashing}, temporary_.path() / "state"});
  registry_ = std::make_unique<Registry>(options);
  const auto generation = registry_->load(Kind::presence, "presence-folder");
  ASSERT_TRUE(generation) << generation.error().message;
  const auto refused = PresenceBackend::open(*generation, "{}");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 400);
  EXPECT_THAT(refused.error().message, HasSubstr("\"folder\""));
}

}  // namespace
}  // namespace lectern::plugin
