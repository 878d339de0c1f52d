// The whole host in this process, asked over real sockets.
#include "app/host.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "api/routes.hpp"
#include "app/client.hpp"
#include "app/options.hpp"
#include "presence/device.hpp"

namespace lectern::app {
namespace {
namespace fs = std::filesystem;

using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr const char* notebook = R"({"cells":[{"cell_type":"code","execution_count":null,"id":"one","metadata":{},
"outputs":[],"source":"1+1"}],"metadata":{"kernelspec":{"display_name":"Python 3","language":"python",
"name":"python3"}},"nbformat":4,"nbformat_minor":5})";

json::Value parsed(const std::string& text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : json::Value();
}

std::string text_of(const json::Value& value, const std::string& path) {
  const auto* at = &value;
  std::size_t start = 0;
  while (at && start <= path.size()) {
    const auto dot = std::min(path.find('.', start), path.size());
    at = at->find(path.substr(start, dot - start));
    start = dot + 1;
  }
  if (!at) return "(missing)";
  return at->as_string() ? *at->as_string() : json::write(*at);
}

class HostTest : public testing::Test {
 protected:
  void SetUp() override {
    base_ = fs::temp_directory_path() / ("lectern-host-" + std::to_string(::getpid()));
    fs::remove_all(base_);
    fs::create_directories(base_ / "root");
    fs::create_directories(base_ / "run");
    ::setenv("XDG_RUNTIME_DIR", (base_ / "run").c_str(), 1);
    ::setenv("XDG_CONFIG_HOME", (base_ / "config").c_str(), 1);
    write("a.ipynb", notebook);
    auto parsed_options = parse_serve({(base_ / "root").string(), "--port", "0", "--token", "the-token", "--state-dir",
                                       (base_ / "state").string(), "--device-name", "bench", "--no-browser",
                                       "--plugin-path", (base_ / "plugins").string()});
    ASSERT_TRUE(parsed_options) << parsed_options.error().message;
    auto host = Host::start(parsed_options->options);
    ASSERT_TRUE(host) << host.error().message;
    host_ = std::move(*host);
  }
  void TearDown() override {
    host_.reset();
    fs::remove_all(base_);
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(base_ / "root" / name) << text; }

  Result<Client::Answer> ask(const std::string& method, const std::string& path, const json::Value& body = {},
                             const Headers& headers = {}) const {
    RunningServer server;
    server.url = host_->url();
    server.token = host_->token();
    return Client::to(server)->request(method, path, body, headers);
  }
  // "200" or "404 not_found"
  std::string outcome(const std::string& method, const std::string& path, const json::Value& body = {},
                      const Headers& headers = {}) const {
    const auto answer = ask(method, path, body, headers);
    return answer ? std::to_string(answer->status) : std::to_string(answer.error().status) + " " + answer.error().code;
  }
  [[nodiscard]] std::string open(const std::string& path = "a.ipynb") const {
    json::Value body;
    body.set("path", path);
    const auto answer = ask("POST", "/api/v1/notebooks/open", body);
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? text_of(answer->body, "session_id") : std::string();
  }
  [[nodiscard]] Headers client(const std::string& session, const std::string& body = "{}") const {
    const auto answer = ask("POST", "/api/v1/sessions/" + session + "/clients", parsed(body));
    EXPECT_TRUE(answer) << answer.error().message;
    if (!answer) return {};
    EXPECT_EQ(answer->status, 201);
    return {{"Lectern-Client", text_of(answer->body, "client.id") + "." + text_of(answer->body, "client.secret")}};
  }

  fs::path base_;
  std::unique_ptr<Host> host_;
};

TEST_F(HostTest, TellsWhatItIs) {
  EXPECT_EQ(outcome("GET", "/health"), "200");
  const auto info = ask("GET", "/api/v1/info");
  ASSERT_TRUE(info);
  EXPECT_EQ(text_of(info->body, "device_name"), "bench");
  EXPECT_EQ(text_of(info->body, "protocol"), "lectern.v1");
  EXPECT_EQ(text_of(info->body, "policy.policy"), "local-takeover");
}

TEST_F(HostTest, WithoutANameOfItsOwnItHasTheOneOfItsNetworkInTime) {
  fs::create_directories(base_ / "bin");
  const auto named = [&](const std::string& script, int budget_ms) {
    std::ofstream(base_ / "bin/tailscale") << "#!/bin/sh\n" << script << "\n";
    fs::permissions(base_ / "bin/tailscale", fs::perms::owner_all);
    auto given =
        parse_serve({(base_ / "root").string(), "--port", "0", "--token", "the-token", "--state-dir",
                     (base_ / "other").string(), "--no-browser", "--plugin-path", (base_ / "plugins").string()});
    given->options.device_name_ms = budget_ms;
    host_.reset();
    host_ = *Host::start(given->options);
    return text_of(ask("GET", "/api/v1/info")->body, "device_name");
  };
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", ((base_ / "bin").string() + ":" + path).c_str(), 1);
  EXPECT_EQ(named(R"(echo '{"BackendState":"Running","Self":{"DNSName":"ada-desk.ts.net."}}')", 60'000), "ada-desk");
  EXPECT_EQ(named("exec sleep 600", 20), presence::device_name(""));
  ::setenv("PATH", path.c_str(), 1);
}

TEST_F(HostTest, EveryRouteButLivenessWantsTheToken) {
  RunningServer server;
  server.url = host_->url();
  for (const auto& route : api::routes()) {
    if (route.scope == api::Scope::none) continue;
    auto path = std::string(route.pattern);
    for (auto at = path.find('{'); at != std::string::npos; at = path.find('{')) {
      path.replace(at, path.find('}') - at + 1, "x");
    }
    const auto answer = Client::to(server)->request(std::string(route.method), path, json::Value(json::Object{}));
    ASSERT_FALSE(answer) << path;
    EXPECT_EQ(answer.error().status, 401) << path;
  }
}

TEST_F(HostTest, OpensOneSessionPerFile) {
  const auto first = open();
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(open(), first);
  EXPECT_EQ(open((base_ / "root" / "a.ipynb").string()), first);
  const auto sessions = ask("GET", "/api/v1/sessions");
  ASSERT_TRUE(sessions);
  EXPECT_EQ(sessions->body.find("sessions")->as_array()->size(), 1U);
  EXPECT_EQ(outcome("GET", "/api/v1/sessions/" + first), "200");
  EXPECT_EQ(outcome("GET", "/api/v1/sessions/none"), "404 session_not_found");
  EXPECT_EQ(outcome("DELETE", "/api/v1/sessions/" + first), "204");
  EXPECT_EQ(outcome("GET", "/api/v1/sessions/" + first), "404 session_not_found");
}

TEST_F(HostTest, AFailedOpenSaysWhyAndLeavesNoSession) {
  write("broken.ipynb", "{\n  \"cells\": [\n}");
  write("notes.txt", "hello");
  const auto open_outcome = [&](const std::string& path) {
    json::Value body;
    body.set("path", path);
    return outcome("POST", "/api/v1/notebooks/open", body);
  };
  EXPECT_EQ(open_outcome("nowhere/missing.ipynb"), "404 not_found");
  EXPECT_EQ(open_outcome("../../etc/passwd"), "403 outside_root");
  EXPECT_EQ(open_outcome("/etc/passwd"), "403 outside_root");
  EXPECT_EQ(open_outcome("broken.ipynb"), "422 malformed");
  EXPECT_EQ(open_outcome("notes.txt"), "415 unknown_format");
  EXPECT_EQ(outcome("POST", "/api/v1/notebooks/open", parsed("{}")), "400 bad_request");
  const auto sessions = ask("GET", "/api/v1/sessions");
  ASSERT_TRUE(sessions);
  EXPECT_TRUE(sessions->body.find("sessions")->as_array()->empty());
}

TEST_F(HostTest, AnUnknownRuntimeIsNamedWithTheKnownOnes) {
  EXPECT_EQ(outcome("POST", "/api/v1/notebooks/create", parsed(R"({"runtime":"no/such"})")), "400 unknown_runtime");
  EXPECT_EQ(outcome("POST", "/api/v1/notebooks/create", parsed("{}")), "400 bad_request");
}

TEST_F(HostTest, ThePenPassesByHttp) {
  const auto base = "/api/v1/sessions/" + open();
  const auto ada = client(base.substr(17), R"({"label":"Ada"})");
  const auto bob = client(base.substr(17), R"({"label":"Bob"})");
  const auto nothing = parsed("{}");
  EXPECT_EQ(outcome("POST", base + "/takeover", nothing), "400 client_required");
  EXPECT_EQ(outcome("POST", base + "/takeover", nothing, {{"Lectern-Client", "x.y"}}), "401 client_unknown");
  const auto first = ask("POST", base + "/takeover", nothing, ada);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(text_of(first->body, "editor.label"), "Ada");
  const auto again = ask("POST", base + "/takeover", nothing, ada);
  ASSERT_TRUE(again);
  EXPECT_EQ(text_of(again->body, "epoch"), text_of(first->body, "epoch"));

  json::Value as_seen;
  as_seen.set("if_epoch", json::Number{text_of(first->body, "epoch")});
  EXPECT_EQ(outcome("POST", base + "/takeover", as_seen, bob), "200");
  // Ada's epoch was true once; now it is history, and so is what she saw.
  const auto late = ask("POST", base + "/takeover", as_seen, ada);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, "stale_epoch");
  auto with_epoch = ada;
  with_epoch.emplace_back("Lectern-Epoch", text_of(first->body, "epoch"));
  const auto edit = parsed(R"({"changes":[{"type":"set_source","cell_id":"one","source":"2"}]})");
  EXPECT_EQ(outcome("POST", base + "/commands/transaction", edit, with_epoch), "409 stale_epoch");
  EXPECT_EQ(outcome("POST", base + "/commands/nonsense", nothing, ada), "404 unknown_command");
  const auto watcher = client(base.substr(17), R"({"view_only":true})");
  EXPECT_EQ(outcome("POST", base + "/takeover", nothing, watcher).substr(0, 3), "403");
}

TEST_F(HostTest, ARetriedCommandRunsOnce) {
  const auto base = "/api/v1/sessions/" + open();
  auto ada = client(base.substr(17));
  const auto pen = ask("POST", base + "/takeover", parsed("{}"), ada);
  ASSERT_TRUE(pen) << pen.error().message;
  ada.emplace_back("Lectern-Epoch", text_of(pen->body, "epoch"));
  ada.emplace_back("Idempotency-Key", "once");
  const auto create = parsed(R"({"changes":[{"type":"create_cell","cell_id":"two","cell_type":"code","source":""}]})");
  const auto first = ask("POST", base + "/commands/transaction", create, ada);
  ASSERT_TRUE(first) << first.error().message;
  const auto second = ask("POST", base + "/commands/transaction", create, ada);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(json::write(first->body), json::write(second->body));
}

TEST_F(HostTest, ThePolicyIsShownAndSwapped) {
  const auto base = "/api/v1/sessions/" + open();
  EXPECT_EQ(outcome("PUT", "/api/v1/policy", parsed(R"({"policy":"no-such-policy"})")).substr(0, 3), "404");
  EXPECT_EQ(outcome("PUT", base + "/policy", parsed(R"({"policy":"collaborative","dry_run":true})")), "200");
  EXPECT_EQ(text_of(ask("GET", base + "/policy")->body, "policy"), "local-takeover");
  EXPECT_EQ(outcome("PUT", base + "/policy", parsed(R"({"policy":"collaborative"})")), "200");
  const auto shown = ask("GET", base + "/policy");
  ASSERT_TRUE(shown);
  EXPECT_EQ(text_of(shown->body, "policy"), "collaborative");
  EXPECT_EQ(text_of(ask("GET", "/api/v1/policy")->body, "policy"), "local-takeover");
  EXPECT_EQ(outcome("POST", "/api/v1/plugins/collaborative/reload", parsed("{}")), "200");
  EXPECT_EQ(outcome("POST", "/api/v1/plugins/transport-sse/reload", parsed("{}")), "409 not_reloadable");
  EXPECT_EQ(outcome("POST", "/api/v1/plugins/none/reload", parsed("{}")), "404 plugin_missing");
}

TEST_F(HostTest, APolicyNobodyUsesStillShowsTheSchemaOfItsSettings) {
  const auto shown = ask("GET", "/api/v1/plugins/queue");
  ASSERT_TRUE(shown);
  EXPECT_EQ(text_of(shown->body, "id"), "queue");
  const auto& generations = *shown->body.find("generations")->as_array();
  ASSERT_EQ(generations.size(), 1U);
  EXPECT_NE(generations[0].find("config_schema"), nullptr);
  EXPECT_EQ(outcome("GET", "/api/v1/plugins/none"), "404 plugin_missing");
  EXPECT_EQ(text_of(*ask("GET", "/api/v1/info")->body.find("token"), "scope"), "admin");
}

TEST_F(HostTest, AReloadTakesWhatLiesOnDiskNow) {
  const auto base = "/api/v1/sessions/" + open();
  ASSERT_EQ(outcome("PUT", base + "/policy", parsed(R"({"policy":"collaborative"})")), "200");
  const auto reload = [&] { return ask("POST", "/api/v1/plugins/collaborative/reload", parsed("{}")); };
  const auto before = reload();
  ASSERT_TRUE(before) << before.error().message;
  EXPECT_EQ(text_of(reload()->body, "generation"), text_of(before->body, "generation"));  // nothing new to load

  fs::create_directories(base_ / "plugins");
  fs::copy(fs::path(LECTERN_TEST_PLUGINS) / "collaborative", base_ / "plugins" / "collaborative",
           fs::copy_options::recursive);
  std::ofstream(base_ / "plugins" / "collaborative" / "collaborative.so", std::ios::app) << "another build";
  const auto after = reload();
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_NE(text_of(after->body, "generation"), text_of(before->body, "generation"));
  const auto& sessions = *after->body.find("sessions")->as_array();
  ASSERT_EQ(sessions.size(), 1U);
  EXPECT_EQ(text_of(sessions[0], "ok"), "true");
}

TEST_F(HostTest, WrongMethodsAndPathsSaySo) {
  EXPECT_EQ(outcome("GET", "/api/v1/nothing"), "404 not_found");
  EXPECT_EQ(outcome("DELETE", "/api/v1/policy"), "405 method_not_allowed");
  EXPECT_EQ(outcome("GET", "/blobs/nothex"), "404 blob_not_found");
  EXPECT_EQ(outcome("GET", "/api/v1/files?path=../.."), "403 outside_root");
  EXPECT_EQ(outcome("GET", "/api/v1/files"), "200");
  EXPECT_EQ(outcome("GET", "/api/v1/presence"), "200");
  EXPECT_EQ(outcome("GET", "/api/v1/plugins"), "200");
  EXPECT_EQ(outcome("GET", "/api/v1/info", {}, {{"Origin", "http://evil.example"}}), "403 cross_site");
}

}  // namespace
}  // namespace lectern::app
