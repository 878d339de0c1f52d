// Replays the corpus of tests/fuzz/transport and seeded mutations of it through the real codecs. The oracle is the
// host's own JSON parser: what a codec takes for a command must be one, member by member.
#include <fstream>
#include <map>
#include <random>

#include "base/json.hpp"
#include "base/text.hpp"
#include "net_transport_support.hpp"

namespace lectern::net::testing {
namespace {

namespace fs = std::filesystem;
using plugin::InboundKind;

constexpr int mutations = 1500;  // of each file; the run stays under a few seconds

std::map<std::string, std::string> corpus(const std::string& part) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(fs::path(LECTERN_TEST_DATA) / ".." / "fuzz" / "transport" / part)) {
    std::ifstream file(entry.path(), std::ios::binary);
    files[entry.path().filename()] = {std::istreambuf_iterator<char>(file), {}};
  }
  EXPECT_FALSE(files.empty());
  return files;
}

/// One to three small changes: bytes, cuts, copies, and tokens that parsers trip over.
std::string mutate(std::string bytes, const std::string& other, std::mt19937& random) {
  static const std::vector<std::string> tokens = {"\"",
                                                  "{",
                                                  "}",
                                                  "[",
                                                  "]",
                                                  ",",
                                                  ":",
                                                  "\\",
                                                  "\\u0000",
                                                  "\\u",
                                                  "-",
                                                  "1e9",
                                                  "null",
                                                  "\"id\"",
                                                  "true",
                                                  "\"sizes\":[",
                                                  "\"epoch\":",
                                                  "\n",
                                                  "\r",
                                                  "\"body\":{",
                                                  "\"buffers\":[]",
                                                  "184467440737095516150"};
  auto below = [&](std::size_t limit) { return limit == 0 ? 0 : random() % limit; };
  for (auto count = 1 + below(3); count > 0; --count) {
    const auto at = below(bytes.size() + 1);
    switch (below(6)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes.insert(at, tokens[below(tokens.size())]);
        break;
      case 2:
        bytes.erase(at, 1 + below(8));
        break;
      case 3:
        bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(24)));
        break;
      case 4:
        bytes.insert(at, other.substr(below(other.size()), 1 + below(40)));
        break;
      default:
        bytes.resize(at);
    }
  }
  return bytes;
}

template <class Each>
void for_each_case(const std::string& part, Each&& each) {
  const auto files = corpus(part);
  std::mt19937 random(20'240'607);
  for (const auto& [name, bytes] : files) {
    SCOPED_TRACE(name);
    each(bytes);
    for (int i = 0; i < mutations; ++i) {
      const auto other = std::next(files.begin(), static_cast<std::ptrdiff_t>(random() % files.size()))->second;
      each(mutate(bytes, other, random));
      if (::testing::Test::HasFailure()) return;
    }
  }
}

json::Limits generous() {
  json::Limits limits;
  limits.depth = 256;
  limits.unique_keys = false;
  return limits;
}

class TransportFuzz : public TransportTest {
 protected:
  TransportFuzz() : TransportTest("transport-websocket") {}
};

TEST_F(TransportFuzz, ACommandIsWhatTheHostsParserReads) {
  open(1);
  int commands = 0;
  for_each_case("text", [&](const std::string& frame) {
    if (!text::valid_utf8(frame)) return;  // never passes the framing
    for (const auto& got : receive(false, frame)) {
      if (got.kind == InboundKind::malformed) {
        ASSERT_NE("", got.body);
        continue;
      }
      const auto parsed = json::parse(frame, generous());
      if (!parsed) {
        // The one thing the codec is not strict about: half a surrogate pair, which the host refuses in the body later.
        ASSERT_NE(std::string::npos, frame.find("\\u")) << frame;
        continue;
      }
      if (got.kind == InboundKind::hello) {
        ASSERT_EQ(got.body, *parsed->find("client")->as_string()) << frame;
        continue;
      }
      ++commands;
      ASSERT_EQ(InboundKind::command, got.kind);
      ASSERT_EQ(got.id, *parsed->find("id")->as_string()) << frame;
      ASSERT_EQ(got.name, *parsed->find("command")->as_string()) << frame;
      const auto* epoch = parsed->find("epoch");
      ASSERT_EQ(got.has_epoch, epoch != nullptr && !epoch->is_null()) << frame;
      if (got.has_epoch) {
        ASSERT_EQ(got.epoch, epoch->as_uint()) << frame;
      }
      const auto body = json::parse(got.body, generous());
      ASSERT_TRUE(body) << frame;
      if (const auto* whole = parsed->find("body")) {
        ASSERT_EQ(*body, *whole) << frame;
      }
    }
  });
  EXPECT_GT(commands, 50) << "the mutations are too wild to test anything";
}

TEST_F(TransportFuzz, BinaryFramesAreCutExactlyOrRefused) {
  open(1);
  int changes = 0;
  for_each_case("binary", [&](const std::string& frame) {
    for (const auto& got : receive(true, frame)) {
      if (got.kind != InboundKind::changes) continue;
      ++changes;
      std::uint64_t total = 0;
      for (const auto size : got.sizes) total += size;
      ASSERT_EQ(total, got.payload.size());
      ASSERT_TRUE(frame.ends_with(got.payload));
      ASSERT_FALSE(got.id.empty());
      ASSERT_TRUE(text::valid_utf8(got.id));
    }
    for (const auto& got : receive(false, R"({"id":"1","command":"model"})")) {
      std::uint64_t total = 0;
      for (const auto size : got.sizes) total += size;
      ASSERT_EQ(total, got.payload.size());
    }
  });
  EXPECT_GT(changes, 20);
}

void check_event(const std::string& text, const std::string& data, bool buffers) {
  const auto event = json::parse(text, generous());
  ASSERT_TRUE(event) << text;
  ASSERT_NE(nullptr, event->find("data")) << text;
  const auto& got = *event->find("data");
  if (!buffers) {
    ASSERT_EQ(got, *json::parse(data, generous())) << text;
    return;
  }
  ASSERT_NE(nullptr, got.find("buffers")) << text;
  const auto* list = got.find("buffers")->as_array();
  ASSERT_NE(nullptr, list) << text;
  ASSERT_EQ(2u, list->size());
  EXPECT_EQ("a", text::from_base64(*(*list)[0].as_string()));
  EXPECT_EQ("bc", text::from_base64(*(*list)[1].as_string()));
}

plugin::Outbound outbound(const std::string& data, bool buffers) {
  static const std::vector<std::uint64_t> sizes = {1, 2};
  plugin::Outbound message;
  message.op = "x";
  message.data = data;
  message.has_seq = true;
  message.stream = "s";
  if (buffers) {
    message.payload = "abc";
    message.sizes = sizes;
  }
  return message;
}

TEST_F(TransportFuzz, WhatIsEncodedIsWhatWasGiven) {
  for_each_case("data", [&](const std::string& data) {
    if (!json::parse(data)) return;  // the host gives JSON
    for (const bool buffers : {false, true}) {
      const auto frames = encode(outbound(data, buffers));
      ASSERT_EQ(1u, frames.size());
      check_event(frames[0].bytes, data, buffers);
    }
  });
}

class TransportSseFuzz : public TransportTest {
 protected:
  TransportSseFuzz() : TransportTest("transport-sse") {}
};

TEST_F(TransportSseFuzz, AnEventIsOneIdAndOneDataLine) {
  for_each_case("data", [&](const std::string& data) {
    if (!json::parse(data)) return;
    for (const bool buffers : {false, true}) {
      const auto frames = encode(outbound(data, buffers));
      ASSERT_EQ(1u, frames.size());
      const auto& bytes = frames[0].bytes;
      const std::string head = "id: s.0\ndata: ";
      ASSERT_TRUE(bytes.starts_with(head)) << bytes;
      ASSERT_TRUE(bytes.ends_with("\n\n"));
      const auto line = bytes.substr(head.size(), bytes.size() - head.size() - 2);
      ASSERT_EQ(std::string::npos, line.find_first_of("\r\n")) << bytes;
      check_event(line, data, buffers);
    }
  });
}

}  // namespace
}  // namespace lectern::net::testing
