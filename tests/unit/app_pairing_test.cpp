// The side of a pairing that dials, against a host that is none; and what it hands out afterwards.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/pair_dial.hpp"
#include "app/peer_access.hpp"

namespace lectern::app {
namespace {

namespace fs = std::filesystem;
using presence::PairingParty;

PairingParty party(char digit) {
  return {std::string(32, digit), "device", std::string(64, digit), std::string(64, digit), "view"};
}

/// Answers whoever connects with a header that comes a byte at a time and never ends.
class Trickle {
 public:
  Trickle() : door_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(at);
    EXPECT_EQ(::bind(door_, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(::listen(door_, 4), 0);
    EXPECT_EQ(::getsockname(door_, reinterpret_cast<sockaddr*>(&at), &size), 0);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] {
      const int peer = ::accept4(door_, nullptr, nullptr, SOCK_CLOEXEC);
      const std::string text = "HTTP/1.1 200 OK\r\nX-Long: ";
      pollfd hung_up{peer, POLLRDHUP, 0};
      for (std::size_t i = 0; ::send(peer, i < text.size() ? &text[i] : "x", 1, MSG_NOSIGNAL) == 1; ++i) {
        ++sent_;
        if (::poll(&hung_up, 1, i < text.size() ? 0 : 5) != 0) break;
      }
      ::close(peer);
    });
  }
  ~Trickle() {
    ::shutdown(door_, SHUT_RDWR);
    thread_.join();
    ::close(door_);
  }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::size_t sent() const { return sent_; }

 private:
  const int door_;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> sent_ = 0;
  std::thread thread_;
};

TEST(PairDialTest, APeerThatTricklesHoldsNobody) {
  Trickle peer;
  const auto made =
      dial_pairing(party('a'), {}, peer.url(), presence::new_pairing_code(), std::chrono::milliseconds(200));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().status, 502);
  EXPECT_EQ(made.error().code, "unreachable");
  EXPECT_GT(peer.sent(), 0u);
}

TEST(PeerAccessTest, ATokenOfADeviceWithAKeyStaysInsideTls) {
  std::string folder = (fs::temp_directory_path() / "lectern-access-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  {
    const auto devices = std::move(*presence::DeviceCredentials::open(folder));
    const auto laptop = party('a'), phone = party('b');
    const auto keys = presence::pairing_keys(presence::new_pairing_code(), laptop, phone);
    auto device = presence::paired_device(laptop, phone, keys.offering_token, keys.accepting_token, 1);
    presence::RemoteSession session;
    session.device_id = phone.device_id;
    presence::Endpoint plain, secure;
    plain.scheme = "ws";
    secure.scheme = "wss";
    plain.address = secure.address = "127.0.0.1:1";
    plain.scope = secure.scope = "loopback";
    ASSERT_TRUE(devices->put(device));
    EXPECT_FALSE(peer_access(session, plain, devices.get()));
    const auto access = peer_access(session, secure, devices.get());
    ASSERT_TRUE(access);
    EXPECT_EQ(access->token, keys.offering_token);
    EXPECT_EQ(access->pin, phone.pin);
    device.plaintext = true;
    ASSERT_TRUE(devices->put(device));
    EXPECT_TRUE(peer_access(session, plain, devices.get()));
    EXPECT_TRUE(peer_access(session, secure, devices.get()));
  }
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

}  // namespace
}  // namespace lectern::app
