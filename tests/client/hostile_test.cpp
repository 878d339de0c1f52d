// Hosts that speak another protocol, or none.
#include <gmock/gmock.h>

#include "support.hpp"

namespace lectern::client::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Options to(const FakeHost& host) {
  Options options;
  options.url = host.url();
  options.open_timeout = patience;
  return options;
}

void begin(Peer& peer) {
  peer.text(FakeHost::ready());
  peer.text(FakeHost::replay_complete());
}

TEST(ClientHostile, AnUnknownProtocolIsRefusedNamingBoth) {
  const auto both = AllOf(HasSubstr("lectern.v9"), HasSubstr("lectern.v1"));
  {
    FakeHost host([](Peer&, int) {}, R"({"protocol":"lectern.v9","other":"keys"})");
    const auto session = connect_open("n.ipynb", to(host));
    ASSERT_FALSE(session);
    EXPECT_EQ(session.error().code, "protocol_mismatch");
    EXPECT_THAT(session.error().message, both);
  }
  {
    FakeHost host([](Peer& peer, int) {
      peer.text(FakeHost::ready("lectern.v9"));
      peer.drain();
    });
    const auto session = connect_open("n.ipynb", to(host));
    ASSERT_FALSE(session);
    EXPECT_EQ(session.error().code, "protocol_mismatch");
    EXPECT_THAT(session.error().message, both);
  }
  {
    FakeHost host([](Peer& peer, int) { peer.drain(); }, {}, "lectern.v9");
    const auto session = connect_open("n.ipynb", to(host));
    ASSERT_FALSE(session);
    EXPECT_EQ(session.error().code, "protocol_mismatch");
    EXPECT_THAT(session.error().message, both);
  }
}

TEST(ClientHostile, AnswersThatAreNoneAreSaidToBe) {
  for (const std::string info :
       {"", "null", "[]", "{}", "\"x\"", "{\"protocol\":7}", R"({"protocol":"lectern.v1"})",
        R"({"protocol":"lectern.v1","session_id":"s","path":"p","cell_count":-1})", "\xFF\xFE", "<html>"}) {
    FakeHost host([](Peer& peer, int) { peer.drain(); }, info.empty() ? " " : info);
    const auto session = connect_open("n.ipynb", to(host));
    ASSERT_FALSE(session) << info;
    EXPECT_THAT(session.error().code, ::testing::AnyOf("bad_answer", "protocol_mismatch")) << info;
  }
}

TEST(ClientHostile, ASlipIsMendedByASnapshot) {
  FakeHost host([](Peer& peer, int nth) {
    begin(peer);
    if (nth == 0) {
      peer.text(
          R"({"op":"cell-op","seq":8,"data":{"cell_id":"a","outputs":[{"op":"append_text","index":5,"text":""}]}})");
    } else {
      peer.text(R"({"op":"save-state","seq":null,"data":{"state":"saved"}})");
    }
    peer.drain();
  });
  auto session = connect_open("n.ipynb", to(host));
  ASSERT_TRUE(ok(session));
  EXPECT_TRUE(ok(session->wait_for([](const View& view) { return view.notebook.save_state == "saved"; }, patience)));
  EXPECT_EQ(session->cells().size(), 1u);
}

TEST(ClientHostile, AHostThatGoesOnLikeThatIsLeft) {
  FakeHost host([](Peer& peer, int) {
    begin(peer);
    peer.text("{\"op\":");
    peer.drain();
  });
  auto session = connect_open("n.ipynb", to(host));
  ASSERT_TRUE(ok(session));
  const auto over = session->wait_for([](const View&) { return false; }, patience);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, "bad_answer");
  EXPECT_LE(host.connections(), 6);
}

// After each of them the session has ended, or follows what comes next.
TEST(ClientHostile, NoFrameBringsItDown) {
  const std::string big(200'000, 'x');
  const std::vector<std::pair<int, std::string>> frames{
      {0x81, "{"},
      {0x81, "[]"},
      {0x81, "null"},
      {0x81, R"({"op":7,"data":{}})"},
      {0x81, R"({"op":"reply","data":[]})"},
      {0x81, R"({"op":"reply","seq":null,"data":{"id":"c1","ok":true}})"},
      {0x81, R"({"op":"reply","seq":null,"data":{"id":{"a":[]},"ok":"yes"}})"},
      {0x81, R"({"op":"kernel-ready","data":{}})"},
      {0x81, R"({"op":"kernel-ready","data":{"protocol":"lectern.v1","client":{"id":"x\r\nEvil: 1"},"stream":"s"}})"},
      {0x81,
       R"({"op":"kernel-ready","data":{"protocol":"lectern.v1","client":{"id":"c"},"stream":"other","replay":"gap"}})"},
      {0x81, R"({"op":"cell-op","seq":-4,"data":{"cell_id":"a"}})"},
      {0x81, R"({"op":"cell-op","seq":1e400,"data":{"cell_id":7}})"},
      {0x81, R"({"op":"notebook-document-transaction","seq":9,"data":{}})"},
      {0x81, R"({"op":"notebook-document-transaction","seq":9,"data":{"transaction":{"version":5,"id":"c99"}}})"},
      {0x81,
       R"({"op":"notebook-document-transaction","seq":9,"data":{"transaction":{"version":5,"changes":[{"type":[]}]}}})"},
      {0x81, R"({"op":"model-lifecycle","seq":9,"data":{"message":7}})"},
      {0x81, R"({"op":"takeover-answer","seq":null,"data":{"request_id":"x"}})"},
      {0x81, std::string(5'000, '[')},
      {0x81, "\xFF\xFE\xC0"},
      {0x82, "\x03\xFF\xFF\xFF\xFF{}"},
      {0x82, ""},
      {0x81, big},
      {0x01, "half a frame and then another first half"},
      {0x80, "a continuation of nothing"},
      {0x83, "an opcode that is none"},
      {0xF1, "reserved bits"},
      {0x88, "x"},
      {0x88, std::string("\x00\x01", 2)},
      {0x88, std::string("\x03\xE8") + "SESSION_ENDED"},
      {0x88, std::string("\x0F\xA1") + "REPLACED"},
      {0x89, std::string(126, 'p')},
      {0x8A, "a pong that nobody asked for"},
  };
  constexpr std::size_t none = 1'000;
  std::atomic<std::size_t> which{none};
  FakeHost host([&](Peer& peer, int) {
    begin(peer);
    if (const auto i = which.exchange(none); i != none) peer.frame(frames[i].first, frames[i].second);
    peer.text(R"({"op":"save-state","seq":null,"data":{"state":"saved"}})");
    peer.drain();
  });
  auto options = to(host);
  options.max_message_bytes = 100'000;
  std::size_t followed = 0;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    which = i;
    auto session = connect_open("n.ipynb", options);
    if (!session) continue;  // it came before the replay was over
    const auto seen = session->wait_for([](const View& view) { return view.notebook.save_state == "saved"; }, patience);
    if (seen) {
      ++followed;
      continue;
    }
    EXPECT_TRUE(session->ended()) << "frame " << i << ": " << seen.error().text();
  }
  EXPECT_GT(followed, frames.size() / 2);
}

TEST(ClientHostile, FramesThatAreTooLargeAreNotTakenIn) {
  FakeHost host([](Peer& peer, int) {
    begin(peer);
    std::string head("\x81\x7F", 2);
    head += std::string("\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8);
    peer.send(head);
    peer.drain();
  });
  auto session = connect_open("n.ipynb", to(host));
  ASSERT_TRUE(ok(session));
  EXPECT_EQ(session->wait_for([](const View&) { return false; }, patience).error().code, "bad_answer");
}

TEST(ClientHostile, ASilentHostIsGivenUp) {
  FakeHost host([](Peer&, int) {});
  host.be_silent();
  auto options = to(host);
  options.open_timeout = 200ms;
  const auto session = connect_open("n.ipynb", options);
  ASSERT_FALSE(session);
  EXPECT_THAT(session.error().code, ::testing::AnyOf("timeout", "unreachable"));
}

TEST(ClientHostile, AReplayThatNeverEndsIsGivenUp) {
  FakeHost host([](Peer& peer, int) {
    peer.text(FakeHost::ready());
    peer.drain();
  });
  auto options = to(host);
  options.open_timeout = 200ms;
  const auto session = connect_open("n.ipynb", options);
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, "timeout");
}

TEST(ClientHostile, ASilentLineIsAskedAndThenLost) {
  std::atomic<bool> answers{false};
  FakeHost host([&](Peer& peer, int) {
    begin(peer);
    if (answers && peer.heard_ping()) peer.text(R"({"op":"save-state","seq":null,"data":{"state":"saved"}})");
    peer.drain();
  });
  auto options = to(host);
  options.silent_for = 300ms;
  auto session = connect_open("n.ipynb", options);
  ASSERT_TRUE(ok(session));
  EXPECT_TRUE(ok(session->wait_for([](const View& view) { return view.links >= 2; }, patience)));
  answers = true;
  EXPECT_TRUE(ok(session->wait_for([](const View& view) { return view.notebook.save_state == "saved"; }, patience)));
}

TEST(ClientHostile, ACommandWithoutAnAnswerEnds) {
  FakeHost host([](Peer& peer, int) {
    begin(peer);
    peer.drain();
  });
  auto options = to(host);
  options.answer_timeout = 100ms;
  auto session = connect_open("n.ipynb", options);
  ASSERT_TRUE(ok(session));
  const auto answer = session->command("room");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, "outcome_unknown");
  EXPECT_EQ(answer.error().status, 504);
}

TEST(ClientHostile, WhatCannotBeSentIsRefusedHere) {
  FakeHost host([](Peer& peer, int) {
    begin(peer);
    peer.drain();
  });
  auto session = connect_open("n.ipynb", to(host));
  ASSERT_TRUE(ok(session));
  EXPECT_EQ(session->set_source("a", "\xFF").error().code, "bad_request");
  EXPECT_EQ(session->set_source("a", std::string(17u << 20, 'x')).error().code, "too_large");
  auto options = to(host);
  options.token = "a\r\nEvil: 1";
  EXPECT_EQ(connect_open("n.ipynb", options).error().code, "bad_request");
  for (const auto* url :
       {"nonsense", "ftp://x/", "http://", "http://a:b/", "http://[::1/", "http://a b/", "http://u@h/"}) {
    options.url = url;
    EXPECT_EQ(connect_open("n.ipynb", options).error().code, "bad_url") << url;
  }
  EXPECT_EQ(connect_open("\xFF.ipynb", to(host)).error().code, "bad_request");
}

TEST(ClientHostile, ClosingEndsWhatIsUnderWay) {
  FakeHost host([](Peer& peer, int) {
    begin(peer);
    peer.drain();
  });
  auto session = connect_open("n.ipynb", to(host));
  ASSERT_TRUE(ok(session));
  std::atomic<int> ended{0};
  for (int i = 0; i < 300; ++i) {
    session->async_command("room", Json::Object{}, [&](const Result<Json>& reply) {
      if (!reply && reply.error().code == "ended") ++ended;
    });
  }
  session->close();
  EXPECT_EQ(ended, 300);
  EXPECT_EQ(session->command("room").error().code, "ended");
  EXPECT_EQ(session->confirm_sync().error().code, "ended");
  EXPECT_EQ(session->execute({"a"}).error().code, "ended");
  EXPECT_EQ(session->wait_for([](const View&) { return false; }).error().code, "ended");
  session->close();
}

TEST(ClientHostile, ClosingEndsABlobUnderWay) {
  // It answers one connection after the other: nothing but the notebook's until that is gone.
  FakeHost host([](Peer& peer, int) {
    begin(peer);
    peer.drain();
  });
  auto session = connect_open("n.ipynb", to(host));
  ASSERT_TRUE(ok(session));
  std::atomic<int> called{0};
  session->async_blob(Json().set("$blob", "00"), [&](const Result<std::string>& bytes) {
    EXPECT_TRUE(!bytes && bytes.error().code == "ended");
    ++called;
  });
  session->close();
  EXPECT_EQ(called, 1);
}

// Made before the library's thread, and still open when the process ends: that is then no crash (ctest runs each test
// in a process of its own).
std::unique_ptr<FakeHost> host_at_exit;
std::optional<Session> open_at_exit;

TEST(ClientHostile, ASessionThatIsAGlobalEndsWithTheProcess) {
  open_at_exit.reset();
  host_at_exit = std::make_unique<FakeHost>([](Peer& peer, int) {
    begin(peer);
    peer.drain();
  });
  auto session = connect_open("n.ipynb", to(*host_at_exit));
  ASSERT_TRUE(ok(session));
  open_at_exit = std::move(*session);
  EXPECT_FALSE(open_at_exit->ended());
}

TEST(ClientHostile, SubscriptionsAndSessionsEndWhereTheyAre) {
  FakeHost host([](Peer& peer, int) {
    begin(peer);
    for (int i = 0; i < 2'000; ++i) peer.text(R"({"op":"save-state","seq":null,"data":{"state":"dirty"}})");
    peer.drain();
  });
  auto opened = connect_open("n.ipynb", to(host));
  ASSERT_TRUE(ok(opened));
  auto session = std::make_shared<std::optional<Session>>(std::move(*opened));
  std::atomic<int> heard{0};
  std::atomic<bool> gone{false};
  {
    const auto hearing = (*session)->subscribe([&](const Event&) {
      EXPECT_FALSE(gone);
      ++heard;
    });
    ASSERT_TRUE(
        ok((*session)->wait_for([](const View& view) { return view.notebook.save_state == "dirty"; }, patience)));
  }
  gone = true;
  // Destroyed by a callback, on the library's own thread.
  std::atomic<bool> over{false};
  (*session)->async_command("room", Json::Object{}, [&](const Result<Json>&) { over = true; });
  (*session)->async_wait_for([](const View&) { return true; }, {},
                             [session](const Result<void>&) { session->reset(); });
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!over && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_TRUE(over) << "the command that was under way ends with the session";
}

}  // namespace
}  // namespace lectern::client::testing
