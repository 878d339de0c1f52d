// The program itself, started as a person starts it.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace lectern::app {
namespace {
namespace fs = std::filesystem;

class CliTest : public testing::Test {
 protected:
  void SetUp() override {
    base_ = fs::temp_directory_path() / ("lectern-cli-" + std::to_string(::getpid()));
    fs::remove_all(base_);
    fs::create_directories(base_ / "root");
    fs::create_directories(base_ / "run");
    ::setenv("XDG_RUNTIME_DIR", (base_ / "run").c_str(), 1);
    ::setenv("XDG_STATE_HOME", (base_ / "state").c_str(), 1);
    ::setenv("XDG_CONFIG_HOME", (base_ / "config").c_str(), 1);
    std::ofstream(base_ / "root" / "a.ipynb") << R"({"cells":[],"metadata":{},"nbformat":4,"nbformat_minor":5})";
  }
  void TearDown() override {
    if (server_ > 0) {
      ::kill(server_, SIGKILL);
      ::waitpid(server_, nullptr, 0);
    }
    fs::remove_all(base_);
  }
  // Runs to the end; standard output goes to `out_`, both streams when `everything`.
  int run(const std::string& arguments, bool everything = false) {
    const auto command = std::string(LECTERN_BINARY) + " " + arguments + (everything ? " 2>&1" : " 2>/dev/null");
    out_.clear();
    FILE* pipe = ::popen(command.c_str(), "r");
    std::array<char, 4096> buffer{};
    for (std::size_t n = 0; (n = ::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) out_.append(buffer.data(), n);
    const int status = ::pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // Starts `lectern serve` and returns its first line.
  std::string serve(const std::vector<std::string>& more = {}) {
    std::array<int, 2> pipe{};
    EXPECT_EQ(::pipe(pipe.data()), 0);
    server_ = ::fork();
    if (server_ == 0) {
      ::dup2(pipe[1], STDOUT_FILENO);
      const auto root = (base_ / "root").string();
      std::vector<std::string> arguments = {"lectern", "serve", root, "--port", "0", "--json"};
      arguments.insert(arguments.end(), more.begin(), more.end());
      std::vector<char*> pointers;
      for (auto& argument : arguments) pointers.push_back(argument.data());
      pointers.push_back(nullptr);
      ::execv(LECTERN_BINARY, pointers.data());
      ::_exit(127);
    }
    ::close(pipe[1]);
    std::string line;
    char c = 0;
    while (::read(pipe[0], &c, 1) == 1 && c != '\n') line += c;
    ::close(pipe[0]);
    return line;
  }
  // The exit code of the server, or -1 after 30 s.
  int wait_for_end() {
    for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
         std::chrono::steady_clock::now() < until;) {
      int status = 0;
      if (::waitpid(server_, &status, WNOHANG) == server_) {
        server_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
      }
      ::usleep(5000);
    }
    return -1;
  }
  fs::path base_;
  std::string out_;
  pid_t server_ = 0;
};

TEST_F(CliTest, ExitCodesMeanSomething) {
  EXPECT_EQ(run("--help"), 0);
  EXPECT_EQ(run("version"), 0);
  EXPECT_EQ(out_.rfind("lectern ", 0), 0U);
  EXPECT_EQ(run("serv"), 2);
  EXPECT_EQ(run("open"), 2);
  EXPECT_EQ(run("serve --bind 0.0.0.0 " + base_.string()), 2);
  EXPECT_EQ(run("open a.ipynb"), 3);
  EXPECT_EQ(run("open a.ipynb --server http://127.0.0.1:9"), 3);
  EXPECT_EQ(run("open a.ipynb --server nonsense"), 2);
  EXPECT_EQ(run("token --scope root"), 2);
  EXPECT_EQ(run("new-plugin --kind bogus x"), 2);
  // With --json an error is the API's body, also where the arguments themselves are wrong.
  for (const auto* wrong :
       {"serv", "open", "ls --bogus", "takeover x --if-epoch y", "serve --port x", "token --scope root"}) {
    EXPECT_EQ(run(std::string(wrong) + " --json", true), 2) << wrong;
    const auto body = json::parse(out_);
    ASSERT_TRUE(body) << wrong << ": " << out_;
    EXPECT_NE(body->find("error"), nullptr) << out_;
  }
  EXPECT_EQ(run("serv", true), 2);
  EXPECT_NE(out_.find("'serve'"), std::string::npos);
}

TEST_F(CliTest, PluginsAreListedWithoutAServerAndRefusalsSayWhy) {
  fs::create_directories(base_ / "plugins" / "broken");
  std::ofstream(base_ / "plugins" / "broken" / "broken.plugin.json") << "this is text";
  EXPECT_EQ(run("plugins --json --plugin-path " + (base_ / "plugins").string()), 0);
  const auto report = json::parse(out_);
  ASSERT_TRUE(report) << out_;
  EXPECT_NE(report->find("plugins"), nullptr);
  EXPECT_EQ(run("plugins --plugin-path " + (base_ / "plugins").string()), 0);
  EXPECT_NE(out_.find("refused  broken"), std::string::npos) << out_;
}

TEST_F(CliTest, AServerIsFoundUsedAndEndedCleanly) {
  const auto start = json::parse(serve());
  ASSERT_TRUE(start);
  const auto* url = start->find("url");
  ASSERT_NE(url, nullptr);
  EXPECT_NE(url->as_string()->find("/?token="), std::string::npos);

  EXPECT_EQ(run("ls --json"), 0);
  EXPECT_NE(out_.find((base_ / "root").string()), std::string::npos);
  EXPECT_EQ(run("open " + (base_ / "root" / "a.ipynb").string() + " --no-browser"), 0);
  EXPECT_NE(out_.find("/?path=a.ipynb&token="), std::string::npos) << out_;
  EXPECT_EQ(run("takeover --json " + (base_ / "root" / "a.ipynb").string(), true), 0) << out_;
  EXPECT_NE(out_.find("\"epoch\":"), std::string::npos) << out_;
  EXPECT_EQ(run("takeover --if-epoch 1000000 " + (base_ / "root" / "a.ipynb").string()), 4);
  EXPECT_EQ(run("policy"), 0);
  EXPECT_EQ(out_, "local-takeover\n");
  EXPECT_EQ(run("policy no-such-policy"), 1);
  EXPECT_EQ(run("policy collaborative"), 0);

  EXPECT_EQ(::kill(server_, SIGTERM), 0);
  EXPECT_EQ(wait_for_end(), 0);
  EXPECT_EQ(run("ls"), 3);
}

TEST_F(CliTest, OverTlsOnlyTheServersOwnCertificateIsAccepted) {
  const auto certificate = (base_ / "cert.pem").string();
  const auto make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lectern -keyout " +
                    (base_ / "key.pem").string() + " -out " + certificate + " 2>/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0);
  const auto start = json::parse(serve({"--tls-cert", certificate, "--tls-key", (base_ / "key.pem").string()}));
  ASSERT_TRUE(start);
  EXPECT_EQ(run("ls", true), 0) << out_;
  EXPECT_NE(out_.find("https://127.0.0.1:"), std::string::npos);
  ASSERT_EQ(std::system(make.c_str()), 0);  // now the file holds another one
  EXPECT_EQ(run("ls", true), 3) << out_;
  EXPECT_NE(out_.find("another certificate"), std::string::npos);
}

TEST_F(CliTest, AKilledServerIsForgotten) {
  ASSERT_TRUE(json::parse(serve()));
  ::kill(server_, SIGKILL);
  EXPECT_EQ(wait_for_end(), 1000 + SIGKILL);
  EXPECT_EQ(run("open a.ipynb"), 3);
  EXPECT_TRUE(fs::is_empty(base_ / "run" / "lectern" / "servers"));
}

}  // namespace
}  // namespace lectern::app
