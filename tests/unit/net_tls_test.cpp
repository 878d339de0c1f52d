// TLS on real sockets: the same door behind a certificate made for the test.
#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdio>
#include <filesystem>

#include "base/crypto.hpp"
#include "net_support.hpp"

namespace lectern::net::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A self-signed certificate in two PEM files, gone with this object.
class Certificate {
 public:
  Certificate() : folder_(std::filesystem::temp_directory_path() / ("lectern-tls-" + crypto::random_token(9))) {
    std::filesystem::create_directory(folder_);
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    auto* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_sign(certificate, key, EVP_sha256());
    save(key_path(), [&](FILE* file) { PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr); });
    save(path(), [&](FILE* file) { PEM_write_X509(file, certificate); });
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  ~Certificate() { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path() const { return folder_ / "cert.pem"; }
  [[nodiscard]] std::string key_path() const { return folder_ / "key.pem"; }

 private:
  static void save(const std::string& path, const std::function<void(FILE*)>& write) {
    FILE* file = std::fopen(path.c_str(), "w");
    ASSERT_NE(nullptr, file);
    write(file);
    std::fclose(file);
  }
  std::filesystem::path folder_;
};

class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port, int newest = TLS1_3_VERSION) : socket_(port) {
    context_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context_, newest);
    ssl_ = SSL_new(context_);
    const timeval patience{10, 0};
    ::setsockopt(socket_.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    SSL_set_fd(ssl_, socket_.fd());
    connected_ = SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  void send(std::string_view bytes) {
    if (!bytes.empty()) SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
  }
  bool receive() {
    char chunk[65536];
    const int count = SSL_read(ssl_, chunk, sizeof chunk);
    if (count > 0) buffer_.append(chunk, static_cast<std::size_t>(count));
    return count > 0;
  }
  std::string take(std::size_t count, std::chrono::milliseconds = 0ms) {
    while (buffer_.size() < count && receive()) {
    }
    auto taken = buffer_.substr(0, count);
    buffer_.erase(0, taken.size());
    return taken;
  }
  std::string take_until(std::string_view mark) {
    std::size_t at;
    while ((at = buffer_.find(mark)) == std::string::npos && receive()) {
    }
    return take(at == std::string::npos ? buffer_.size() : at + mark.size());
  }
  /// True when the peer said goodbye properly (close_notify).
  bool ended_properly() {
    while (receive()) {
    }
    return SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN;
  }
  RawClient& socket() { return socket_; }

 private:
  RawClient socket_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  bool connected_ = false;
  std::string buffer_;
};

class Tls : public DoorTest {
 protected:
  Tls() {
    options.tls_certificate = certificate_.path();
    options.tls_key = certificate_.key_path();
  }
  Certificate certificate_;
};

TEST_F(Tls, AnswersHttpAndKeepsTheConnection) {
  api.on_admit = [](const api::Request& head) -> Result<api::RouteLimits> {
    EXPECT_TRUE(head.secure);
    return api::RouteLimits{};
  };
  open_door();
  TlsClient client(port);
  ASSERT_TRUE(client.connected());
  for (int i = 0; i < 3; ++i) {
    client.send("GET /tls HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_THAT(client.take_until("\r\n\r\n"), HasSubstr(" 200 OK\r\n"));
    EXPECT_EQ("GET /tls? ", client.take(10));
  }
  client.send("GET /tls HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.ended_properly());
}

TEST_F(Tls, ALargeBodyArrivesWhole) {
  const auto blob = std::make_shared<const std::string>(5u << 20, 'b');
  api.routes["/blob"] = [&](api::Request) -> api::Outcome {
    api::Response response;
    response.shared_body = blob;
    return response;
  };
  open_door();
  TlsClient client(port);
  client.send("GET /blob HTTP/1.1\r\nHost: a\r\n\r\n");
  client.take_until("\r\n\r\n");
  EXPECT_TRUE(client.take(blob->size()) == *blob);
  EXPECT_TRUE(client.ended_properly());
}

TEST_F(Tls, EchoesMessagesOfManySizes) {
  open_door();
  TlsClient client(port);
  client.send(upgrade_request() + client_frame(1, "in the same record as the handshake"));
  EXPECT_THAT(client.take_until("\r\n\r\n"), HasSubstr(" 101 "));
  EXPECT_EQ("in the same record as the handshake", read_frame(client).payload);
  for (const std::size_t size : {0, 1, 125, 126, 4096, 16383, 16384, 16385, 65536, 300000, 1000000}) {
    const std::string payload(size, static_cast<char>('a' + size % 26));
    // Sent from a thread: both sides' buffers are smaller than the message, and the echo comes while we still write.
    client.send(client_frame(2, payload));
    EXPECT_TRUE(read_frame(client).payload == payload) << size;
  }
  client.send(client_frame(8, close_payload(1000)));
  EXPECT_EQ(1000, read_frame(client).close_code());
  EXPECT_TRUE(client.ended_properly());
  EXPECT_TRUE(eventually([&] { return seen->read(&Seen::closed) == 1; }));
}

TEST_F(Tls, ManyFramesInOneRecordAreAllSeen) {
  open_door();
  TlsClient client(port);
  std::string burst = upgrade_request();
  for (int i = 0; i < 300; ++i) burst += client_frame(1, "m" + std::to_string(i));
  client.send(burst);
  client.take_until("\r\n\r\n");
  for (int i = 0; i < 300; ++i) ASSERT_EQ("m" + std::to_string(i), read_frame(client).payload);
}

TEST_F(Tls, ASlowReaderGetsEverythingInOrder) {
  open_door();
  TlsClient client(port);
  client.send(upgrade_request());
  client.take_until("\r\n\r\n");
  with_link([](session::Link& link) {
    for (int i = 0; i < 200; ++i) {
      const std::string payload = std::to_string(i) + std::string(100000, 's');
      link.send(std::make_shared<const session::Frame>(session::Frame{false, payload}));
    }
  });
  for (int i = 0; i < 200; ++i) {
    const auto frame = read_frame(client);
    ASSERT_THAT(frame.payload, StartsWith(std::to_string(i) + "s"));
    ASSERT_EQ(std::to_string(i).size() + 100000, frame.payload.size());
  }
  EXPECT_TRUE(eventually([&] { return seen->read(&Seen::drained) == 1; }));
}

TEST_F(Tls, AnEventStreamFlows) {
  open_door();
  TlsClient client(port);
  client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
  client.take_until("\r\n\r\n");
  with_link([](session::Link& link) {
    link.send(std::make_shared<const session::Frame>(session::Frame{false, "data: 1\n\n"}));
    link.close(1000, "");
  });
  EXPECT_EQ("data: 1\n\n", client.take(9));
  EXPECT_TRUE(client.ended_properly());
}

TEST_F(Tls, PlainTextOldVersionsAndSilenceAreRefused) {
  options.limits.head = 2s;
  open_door();
  RawClient plain(port);
  plain.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(std::string::npos, plain.take_all().find("200 OK"));
  TlsClient old(port, TLS1_1_VERSION);
  EXPECT_FALSE(old.connected());
  RawClient silent(port);
  EXPECT_EQ("", silent.take_all());
  EXPECT_EQ(0, api.handled);
  TlsClient fine(port);
  EXPECT_TRUE(fine.connected());
}

TEST_F(Tls, AHandshakeThatDripsHoldsNoReactor) {
  options.limits.head = 60s;
  open_door();
  TlsClient working(port);
  working.send(upgrade_request());
  working.take_until("\r\n\r\n");
  std::vector<RawClient> dripping;
  for (int i = 0; i < 10; ++i) {
    dripping.emplace_back(port);
    dripping.back().send("\x16\x03\x01");
  }
  const auto before = clock::now_ms();
  working.send(client_frame(1, "still here"));
  EXPECT_EQ("still here", read_frame(working).payload);
  EXPECT_LT(clock::now_ms() - before, 30'000) << "it waited for the handshakes";
}

TEST_F(Tls, EndpointsUnderChaosLeaveNothingBehind) {
  open_door();
  for (int round = 0; round < 30; ++round) {
    TlsClient client(port);
    client.send(upgrade_request());
    client.take_until("\r\n\r\n");
    client.send(client_frame(2, std::string(50000, 'c')));
    if (round % 3 == 0) client.socket().reset();
    if (round % 3 == 1) client.socket().half_close();
  }
  EXPECT_TRUE(eventually([&] { return door->figures().links == 0; }));
  EXPECT_EQ(30, seen->read(&Seen::destroyed));
}

}  // namespace
}  // namespace lectern::net::testing
