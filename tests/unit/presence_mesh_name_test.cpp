// What this device is called: by its settings, by its private network, by itself. The network's program is a real one.
#include "presence/mesh_name.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "presence/device.hpp"

namespace lectern::presence {
namespace {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* connected =
    R"({"BackendState":"Running","Self":{"DNSName":"ada-desk.tail1234.ts.net.","HostName":"localhost"},"Peer":null})";

class MeshNameTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("lectern-mesh-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    const char* path = std::getenv("PATH");
    path_ = path == nullptr ? "" : path;
    ::setenv("PATH", (folder_.string() + ":" + path_).c_str(), 1);
  }
  void TearDown() override {
    ::setenv("PATH", path_.c_str(), 1);
    fs::remove_all(folder_);
  }
  void program(const std::string& script) const {
    std::ofstream(folder_ / "tailscale") << "#!/bin/sh\n" << script << "\n";
    fs::permissions(folder_ / "tailscale", fs::perms::owner_all);
  }
  [[nodiscard]] std::string asked(std::chrono::milliseconds budget = 60s) const {
    return mesh_name((folder_ / "tailscale").string(), budget);
  }
  fs::path folder_;
  std::string path_;
};

TEST_F(MeshNameTest, TheNameOfTheNetworkComesAfterTheSettingsAndBeforeTheHostsOwn) {
  ::setenv("PATH", folder_.c_str(), 1);  // a real one may be installed here
  const auto own = device_name("");
  EXPECT_EQ(NameLookup("", 60s).get(), own) << "not installed";
  program("[ \"$*\" = 'status --json --peers=false' ] && echo '" + std::string(connected) + "'");
  EXPECT_EQ(mesh_program(), (folder_ / "tailscale").string());
  EXPECT_EQ(NameLookup("", 60s).get(), "ada-desk");
  EXPECT_EQ(NameLookup(" \n", 60s).get(), "ada-desk");
  EXPECT_EQ(NameLookup(" Sofa ", 60s).get(), "Sofa");
  program("exit 1");
  EXPECT_EQ(NameLookup("", 60s).get(), own);
  ::setenv("PATH", ":.", 1);
  const auto stood = fs::current_path();
  fs::current_path(folder_);
  EXPECT_EQ(mesh_program(), "") << "nothing is run from the folder somebody stands in";
  fs::current_path(stood);
}

TEST_F(MeshNameTest, AProgramThatHangsOrFloodsIsEndedWithAllThatItStarted) {
  const auto pid_file = folder_ / "pid";
  program("sleep 600 & echo $! > " + pid_file.string() + ".new; mv " + pid_file.string() + ".new " + pid_file.string() +
          "; sleep 600");
  // However loaded the machine is, it has started the other one when its time is over.
  for (auto budget = 100ms; !fs::exists(pid_file); budget *= 2) {
    ASSERT_LT(budget, 60s);
    EXPECT_EQ(asked(budget), "");
  }
  pid_t child = 0;
  std::ifstream(pid_file) >> child;
  ASSERT_GT(child, 0);
  const auto until = std::chrono::steady_clock::now() + 60s;
  const auto state = [&] {  // killed, it may still wait for whoever collects it
    std::ifstream in("/proc/" + std::to_string(child) + "/stat");
    std::string pid, name, letter;
    in >> pid >> name >> letter;
    return letter;
  };
  while (state() != "" && state() != "Z" && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_TRUE(state() == "" || state() == "Z") << state();
  program("yes");
  EXPECT_EQ(asked(), "");
  program("head -c 300000 /dev/zero | tr '\\0' ' '; echo '" + std::string(connected) + "'");
  EXPECT_EQ(asked(), "") << "more than a name takes";
  EXPECT_EQ(mesh_name((folder_ / "nowhere").string(), 60s), "");
}

TEST(MeshName, IsReadFromWhateverTheProgramSays) {
  EXPECT_EQ(mesh_name_in(connected), "ada-desk");
  EXPECT_EQ(mesh_name_in(R"({"BackendState":"Running","Self":{"DNSName":"","HostName":"Ada's desk"}})"), "Ada's desk");
  EXPECT_EQ(mesh_name_in(R"({"BackendState":"Running","Self":{"HostName":"a\u001b[31m\u202Eb"}})"), "a[31mb");
  const auto huge = R"({"BackendState":"Running","Self":{"HostName":")" + std::string(10'000, 'x') + "\"}}";
  EXPECT_EQ(mesh_name_in(huge), std::string(64, 'x'));
  for (const auto* nothing :
       {"", "{", "[]", "null", R"({"BackendState":"Stopped","Self":{"DNSName":"ada-desk.ts.net."}})",
        R"({"Self":{"DNSName":"ada-desk.ts.net."}})", R"({"BackendState":"Running"})",
        R"({"BackendState":"Running","Self":"ada"})",
        R"({"BackendState":"Running","Self":{"DNSName":7,"HostName":[]}})",
        R"({"BackendState":"Running","Self":{"DNSName":".","HostName":" "}})", "\xff\xfe"}) {
    EXPECT_EQ(mesh_name_in(nothing), "") << nothing;
  }
}

}  // namespace
}  // namespace lectern::presence
