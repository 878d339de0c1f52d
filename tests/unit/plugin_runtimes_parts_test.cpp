// Parts of the runtimes that come along, which need no kernel: what is asked of a shell, settings of a gateway, whose
// descriptors can be read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "../../plugins/runtime-gateway/settings.hpp"
#include "../../plugins/runtime-jupyter/kernelspec.hpp"
#include "../../plugins/runtime-jupyter/watcher.hpp"
#include "../../plugins/runtime-shell/answers.hpp"
#include "lectern/sdk/failure.hpp"

namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ShellAnswers : public ::testing::Test {
 protected:
  std::string inspect(const std::string& code) const {
    return shell::inspect("{\"code\":\"" + code + "\"}", {0, "/", variables_, functions_});
  }
  std::string complete(const std::string& code) const {
    return shell::complete("{\"code\":\"" + code + "\"}", {0, "/", variables_, functions_});
  }
  std::string variables_;
  std::map<std::string, std::string, std::less<>> functions_;
};

TEST_F(ShellAnswers, WhatTheHostWasStartedWithIsNotShown) {
  ASSERT_NE(std::getenv("PATH"), nullptr);
  variables_ = "PATH='/secret'\nMINE='seen'\n";
  EXPECT_THAT(inspect("$PATH"), HasSubstr("PATH is a variable of the environment"));
  EXPECT_THAT(inspect("$PATH"), Not(HasSubstr("secret")));
  EXPECT_THAT(inspect("$MINE"), HasSubstr("MINE=seen"));
  EXPECT_THAT(complete("$PA"), HasSubstr("\"PATH\""));
}

TEST_F(ShellAnswers, PiecesOfAValueAreNoNames) {
  variables_ =
      "KEY='-----BEGIN\nZZ_PIECE=secret\nit'\"'\"'s\nZZ_TOO=secret'\n"
      "TEXT=$'it\\'s\\nZZ_QUOTED=x'\nPLAIN=a\\'b\nLIST=([0]=\"x\ny\" [1]=\"\\\"\")\nAFTER='seen'\n";
  EXPECT_THAT(complete("$ZZ_"), HasSubstr(R"("matches":[])"));
  EXPECT_THAT(inspect("$ZZ_PIECE"), HasSubstr(R"("found":false)"));
  EXPECT_THAT(inspect("$KEY"), HasSubstr("-----BEGIN"));
  EXPECT_THAT(inspect("$AFTER"), HasSubstr("AFTER=seen"));
}

TEST(JupyterKernelspecs, AreThoseOfTheProjectsEnvironmentsAndOfCondasList) {
  namespace fs = std::filesystem;
  std::string name = (fs::temp_directory_path() / "lectern-kernelspecs-XXXXXX").string();
  const fs::path here = ::mkdtemp(name.data());
  const auto spec = [&](const fs::path& prefix, const std::string& kernel, const char* mark) {
    fs::create_directories(prefix / "share/jupyter/kernels" / kernel);
    fs::create_directories(prefix / mark);
    std::ofstream(prefix / "share/jupyter/kernels" / kernel / "kernel.json")
        << R"({"argv":["python","-m","k","{connection_file}"],"display_name":"Python","language":"python"})";
  };
  spec(here / "outer/.venv", "not-the-nearest", "pyvenv.cfg");
  spec(here / "outer/project/.pixi/envs/default", "python3", "conda-meta");
  spec(here / "outer/project/.conda", "of-conda", "conda-meta");
  spec(here / "envs/science", "python3", "conda-meta");
  spec(here / "envs/removed", "python3", "bin");
  fs::create_directories(here / ".conda");
  fs::create_directories(here / "outer/project/deep/.conda");  // no environment: what ~/.conda is to the projects in it
  std::ofstream(here / ".conda/environments.txt") << (here / "envs/science").string() << "\nrelative\n"
                                                  << (here / "envs/removed").string() << "\n/nowhere\n";
  const std::string home = std::getenv("HOME") != nullptr ? std::getenv("HOME") : "";
  ::setenv("HOME", here.c_str(), 1);
  std::map<std::string, jupyter::Kernelspec> found;
  for (auto& one : jupyter::find_kernelspecs({here / "outer/project/deep"})) found.emplace(one.name, one);
  ::setenv("HOME", home.c_str(), 1);
  fs::remove_all(here);
  ASSERT_TRUE(found.contains("python3"));
  EXPECT_EQ(found["python3"].prefix, here / "outer/project/.pixi/envs/default");
  EXPECT_TRUE(found.contains("of-conda"));
  EXPECT_FALSE(found.contains("not-the-nearest"));
  ASSERT_TRUE(found.contains("python3-science"));
  EXPECT_EQ(found["python3-science"].display_name, "Python (conda: science)");
  EXPECT_EQ(found["python3-science"].prefix, here / "envs/science");
  EXPECT_FALSE(found.contains("python3-removed"));
}

TEST(JupyterWatcher, NamesWhoCanBeReadAndWhoIsToBeLookedAtAgainEachOnce) {
  jupyter::Watcher watcher;
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  {
    const jupyter::Watched watched(watcher, pipe[0], 7, 2);
    EXPECT_TRUE(watcher.wait(0).empty());
    ASSERT_EQ(::write(pipe[1], "x", 1), 1);
    watcher.again(7, 0);
    watcher.again(9, 1);
    const auto both = watcher.wait(-1);
    ASSERT_EQ(both.size(), 2u);
    EXPECT_EQ(both[0].owner, 7u);
    EXPECT_EQ(both[0].slots, 0b101u) << "what was asked for, and what can be read";
    EXPECT_EQ(both[1].owner, 9u);
    EXPECT_EQ(both[1].slots, 0b10u);
    const auto unread = watcher.wait(-1);
    ASSERT_EQ(unread.size(), 1u) << "asked for once, but still not read";
    EXPECT_EQ(unread[0].slots, 0b100u);
  }
  watcher.wake();
  EXPECT_TRUE(watcher.wait(-1).empty()) << "woken, and nobody is watched any more";
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(GatewaySettings, PlaintextIsForThisMachineOnlyByItsNumber) {
  const auto taken = [](const std::string& url) {
    try {
      (void)gateway::read_options("{\"urls\":[\"" + url + "\"]}");
      return true;
    } catch (const lectern::sdk::Failure&) {
      return false;
    }
  };
  for (const std::string url : {"http://127.0.0.1:1", "http://127.8.9.1", "http://[::1]:2/x", "http://localhost"})
    EXPECT_TRUE(taken(url)) << url;
  for (const std::string url :
       {"http://127.evil.example", "http://127.0.0.1.example", "http://10.0.0.1", "http://[::2]"})
    EXPECT_FALSE(taken(url)) << url;
}

}  // namespace
