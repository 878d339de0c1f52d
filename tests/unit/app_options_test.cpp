#include "app/options.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "../support/failing_folders.hpp"
#include "app/addresses.hpp"
#include "app/paths.hpp"
#include "app/running.hpp"

namespace lectern::app {
namespace {
namespace fs = std::filesystem;

class OptionsTest : public testing::Test {
 protected:
  void SetUp() override {
    base_ = fs::temp_directory_path() / ("lectern-options-" + std::to_string(::getpid()));
    fs::create_directories(base_ / "config" / "lectern");
    fs::create_directories(base_ / "root");
    ::setenv("XDG_CONFIG_HOME", (base_ / "config").c_str(), 1);
    ::setenv("XDG_RUNTIME_DIR", (base_ / "run").c_str(), 1);
    std::ofstream(base_ / "root" / "a.ipynb") << "{}";
    root_ = fs::canonical(base_ / "root");
  }
  void TearDown() override {
    ::unsetenv("LECTERN_POLICY");
    ::unsetenv("LECTERN_NO_BROWSER");
    fs::remove_all(base_);
  }
  void config(const std::string& text) const { std::ofstream(base_ / "config" / "lectern" / "lectern.conf") << text; }
  [[nodiscard]] Result<Parsed<ServeOptions>> parse(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), root_);
    return parse_serve(arguments);
  }
  fs::path base_;
  std::string root_;
};

TEST_F(OptionsTest, FlagOverEnvironmentOverFileOverDefault) {
  EXPECT_EQ(parse({})->options.session.policy, "local-takeover");
  config("policy = from-file\nno-browser = true\nport = 9001\n");
  EXPECT_EQ(parse({})->options.session.policy, "from-file");
  EXPECT_TRUE(parse({})->options.no_browser);
  EXPECT_EQ(parse({})->options.port, 9001);
  EXPECT_TRUE(parse({})->options.port_given);
  ::setenv("LECTERN_POLICY", "from-environment", 1);
  EXPECT_EQ(parse({})->options.session.policy, "from-environment");
  EXPECT_EQ(parse({"--policy", "from-flag"})->options.session.policy, "from-flag");
}

TEST_F(OptionsTest, SwitchesWorkFromEverySource) {
  EXPECT_FALSE(parse({})->options.no_browser);
  ::setenv("LECTERN_NO_BROWSER", "1", 1);
  EXPECT_TRUE(parse({})->options.no_browser);
  ::unsetenv("LECTERN_NO_BROWSER");
  EXPECT_TRUE(parse({"--no-browser"})->options.no_browser);
}

TEST_F(OptionsTest, UnknownKeysAreErrorsWithTheNearestName) {
  config("polcy = x\n");
  const auto from_file = parse({});
  ASSERT_FALSE(from_file);
  EXPECT_NE(from_file.error().message.find("polcy"), std::string::npos);
  EXPECT_NE(from_file.error().hint.find("'policy'"), std::string::npos);
  config("");
  const auto from_flag = parse({"--prot", "1"});
  ASSERT_FALSE(from_flag);
  EXPECT_NE(from_flag.error().hint.find("'port'"), std::string::npos);
  EXPECT_FALSE(parse({"--port", "many"}));
  EXPECT_FALSE(parse({"--config", "/nonexistent/lectern.conf"}));
}

TEST_F(OptionsTest, ANotebookAsRootIsOpenedInItsFolder) {
  const auto parsed = parse_serve({root_ + "/a.ipynb"});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->options.root, root_);
  EXPECT_EQ(parsed->options.notebook, "a.ipynb");
  EXPECT_FALSE(parse_serve({root_ + "/missing.ipynb"}));
}

TEST_F(OptionsTest, ListeningBeyondLoopbackNeedsATokenAndTls) {
  const auto refused = [&](std::vector<std::string> arguments) {
    const auto parsed = parse(std::move(arguments));
    return parsed ? std::string() : parsed.error().code;
  };
  EXPECT_EQ(refused({"--bind", "0.0.0.0"}), "refused_to_listen");
  EXPECT_EQ(refused({"--bind", "0.0.0.0", "--no-token", "--insecure-plaintext"}), "refused_to_listen");
  EXPECT_EQ(refused({"--bind", "0.0.0.0", "--insecure-plaintext", "--token", "short"}), "refused_to_listen");
  EXPECT_EQ(refused({"--bind", "0.0.0.0", "--insecure-plaintext"}), "");
  EXPECT_EQ(refused({"--bind", "0.0.0.0", "--tls-cert", "c.pem", "--tls-key", "k.pem"}), "");
  EXPECT_EQ(refused({"--bind", "0.0.0.0", "--tls"}), "");
  EXPECT_EQ(refused({"--bind", "0.0.0.0", "--tls", "--no-token"}), "refused_to_listen");
  EXPECT_EQ(refused({"--tls-cert", "c.pem"}), "refused_to_listen");
  EXPECT_EQ(refused({"--no-token"}), "");
  EXPECT_EQ(refused({"--no-token", "--token", "x"}), "refused_to_listen");
  EXPECT_EQ(refused({"--bind", "127.0.0.2", "--no-token"}), "");
  EXPECT_EQ(refused({"--bind", "128.0.0.1", "--no-token"}), "refused_to_listen");
}

TEST_F(OptionsTest, PolicySettingsMustBeAJsonObject) {
  EXPECT_TRUE(parse({"--policy-config", R"({"secondary":"viewer"})"}));
  EXPECT_FALSE(parse({"--policy-config", "[]"}));
  EXPECT_FALSE(parse({"--policy-config", "{"}));
  EXPECT_FALSE(parse({"--session-ttl-ms", "-1"}));
}

TEST_F(OptionsTest, ASessionHasRoomForSomebody) {
  EXPECT_EQ(parse({"--max-members", "3"})->options.session.max_members, 3u);
  EXPECT_FALSE(parse({"--max-members", "0"}));
  EXPECT_FALSE(parse({"--max-members", "1000001"}));
}

TEST_F(OptionsTest, TheDocumentOfModelsHoldsAChange) {
  EXPECT_EQ(parse({"--models-limit", "3"})->options.session.models_changes, 3u);
  EXPECT_FALSE(parse({"--models-limit", "0"}));
}

TEST_F(OptionsTest, LimitsOfNotebooksAreBoundedThemselves) {
  const auto set = parse({"--max-notebook-bytes", "2048", "--max-notebook-cells", "7", "--max-notebook-depth", "9",
                          "--max-cell-bytes", "1024"});
  ASSERT_TRUE(set.has_value()) << set.error().message;
  EXPECT_EQ(set->options.session.file_limits.max_bytes, 2048u);
  EXPECT_EQ(set->options.session.file_limits.max_cells, 7u);
  EXPECT_EQ(set->options.session.file_limits.max_depth, 9u);
  EXPECT_EQ(set->options.session.file_limits.max_source_bytes, 1024u);
  for (const char* name :
       {"--max-notebook-bytes", "--max-notebook-cells", "--max-notebook-depth", "--max-cell-bytes"}) {
    const auto refused = parse({name, "0"});
    ASSERT_FALSE(refused.has_value()) << name;
    EXPECT_NE(refused.error().message.find(name), std::string::npos);
  }
}

TEST_F(OptionsTest, EveryCommandHasHelp) {
  for (const auto& name : command_names()) {
    const auto help = name == "serve" ? parse_serve({"--help"})->help : parse_tool(name, {"--help"})->help;
    EXPECT_NE(help.find("Exit codes"), std::string::npos) << name;
    EXPECT_NE(help.find("--json"), std::string::npos) << name;
    EXPECT_NE(overview().find("lectern " + name), std::string::npos) << name;
  }
}

TEST_F(OptionsTest, TheRunningListIsPrivateAndForgetsTheDead) {
  {
    RunningServer server;
    server.url = "http://127.0.0.1:1";
    server.token = "secret";
    const auto entry = RunningEntry::write(server);
    ASSERT_TRUE(entry) << entry.error().message;
    const auto path = base_ / "run" / "lectern" / "servers" / (std::to_string(::getpid()) + ".json");
    EXPECT_EQ(fs::status(path).permissions() & fs::perms::all, fs::perms::owner_read | fs::perms::owner_write);
    // The same pid with another start time is another process: the entry is stale.
    std::ofstream(path.parent_path() / "1.json")
        << R"({"pid":1,"start_time":"never","url":"http://127.0.0.1:2","token":""})";
    const auto running = running_servers();
    ASSERT_TRUE(running);
    ASSERT_EQ(running->size(), 1U);
    EXPECT_EQ(running->front().token, "secret");
    EXPECT_FALSE(fs::exists(path.parent_path() / "1.json"));
  }
  EXPECT_TRUE(running_servers()->empty());
}

TEST_F(OptionsTest, AFolderThatStopsBeingReadableEndsNothing) {
  RunningServer server;
  server.url = "http://127.0.0.1:1";
  const auto entry = RunningEntry::write(server);
  ASSERT_TRUE(entry) << entry.error().message;
  for (int entries = 0; entries < 3; ++entries) {
    const test::FolderFails after(entries);
    EXPECT_TRUE(running_servers());
    EXPECT_TRUE(after.failed());
  }
}

TEST_F(OptionsTest, AFolderOthersCanReadHoldsNoTokens) {
  fs::create_directories(base_ / "run" / "lectern");
  fs::permissions(base_ / "run" / "lectern", fs::perms::owner_all | fs::perms::others_read);
  const auto dir = runtime_dir();
  ASSERT_FALSE(dir);
  EXPECT_EQ(dir.error().code, "runtime_dir");
}

TEST(Addresses, AWildcardAnswersToEveryInterface) {
  const auto names = answered_names("0.0.0.0", "0.0.0.0", {"Notes.Example"});
  EXPECT_NE(std::find(names.begin(), names.end(), "notes.example"), names.end());
  EXPECT_NE(std::find(names.begin(), names.end(), "localhost"), names.end());
  EXPECT_EQ(with_port("::1", 80), "[::1]:80");
  EXPECT_EQ(*bind_address("localhost"), "127.0.0.1");
  EXPECT_FALSE(bind_address("no such name"));
}

}  // namespace
}  // namespace lectern::app
