// Finding, refusing, loading, swapping and unloading, with real libraries in real folders.
#include "plugin/registry.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/json.hpp"
#include "plugin/policy.hpp"
#include "plugin/slot.hpp"
#include "plugin_support.hpp"

namespace lectern::plugin {
namespace {

using ::testing::HasSubstr;
using testing::write_file;
using testing::fs::path;

std::string manifest_text(const std::string& id, const std::string& more = "") {
  return R"({"id":")" + id + R"(","kind":"policy","abi":{"major":0,"minor":1},"library":"x.so")" + more + "}";
}

struct BadManifest {
  const char* text;
  const char* code;
  const char* message;
};

TEST(Manifest, EveryFieldIsCheckedAndNamed) {
  const BadManifest cases[] = {
      {"", "bad_manifest", "p.plugin.json"},
      {"[1]", "bad_manifest", "object"},
      {"{", "bad_manifest", "p.plugin.json"},
      {R"({"id":"p","id":"p"})", "bad_manifest", "id"},
      {R"({"kind":"policy"})", "bad_manifest", "id"},
      {R"({"id":"../p"})", "bad_manifest", "id is \"../p\""},
      {R"({"id":"P"})", "bad_manifest", "id is \"P\""},
      {R"({"id":"p","kind":"polcy"})", "bad_manifest", "kind is \"polcy\""},
      {R"({"id":"p","kind":"policy"})", "bad_manifest", "abi"},
      {R"({"id":"p","kind":"policy","abi":{"major":-1,"minor":0}})", "bad_manifest", "abi.major"},
      {R"({"id":"p","kind":"policy","abi":{"major":9,"minor":0}})", "abi_mismatch", "9.0"},
      {R"({"id":"p","kind":"policy","abi":{"major":0,"minor":99}})", "abi_mismatch", "0.99"},
      {R"({"id":"p","kind":"policy","abi":{"major":0,"minor":1}})", "bad_manifest", "library"},
      {R"({"id":"p","kind":"policy","abi":{"major":0,"minor":1},"library":"../../etc/x.so"})", "bad_manifest",
       "library is"},
      {R"({"id":"p","kind":"policy","abi":{"major":0,"minor":1},"library":"x.so","sha256":"abc"})", "bad_manifest",
       "sha256"},
      {R"({"id":"p","kind":"policy","abi":{"major":0,"minor":1},"library":"x.so","unloadable":"yes"})", "bad_manifest",
       "unloadable"},
      {R"({"id":"q","kind":"policy","abi":{"major":0,"minor":1},"library":"x.so"})", "bad_manifest", "says id \"q\""},
  };
  for (const auto& one : cases) {
    const auto manifest = parse_manifest(one.text, "/some/p.plugin.json");
    ASSERT_FALSE(manifest) << one.text;
    EXPECT_EQ(manifest.error().code, one.code) << one.text;
    EXPECT_THAT(manifest.error().message, HasSubstr(one.message)) << one.text;
    EXPECT_THAT(manifest.error().message, HasSubstr("/some/p.plugin.json")) << one.text;
  }
  EXPECT_FALSE(parse_manifest(std::string(70000, ' '), "/some/p.plugin.json"));
  EXPECT_EQ(parse_manifest(R"({"id":"p","kind":"polcy"})", "/p.plugin.json").error().hint, "Did you mean \"policy\"?");
}

TEST(Manifest, UnknownKeysAreIgnoredAndDefaultsAreSafe) {
  const auto manifest = parse_manifest(manifest_text("p", R"(,"newer":{"x":[1]})"), "/some/p.plugin.json");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->name, "p");
  EXPECT_FALSE(manifest->unloadable);
  EXPECT_EQ(manifest->library_path(), path("/some/x.so"));
}

class RegistryFolders : public testing::RegistryTest {
 protected:
  /// Copies a shipped plugin into a folder of the test's own.
  void install(const path& from, const std::string& id, const path& to) {
    testing::fs::create_directories(to / id);
    for (const char* ending : {".so", ".plugin.json"}) {
      testing::fs::copy_file(from / id / (id + ending), to / id / (id + ending),
                             testing::fs::copy_options::overwrite_existing);
    }
  }
  static std::size_t generations_of(Registry& all) {
    std::size_t count = 0;
    for (const auto& one : all.report()) count += one.generations.size();
    return count;
  }
  path folder_ = temporary_.path() / "installed";
};

TEST_F(RegistryFolders, DiscoversWithReasonsAndWithoutLoading) {
  install(testing::shipped, "local-takeover", folder_);
  write_file(folder_ / "broken" / "broken.plugin.json", "{");
  write_file(folder_ / "lonely" / "lonely.so", "x");
  write_file(folder_ / "flat.plugin.json", manifest_text("flat"));
  write_file(folder_ / "no-plugin" / "readme.txt", "x");
  const path second = temporary_.path() / "second";
  install(testing::shipped, "local-takeover", second);
  install(testing::shipped, "collaborative", second);

  const auto all = registry({folder_, second, temporary_.path() / "absent"});
  std::vector<std::string> lines;
  for (const Found& found : all->discover())
    lines.push_back(found.id + " " + (found.refused ? found.refused->code : "ok"));
  EXPECT_THAT(lines, ::testing::ElementsAre("broken bad_manifest", "collaborative ok", "flat not_found",
                                            "local-takeover ok", "local-takeover shadowed", "lonely missing_manifest"));
  EXPECT_THAT(all->ids(Kind::policy), ::testing::ElementsAre("collaborative", "local-takeover"));
  EXPECT_TRUE(all->ids(Kind::format).empty());
}

TEST_F(RegistryFolders, WhatWasReadBeforeIsReadAgainWhenItChanges) {
  install(testing::shipped, "local-takeover", folder_);
  const auto manifest = folder_ / "local-takeover" / "local-takeover.plugin.json";
  const auto library = folder_ / "local-takeover" / "local-takeover.so";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!FileFacts::of(library).settled() || !FileFacts::of(manifest).settled()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  const auto all = registry({folder_});
  EXPECT_THAT(all->ids(Kind::policy), ::testing::ElementsAre("local-takeover"));
  EXPECT_THAT(all->ids(Kind::policy), ::testing::ElementsAre("local-takeover"));

  auto text = testing::read_file(manifest);
  const auto at = text.find("\"policy\"");
  ASSERT_NE(at, std::string::npos);
  write_file(manifest, text.replace(at, 8, "\"format\""));  // as long as it was
  EXPECT_THAT(all->ids(Kind::policy), ::testing::IsEmpty());
  EXPECT_THAT(all->ids(Kind::format), ::testing::ElementsAre("local-takeover"));

  write_file(library, "no library");
  ASSERT_EQ(all->discover().size(), 1U);
  ASSERT_TRUE(all->discover().front().refused);
  EXPECT_EQ(all->discover().front().refused->code, "not_a_library");
}

TEST_F(RegistryFolders, AFolderThatWasListedBeforeIsListedAgainWhenItChanges) {
  install(testing::shipped, "local-takeover", folder_);
  testing::fs::create_directories(folder_ / "later");
  const auto settle = [&] {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (const auto& folder : {folder_, folder_ / "later", folder_ / "local-takeover"}) {
      while (!FileFacts::of(folder).settled()) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
        std::this_thread::yield();
      }
    }
  };
  const auto all = registry({folder_});
  const auto found = [&] {
    std::vector<std::string> ids;
    for (const Found& one : all->discover()) ids.push_back(one.id + (one.refused ? " " + one.refused->code : ""));
    return ids;
  };
  settle();
  EXPECT_THAT(found(), ::testing::ElementsAre("local-takeover"));
  EXPECT_THAT(found(), ::testing::ElementsAre("local-takeover"));

  write_file(folder_ / "later" / "later.so", "x");
  install(testing::shipped, "collaborative", folder_);
  EXPECT_THAT(found(), ::testing::ElementsAre("collaborative", "later missing_manifest", "local-takeover"));
  settle();
  EXPECT_THAT(found(), ::testing::ElementsAre("collaborative", "later missing_manifest", "local-takeover"));
  testing::fs::remove_all(folder_ / "later");
  testing::fs::remove(folder_ / "local-takeover" / "local-takeover.plugin.json");
  EXPECT_THAT(found(), ::testing::ElementsAre("collaborative", "local-takeover missing_manifest"));
}

TEST_F(RegistryFolders, WhatIsMissingIsNamedWithWhatIsThere) {
  install(testing::shipped, "local-takeover", folder_);
  const auto all = registry({folder_});
  const auto missing = all->load(Kind::policy, "locl-takeover");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().status, 404);
  EXPECT_EQ(missing.error().code, "plugin_missing");
  EXPECT_THAT(missing.error().message, HasSubstr("locl-takeover"));
  EXPECT_THAT(missing.error().message, HasSubstr(folder_.string()));
  EXPECT_THAT(missing.error().message, HasSubstr("there: local-takeover"));
  EXPECT_EQ(missing.error().hint, "Did you mean \"local-takeover\"?");
  EXPECT_THAT(all->load(Kind::format, "local-takeover").error().message, HasSubstr("is a policy, not a format"));
  EXPECT_THAT(all->load(Kind::format, "ipynb").error().message, HasSubstr("no format at all"));

  testing::fs::remove(folder_ / "local-takeover" / "local-takeover.so");
  const auto gone = all->load(Kind::policy, "local-takeover");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, "not_found");
  EXPECT_THAT(gone.error().message, HasSubstr("local-takeover.so"));
}

TEST_F(RegistryFolders, AContentThatIsNotTheManifestsIsRefused) {
  install(testing::shipped, "local-takeover", folder_);
  const path manifest = folder_ / "local-takeover" / "local-takeover.plugin.json";
  std::string text = testing::read_file(manifest);
  text.insert(text.rfind('}'), ", \"sha256\": \"" + std::string(64, '0') + "\"");
  write_file(manifest, text);
  EXPECT_EQ(registry({folder_})->load(Kind::policy, "local-takeover").error().code, "content_mismatch");
}

TEST_F(RegistryFolders, TheSameContentIsOneGenerationAndUnloadsWhenNobodyHoldsIt) {
  const auto all = registry({testing::shipped});
  auto first = *all->load(Kind::policy, "local-takeover");
  EXPECT_EQ(first, *all->load(Kind::policy, "local-takeover"));
  const path staged = all->options().staging / "plugins" / first->sha256() / "local-takeover.so";
  ASSERT_TRUE(testing::fs::exists(staged));
  EXPECT_EQ(testing::fs::status(staged.parent_path()).permissions(), testing::fs::perms::owner_all);
  const auto mapped = [&] { return ::dlopen(staged.c_str(), RTLD_LAZY | RTLD_NOLOAD) != nullptr; };

  auto policy = *Policy::create(first, "{}");
  EXPECT_EQ(first->state(), GenerationState::active);
  first.reset();
  all->reap();
  EXPECT_EQ(generations_of(*all), 1u) << "its policy still holds it";
  EXPECT_TRUE(policy->reduce("", {}, {}));
  policy.reset();
  all->reap();
  EXPECT_FALSE(mapped());
  EXPECT_EQ(generations_of(*all), 0u);
}

TEST_F(RegistryFolders, WhatWillNotUnloadIsQuarantinedAndListed) {
  const auto all = registry({testing::bad});
  auto generation = *all->load(Kind::policy, "sticky");
  { ASSERT_TRUE(Policy::create(generation, "{}")); }
  generation.reset();
  all->reap();
  bool listed = false;
  for (const auto& one : all->report()) {
    if (one.found.id != "sticky") continue;
    ASSERT_EQ(one.generations.size(), 1u);
    EXPECT_EQ(one.generations[0].state, GenerationState::quarantined);
    EXPECT_THAT(one.generations[0].why, HasSubstr("stayed in memory"));
    listed = true;
  }
  EXPECT_TRUE(listed);
  const auto again = all->load(Kind::policy, "sticky");
  ASSERT_TRUE(again) << "it did nothing wrong but stay: " << again.error().message;
  EXPECT_EQ((*again)->number(), 2u);
}

TEST_F(RegistryFolders, AReplacedFileIsANewGenerationBesideTheOld) {
  install(testing::twins / "one", "twins", folder_);
  const auto all = registry({folder_});
  const auto old_policy = *Policy::create(*all->load(Kind::policy, "twins"), "{}");
  install(testing::twins / "two", "twins", folder_);
  const auto new_policy = *Policy::create(*all->load(Kind::policy, "twins"), "{}");
  EXPECT_NE(old_policy->generation()->number(), new_policy->generation()->number());
  EXPECT_EQ(old_policy->generation()->state(), GenerationState::draining);
  EXPECT_EQ(new_policy->generation()->state(), GenerationState::active);
  EXPECT_EQ(old_policy->state_schema(), new_policy->state_schema());
  EXPECT_THAT(old_policy->actions_json(), HasSubstr("wave"));

  const auto first = old_policy->reduce("", {}, {});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->effects.at(0).text, "one") << "the old code runs on though its file is gone";
  const auto second = new_policy->reduce(*first->state, {}, {});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->effects.at(0).text, "two");
  EXPECT_EQ(second->state.value_or(""), "one;two;") << "the state is the host's and passes from one to the other";
}

TEST_F(RegistryFolders, SwapsUnderLoadLoseNoCallAndLeaveOneGeneration) {
  install(testing::twins / "one", "twins", folder_);
  const auto all = registry({folder_});
  Slot<Policy> slot(*Policy::create(*all->load(Kind::policy, "twins"), "{}"));
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> good{0}, wrong{0};
  const auto read = [&] {
    Lease<Policy> lease(slot);
    while (!stop) {
      const auto outcome = lease.get()->reduce("", {}, {});
      const bool known = outcome && (outcome->effects.at(0).text == "one" || outcome->effects.at(0).text == "two");
      ++(known ? good : wrong);
    }
  };
  std::thread first(read), second(read);
  for (int i = 0; i < 40; ++i) {
    install(testing::twins / (i % 2 == 0 ? "two" : "one"), "twins", folder_);
    auto next = all->load(Kind::policy, "twins");
    ASSERT_TRUE(next) << next.error().message;
    auto policy = *Policy::create(*next, "{}");
    const auto epoch = slot.epoch();
    const auto before = good.load();
    slot.publish(policy);
    EXPECT_EQ(slot.epoch(), epoch + 1);
    while (good.load() < before + 10 && wrong.load() == 0) std::this_thread::yield();
  }
  stop = true;
  first.join();
  second.join();
  EXPECT_EQ(wrong.load(), 0u);
  all->reap();
  EXPECT_EQ(generations_of(*all), 1u);
}

TEST_F(RegistryFolders, AStagingFolderOthersMayWriteIsRefused) {
  const auto all = registry({testing::shipped});
  const path plugins = all->options().staging / "plugins";
  testing::fs::create_directories(plugins);
  testing::fs::permissions(plugins, testing::fs::perms::all);
  const auto loaded = all->load(Kind::policy, "local-takeover");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, "staging_failed");
  EXPECT_THAT(loaded.error().message, HasSubstr(plugins.string()));
}

TEST_F(RegistryFolders, ATamperedStagedCopyIsReplacedBeforeItIsLoaded) {
  const path staged = [&] {
    const auto all = registry({testing::shipped});
    const auto generation = *all->load(Kind::policy, "collaborative");
    return all->options().staging / "plugins" / generation->sha256() / "collaborative.so";
  }();
  write_file(staged, "something else");
  const auto again = registry({testing::shipped});
  ASSERT_TRUE(again->load(Kind::policy, "collaborative"));
  EXPECT_EQ(testing::read_file(staged), testing::read_file(testing::shipped / "collaborative" / "collaborative.so"));
}

TEST_F(RegistryFolders, TheReportIsJsonWithEverythingInIt) {
  install(testing::shipped, "local-takeover", folder_);
  write_file(folder_ / "broken" / "broken.plugin.json", "{");
  const auto all = registry({folder_});
  const auto generation = *all->load(Kind::policy, "local-takeover");
  const auto report = json::parse(all->report_json());
  ASSERT_TRUE(report) << report.error().message;
  const auto& plugins = *report->find("plugins")->as_array();
  ASSERT_EQ(plugins.size(), 2u);
  EXPECT_EQ(*plugins[0].find("state")->as_string(), "refused");
  EXPECT_EQ(*plugins[0].find("refused")->find("code")->as_string(), "bad_manifest");
  EXPECT_EQ(*plugins[1].find("id")->as_string(), "local-takeover");
  EXPECT_EQ(*plugins[1].find("state")->as_string(), "loaded");
  EXPECT_EQ(*plugins[1].find("generations")->as_array()->at(0).find("sha256")->as_string(), generation->sha256());
}

}  // namespace
}  // namespace lectern::plugin
