// Slow consumers, event streams, sessions that come and go.
#include <thread>

#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

class SessionFlowTest : public SessionTest {
 protected:
  /// A large event that is a small change: what these tests fill is the link, not the engine.
  static std::string big_edit(char letter) {
    return R"({"changes":[{"type":"set_source","cell_id":"a","source":")" + big_source(letter) + R"("}]})";
  }
  static std::string big_source(char letter) { return std::string(40'000, 'x') + letter; }
};

TEST_F(SessionFlowTest, SlowConsumerIsCutToASnapshotAndTheEditorIsNot) {
  Settings settings;
  settings.queue_bytes = 200'000;
  settings.autosave = false;
  start(settings);
  auto editor = tab(), slow = tab();
  editor->await("kernel-ready");
  slow->await("replay-complete");
  slow->stop_reading();
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(flag_of(editor->command("transaction", big_edit(static_cast<char>('a' + i)), 1), "ok"));
  }
  EXPECT_FALSE(slow->closed());
  slow->read_on();
  slow->await("resync");
  const auto fresh = slow->await("kernel-ready");
  EXPECT_EQ(text_of(fresh.data, "replay"), "snapshot");
  EXPECT_EQ(text_of((*at(fresh.data, {"notebook", "cells"}).as_array())[0], "source"), big_source('l'));
  slow->await("replay-complete");
  editor->command("transaction", big_edit('z'), 1);
  EXPECT_EQ(slow->await("notebook-document-transaction").op, "notebook-document-transaction");
}

TEST_F(SessionFlowTest, StillSlowInItsSnapshotIsClosed) {
  Settings settings;
  settings.queue_bytes = 200'000;
  settings.autosave = false;
  start(settings);
  auto editor = tab(), slow = tab();
  editor->await("kernel-ready");
  slow->await("replay-complete");
  slow->stop_reading();
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(flag_of(editor->command("transaction", big_edit(static_cast<char>('a' + i)), 1), "ok"));
  }
  const auto grow =
      R"({"changes":[{"type":"set_source","cell_id":"b","source":")" + std::string(150'000, 'w') + R"("}]})";
  editor->command("transaction", grow, 1);
  slow->stop_reading_after("\"op\":\"resync\"");
  slow->read_on();
  slow->await("kernel-ready");  // larger than what the socket takes: the rest of the snapshot waits
  for (int i = 0; i < 12; ++i) editor->command("transaction", big_edit(static_cast<char>('a' + i)), 1);
  EXPECT_EQ(slow->await_close(), std::make_pair(std::uint16_t{1013}, std::string("TOO_SLOW")));
  EXPECT_FALSE(editor->closed());
}

TEST_F(SessionFlowTest, RoomStatesOfAFullQueueCoalesce) {
  start();
  auto editor = tab(), slow = tab();
  editor->await("kernel-ready");
  slow->await("replay-complete");
  slow->stop_reading();
  editor->command("transaction", big_edit('a'), 1);
  editor->command("transaction", big_edit('b'), 1);  // the link is full now
  for (int i = 0; i < 50; ++i) editor->command("focus", R"({"cell_id":"a"})");
  slow->settle();
  const auto before = slow->all().size();
  slow->read_on();
  slow->settle();
  std::size_t states = 0;
  const auto all = slow->all();
  for (std::size_t i = before; i < all.size(); ++i) states += all[i].op == "room-state" ? 1 : 0;
  EXPECT_LE(states, 2u);  // the one that waited, and one that the room's own pause let go meanwhile
}

TEST_F(SessionFlowTest, EventStreamGetsTheSameEvents) {
  start();
  auto editor = tab();
  editor->await("kernel-ready");
  auto made = ask<CommandReply>([&](Reply<CommandReply> reply) {
    session_->make_client({"stream", "program", false, 3, "owner", {}}, std::move(reply));
  });
  const auto body = json::parse(made->json);
  Tab::How how;
  how.route = "events";
  how.subprotocol = "";
  how.key = text_of(at(*body, {"client"}), "id") + "." + text_of(at(*body, {"client"}), "secret");
  auto stream = tab(how);
  stream->await("kernel-ready");
  editor->command("transaction", big_edit('s'), 1);
  EXPECT_TRUE(stream->await("notebook-document-transaction").seq.has_value());
}

TEST_F(SessionFlowTest, ConcurrentOpensShareOneSession) {
  start();
  host_->write("m.ipynb", small_notebook);
  std::vector<std::future<Result<SessionPtr>>> opens;
  for (int i = 0; i < 8; ++i) {
    opens.push_back(std::async(std::launch::async, [this] { return host_->open("m.ipynb"); }));
  }
  std::set<std::string> ids;
  for (auto& open : opens) {
    auto session = open.get();
    ASSERT_TRUE(session) << session.error().message;
    ids.insert((*session)->id());
  }
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(host_->directory().list().size(), 2u);
}

TEST_F(SessionFlowTest, FailedOpensLeaveNoSessionAndSayWhy) {
  start();
  EXPECT_EQ(host_->open("nowhere/nothing.ipynb").error().code, "not_found");
  EXPECT_EQ(host_->open("../n.ipynb").error().code, "outside_root");
  host_->write("broken.ipynb", "{\"cells\":[");
  const auto broken = host_->open("broken.ipynb");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().status, 422);
  host_->write("odd.xyz", "nobody reads this");
  EXPECT_EQ(host_->open("odd.xyz").error().code, "unknown_format");
  EXPECT_EQ(host_->directory().sessions().size(), 1u);
}

TEST_F(SessionFlowTest, LastOneOutEndsTheSessionAndTheFileIsSaved) {
  Settings settings;
  settings.session_ttl_ms = 20;
  settings.reservation_closed_ms = 20;
  settings.autosave_after_ms = 60'000;
  settings.autosave_at_most_ms = 60'000;
  start(settings);
  auto only = tab();
  only->await("kernel-ready");
  only->command("transaction", big_edit('q'), 1);
  only->cut(true);
  session_.reset();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!host_->directory().list().empty() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(host_->directory().list().empty());
  EXPECT_NE(host_->read("n.ipynb").find("xxxq"), std::string::npos);
  auto again = host_->open("n.ipynb");
  EXPECT_TRUE(again) << again.error().message;
}

TEST_F(SessionFlowTest, EndClosesEverybodyWithTheReason) {
  start();
  auto first = tab();
  first->await("kernel-ready");
  const auto ended =
      ask<bool>([&](Reply<bool> reply) { host_->directory().end(session_->id(), "SESSION_ENDED", std::move(reply)); });
  ASSERT_TRUE(ended);
  EXPECT_EQ(first->await_close(), std::make_pair(std::uint16_t{1000}, std::string("SESSION_ENDED")));
  EXPECT_EQ(text_of(first->await("closing").data, "reason"), "SESSION_ENDED");
  EXPECT_EQ(host_->directory().find(session_->id()), nullptr);
  const auto after = ask<json::Value>([&](Reply<json::Value> reply) { session_->describe(std::move(reply)); });
  EXPECT_EQ(after.error().code, "session_not_found");
}

TEST_F(SessionFlowTest, ClientsAreChecked) {
  start();
  const auto run = [&](const std::string& key) {
    CommandRequest request;
    request.client_key = key;
    request.name = "room";
    return ask<CommandReply>([&](Reply<CommandReply> reply) { session_->command(request, std::move(reply)); });
  };
  EXPECT_EQ(run("").error().code, "client_required");
  EXPECT_EQ(run("nobody.x").error().code, "client_unknown");
  auto first = tab();
  const auto key = Tab::key_of(first->await("kernel-ready"));
  EXPECT_TRUE(run(key));
  auto second = tab();
  const auto other = Tab::key_of(second->await("kernel-ready"));
  second->cut(true);
  EXPECT_EQ(run(other).error().code, "not_a_member");
}

}  // namespace
}  // namespace lectern::session::testing
