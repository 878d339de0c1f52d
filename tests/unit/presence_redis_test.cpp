// What the contract of backends does not ask of a folder: a server that wants a password, hangs, dies, or says odd
// things.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "presence_contract_support.hpp"

namespace lectern::presence {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

constexpr const char* canary = "canary-Zx81-not-to-be-told";

class RedisTest : public ::testing::Test {
 protected:
  RedisTest() : server_(base_.path() / "redis") {
    registry_ = std::make_unique<plugin::Registry>(
        plugin::RegistryOptions{{plugin::testing::shipped}, base_.path() / "staging"});
  }
  Result<testing::Backend> open(const std::string& settings) {
    auto generation = registry_->load(plugin::Kind::presence, "presence-redis");
    if (!generation) return fail(generation.error());
    return plugin::PresenceBackend::open(*generation, settings);
  }
  [[nodiscard]] std::string at_socket(const std::string& more = {}) const {
    return R"({"address":"unix:)" + server_.socket() + "\"" + more + "}";
  }
  static std::string record(const std::string& device = "dev-a") {
    return R"({"device_id":")" + device + R"(","instance_id":"one","ttl_ms":45000})";
  }
  plugin::testing::TemporaryFolder base_;
  test::RedisServer server_;
  std::unique_ptr<plugin::Registry> registry_;
};

TEST_F(RedisTest, KeepsToItsKeysAndLetsThemExpire) {
  ASSERT_TRUE(server_.start());
  server_.ask({"SET", "somebody-elses", "value"});
  const auto backend = open(at_socket());
  ASSERT_TRUE(backend.has_value()) << backend.error().message;
  ASSERT_TRUE((*backend)->publish("dev-a", "one", record()).has_value());
  const auto life = server_.ask({"PTTL", "lectern:presence:v1:record:dev-a/one"});
  ASSERT_EQ(life.front(), ':');
  EXPECT_GT(std::stol(life.substr(1)), 90'000) << "longer than it is shown as stale";
  EXPECT_LE(std::stol(life.substr(1)), 180'000);
  EXPECT_GT(std::stol(server_.ask({"PTTL", "lectern:presence:v1:index"}).substr(1)), 3'600'000);
  EXPECT_THAT(server_.ask("DBSIZE"), HasSubstr(":3\r\n"));
  // One whose time has come is taken off the index by whoever looks; one that the server put out is no record.
  server_.ask({"ZADD", "lectern:presence:v1:index", "1", "dev-b/one", "9000000000000", "dev-c/one"});
  EXPECT_EQ((*backend)->snapshot()->records.size(), 1u);
  EXPECT_THAT(server_.ask({"ZCARD", "lectern:presence:v1:index"}), HasSubstr(":2\r\n"));
  ASSERT_TRUE((*backend)->remove("dev-a", "one").has_value());
  EXPECT_THAT(server_.ask({"EXISTS", "lectern:presence:v1:record:dev-a/one"}), HasSubstr(":0\r\n"));
  EXPECT_THAT(server_.ask({"GET", "somebody-elses"}), HasSubstr("value"));
  const auto other = open(at_socket(R"(,"prefix":"team:b","database":3)"));
  ASSERT_TRUE((*other)->publish("dev-a", "one", record()).has_value());
  EXPECT_TRUE((*backend)->snapshot()->records.empty()) << "two prefixes are two worlds";
  server_.ask({"SET", "lectern:presence:v1:index", "not a set"});
  const auto taken = (*backend)->snapshot();
  ASSERT_FALSE(taken.has_value());
  EXPECT_THAT(taken.error().message, HasSubstr("WRONGTYPE"));
}

TEST_F(RedisTest, ThePasswordGetsInAndNowhereElse) {  // F25
  ASSERT_TRUE(server_.start());
  const auto file = base_.path() / "password";
  plugin::testing::write_file(file, std::string(canary) + "\n");
  ASSERT_EQ(::chmod(file.c_str(), 0644), 0);
  const auto settings = at_socket(R"(,"password_file":")" + file.string() + "\"");
  const auto backend = open(settings);
  ASSERT_TRUE(backend.has_value()) << backend.error().message;
  const auto readable = (*backend)->publish("dev-a", "one", record());
  ASSERT_FALSE(readable.has_value());
  EXPECT_THAT(readable.error().message, HasSubstr("others may read"));
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  server_.ask({"CONFIG", "SET", "requirepass", "something else"});
  const auto publish = [&](const testing::Backend& to) {
    // Between two tries it rests, in real time.
    const auto until = std::chrono::steady_clock::now() + 60s;
    for (;;) {
      auto done = to->publish("dev-a", "one", record());
      const bool rested = done || (done.error().message.find("tried again") == std::string::npos);
      if (rested || std::chrono::steady_clock::now() > until) return done;
    }
  };
  const auto refused = publish(*open(settings));
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("WRONGPASS"));
  EXPECT_THAT(refused.error().message + refused.error().hint, Not(HasSubstr("canary")));
  const auto none = publish(*open(at_socket()));
  ASSERT_FALSE(none.has_value());
  EXPECT_THAT(none.error().message, HasSubstr("NOAUTH"));
  server_.stop();
  ASSERT_TRUE(server_.start({"--requirepass", canary}));
  const auto let_in = publish(*open(settings));
  EXPECT_TRUE(let_in.has_value()) << let_in.error().message;
  EXPECT_THAT(registry_->report_json(), Not(HasSubstr("canary")));
}

TEST_F(RedisTest, ADeadServerIsNotAskedWithEachCall) {
  const auto backend = open(at_socket());
  ASSERT_TRUE(backend.has_value()) << "a server that is away now may come: " << backend.error().message;
  std::string said;
  for (int i = 0; i < 200 && said.find("tried again") == std::string::npos; ++i) {
    said = (*backend)->publish("dev-a", "one", record()).error().message;
  }
  EXPECT_THAT(said, HasSubstr("cannot be reached"));
  EXPECT_THAT(said, HasSubstr("tried again within 30 s")) << "it rests between its tries";
  ASSERT_TRUE(server_.start());
  const auto until = std::chrono::steady_clock::now() + 60s;
  bool back = false;
  while (!back && std::chrono::steady_clock::now() < until) {
    back = (*backend)->publish("dev-a", "one", record()).has_value();
  }
  EXPECT_TRUE(back);
  // A connection that was lost in between costs no call.
  server_.stop();
  ASSERT_TRUE(server_.start());
  EXPECT_TRUE((*backend)->publish("dev-a", "one", record()).has_value());
}

TEST_F(RedisTest, AServerThatHangsCostsOneTimeout) {
  ASSERT_TRUE(server_.start());
  const auto backend = open(at_socket(R"(,"timeout_ms":3000)"));
  ASSERT_TRUE((*backend)->publish("dev-a", "one", record()).has_value());
  server_.freeze();
  const auto begun = std::chrono::steady_clock::now();
  const auto hung = (*backend)->snapshot();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 20s);
  server_.thaw();
  ASSERT_FALSE(hung.has_value());
  EXPECT_THAT(hung.error().message, HasSubstr("did not answer in time"));
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

TEST_F(RedisTest, TlsIsForTheNamedServerAndNobodyElse) {
  const auto folder = base_.path().string();
  for (const std::string name : {"good", "other"}) {
    std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=redis "
        "-addext subjectAltName=IP:127.0.0.1";
    command.append(" -keyout ").append(folder).append("/").append(name).append(".key");
    command.append(" -out ").append(folder).append("/").append(name).append(".pem 2>/dev/null");
    ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(concurrency-mt-unsafe): one thread so far
  }
  int port = 0;
  bool started = false;
  for (int i = 0; i < 5 && !started; ++i) {  // somebody else may take the port first
    port = free_port();
    started =
        server_.start({"--tls-port", std::to_string(port), "--tls-cert-file", folder + "/good.pem", "--tls-key-file",
                       folder + "/good.key", "--tls-ca-cert-file", folder + "/good.pem", "--tls-auth-clients", "no"});
  }
  ASSERT_TRUE(started);
  const auto publish = [&](const std::string& host, const std::string& ca) {
    const auto trusted = ca.empty() ? std::string() : R"(,"ca_file":")" + folder + "/" + ca + "\"";
    const auto address = R"({"tls":true,"timeout_ms":20000,"address":")" + host + ":" + std::to_string(port) + "\"";
    const auto backend = open(address + trusted + "}");
    if (!backend) return Status(fail(backend.error()));
    return (*backend)->publish("dev-a", "one", record());
  };
  const auto good = publish("127.0.0.1", "good.pem");
  EXPECT_TRUE(good.has_value()) << good.error().message;
  EXPECT_FALSE(publish("127.0.0.1", "other.pem").has_value()) << "another authority";
  EXPECT_FALSE(publish("127.0.0.1", "").has_value()) << "the system does not know it";
  EXPECT_FALSE(publish("localhost", "good.pem").has_value()) << "the certificate is for another name";
}

/// Says one thing to whoever connects, and listens no more.
class Liar {
 public:
  explicit Liar(std::string says) : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listening_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listening_, 8), 0);
    EXPECT_EQ(::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, text = std::move(says)] {
      for (int client = -1; (client = ::accept(listening_, nullptr, nullptr)) >= 0; ::close(client)) {
        char bytes[4096];
        (void)!::recv(client, bytes, sizeof bytes, 0);
        (void)!::send(client, text.data(), text.size(), MSG_NOSIGNAL);
      }
    });
  }
  ~Liar() {
    ::shutdown(listening_, SHUT_RDWR);
    thread_.join();
    ::close(listening_);
  }
  [[nodiscard]] int port() const { return port_; }

 private:
  int listening_, port_ = 0;
  std::thread thread_;
};

TEST_F(RedisTest, WhatIsNoRedisTakesNeitherMemoryNorTime) {
  for (const std::string says :
       {"HTTP/1.1 400 Bad Request\r\n\r\n", "$2147483647\r\n", "*2147483647\r\n", "$-7\r\n", ":99x\r\n", "\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "+OK\r\n", "*2\r\n:1\r\n:2\r\n"}) {
    const Liar liar(says);
    const auto backend = open(R"({"timeout_ms":2000,"address":"127.0.0.1:)" + std::to_string(liar.port()) + "\"}");
    ASSERT_TRUE(backend.has_value()) << backend.error().message;
    const auto found = (*backend)->snapshot();
    ASSERT_FALSE(found.has_value()) << says;
    EXPECT_EQ(found.error().status, 503) << says;
  }
}

TEST_F(RedisTest, SettingsAreCheckedAndNeverRepeated) {
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"address":"redis://user:canary@host:6379"})", "address"},
      {R"({"address":"host"})", "address"},
      {R"({"address":"127.0.0.1:0"})", "address"},
      {R"({"address":"unix:relative"})", "address"},
      {R"({"address":"10.0.0.7:6379"})", "tls"},
      {R"({"address":"unix:/x","tls":true})", "tls"},
      {R"({"ca_file":"/x"})", "ca_file"},
      {R"({"username":"me"})", "password_file"},
      {R"({"password":"canary"})", "password"},
      {R"({"prefix":"a b"})", "prefix"},
      {R"({"password_file":"relative"})", "password_file"},
      {R"({"timeout_ms":1})", "timeout_ms"},
  };
  for (const auto& [settings, names] : wrong) {
    const auto refused = open(settings);
    ASSERT_FALSE(refused.has_value()) << settings;
    EXPECT_EQ(refused.error().status, 400) << settings;
    EXPECT_THAT(refused.error().message + refused.error().hint, HasSubstr(names)) << settings;
    EXPECT_THAT(refused.error().message + refused.error().hint, Not(HasSubstr("canary"))) << settings;
  }
  EXPECT_TRUE(open(R"({"address":"10.0.0.7:6379","tls":true})").has_value());
  EXPECT_TRUE(open(R"({"address":"10.0.0.7:6379","insecure_plaintext":true})").has_value());
}

}  // namespace
}  // namespace lectern::presence
