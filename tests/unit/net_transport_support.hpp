// The shipped transports, loaded from their shared objects as the host does it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/crypto.hpp"
#include "plugin/registry.hpp"
#include "plugin/transport.hpp"

namespace lectern::net::testing {

/// An Inbound that outlives the call.
struct Received {
  plugin::InboundKind kind{};
  plugin::DocumentKind document{};
  bool flush = false, has_epoch = false;
  std::uint64_t epoch = 0;
  std::string id, name, body, payload;
  std::vector<std::uint64_t> sizes;
};

class TransportTest : public ::testing::Test {
 protected:
  explicit TransportTest(std::string id)
      : staging_(std::filesystem::temp_directory_path() / ("lectern-transport-" + crypto::random_token(9))),
        registry_(options(staging_)) {
    auto generation = registry_.load(plugin::Kind::transport, id);
    EXPECT_TRUE(generation) << generation.error().message;
    if (!generation) return;
    auto made = plugin::Transport::create(*generation, "{}");
    EXPECT_TRUE(made) << made.error().message;
    if (made) transport = *made;
  }
  ~TransportTest() override {
    transport.reset();
    std::error_code ignored;
    std::filesystem::remove_all(staging_, ignored);
  }
  void SetUp() override {
    ASSERT_TRUE(transport);
    (void)open(somebody);  // an encoding is only one once somebody has it
  }
  static constexpr std::uint64_t somebody = 1'000'000;

  std::uint64_t open(std::uint64_t connection, std::string_view query = "{}") {
    auto encoding = transport->open(connection, 0, query);
    EXPECT_TRUE(encoding) << encoding.error().message;
    return encoding.value_or(0);
  }

  std::vector<Received> receive(bool binary, std::string_view bytes, std::uint64_t connection = 1) {
    std::vector<Received> all;
    const auto status = transport->receive(connection, binary, bytes, [&](const plugin::Inbound& in) -> Status {
      all.push_back({in.kind,
                     in.document,
                     in.flush,
                     in.has_epoch,
                     in.epoch,
                     std::string(in.id),
                     std::string(in.name),
                     std::string(in.body),
                     std::string(in.payload),
                     {in.sizes.begin(), in.sizes.end()}});
      return {};
    });
    EXPECT_TRUE(status) << status.error().message;
    return all;
  }

  std::vector<plugin::EncodedFrame> encode(const plugin::Outbound& message, std::uint64_t encoding = 0) {
    auto frames = transport->encode(encoding, message);
    EXPECT_TRUE(frames) << frames.error().message;
    return frames ? std::move(*frames) : std::vector<plugin::EncodedFrame>();
  }

  plugin::TransportPtr transport;

 private:
  /// CTest runs these suites a second time with the transport in a process of its own (tests/CMakeLists.txt).
  static plugin::RegistryOptions options(const std::filesystem::path& staging) {
    plugin::RegistryOptions made{{LECTERN_TEST_PLUGINS}, staging};
    const char* set = std::getenv("LECTERN_TEST_ISOLATION");
    if (set == nullptr || std::string_view(set) != "process") return made;
    made.trust = plugin::TrustLists{};
    made.plugin_host = std::filesystem::path(LECTERN_TEST_PLUGINS) / ".." / "bin" / "lectern-plugin-host";
    return made;
  }
  std::filesystem::path staging_;
  plugin::Registry registry_;
};

/// A binary frame of lectern.v1.
inline std::string binary_frame(int kind, std::string_view header, std::string_view payload = {}) {
  std::string bytes(1, static_cast<char>(kind));
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(header.size() >> (8 * i)));
  return bytes.append(header).append(payload);
}

}  // namespace lectern::net::testing
