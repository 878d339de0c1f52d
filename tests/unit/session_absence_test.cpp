// Lines that end and askees that fall silent: who keeps a place, and who is told so (protocol 4 "Absence").
#include "session_support.hpp"

namespace lectern::session::testing {
namespace {

class SessionAbsenceTest : public SessionTest {
 protected:
  /// The same client again, with the last event it saw.
  Tab::How back(const Received& ready, const std::string& key) {
    Tab::How how(R"({"resume":")" + text_of(ready.data, "stream") + "." + std::to_string(number_of(ready.data, "seq")) +
                 "\"}");
    how.key = key;
    return how;
  }
  static std::string state_of(const Received& room, const std::string& client_id) {
    const auto members = at(room.data, {"members"});
    for (const auto& member : *members.as_array()) {
      if (text_of(member, "client_id") == client_id) return text_of(member, "state");
    }
    return "";
  }
};

TEST_F(SessionAbsenceTest, AReaderThatWasCutIsAMemberStillOneThatSaidGoodbyeIsNot) {
  start();
  auto editor = tab(), reader = tab();
  editor->await("kernel-ready");
  const auto ready = reader->await("kernel-ready");
  reader->await("replay-complete");
  EXPECT_FALSE(flag_of(ready.data, "resumed"));
  const auto key = Tab::key_of(ready);
  const auto id = key.substr(0, key.find('.'));
  reader->cut(false);
  editor->await([&](const Received& one) { return one.op == "room-state" && state_of(one, id) == "lost"; }, "its loss");
  auto again = tab(back(ready, key));
  const auto resumed = again->await("kernel-ready");
  EXPECT_EQ(text_of(resumed.data, "replay"), "gap");
  EXPECT_TRUE(flag_of(resumed.data, "resumed"));
  again->cut(true);
  editor->await([&](const Received& one) { return one.op == "room-state" && state_of(one, id).empty(); }, "its going");
  auto anew = tab(back(ready, key));
  const auto joined = anew->await("kernel-ready");
  EXPECT_EQ(text_of(joined.data, "replay"), "gap");
  EXPECT_FALSE(flag_of(joined.data, "resumed"));
}

TEST_F(SessionAbsenceTest, AnAskeeWithoutASignOfLifeIsLostLongBeforeTheDeadline) {
  Settings settings;
  settings.policy = "ask-first";
  settings.ask_pong_ms = 20;
  settings.reservation_lost_ms = 600'000;
  settings.request_deadline_ms = 600'000;
  start(settings);
  auto editor = tab(), asker = tab();
  const auto ready = editor->await("kernel-ready");
  ASSERT_TRUE(edits(ready.data));
  asker->await("kernel-ready");
  editor->fall_silent();
  asker->send(R"({"id":"ask","command":"takeover","body":{}})");
  const auto id = text_of(at(ready.data, {"client"}), "id");
  asker->await([&](const Received& one) { return one.op == "room-state" && state_of(one, id) == "lost"; }, "its loss");
}

TEST_F(SessionAbsenceTest, WhoWaitsForTheAnswerToItsRequestIsThere) {
  Settings settings;
  settings.policy = "ask-first";
  settings.client_without_socket_ms = 150;
  settings.request_deadline_ms = 600'000;
  start(settings);
  auto editor = tab();
  ASSERT_TRUE(edits(editor->await("kernel-ready").data));
  const auto made = ask<CommandReply>([&](Reply<CommandReply> reply) {
    session_->make_client({"script", "program", false, 3, "owner", {}}, std::move(reply));
  });
  ASSERT_TRUE(made) << made.error().message;
  const auto body = json::parse(made->json);
  const auto key = text_of(at(*body, {"client"}), "id") + "." + text_of(at(*body, {"client"}), "secret");
  CommandRequest request;
  request.client_key = key;
  request.name = "takeover";
  const auto asked =
      ask<CommandReply>([&](Reply<CommandReply> reply) { session_->command(std::move(request), std::move(reply)); });
  ASSERT_TRUE(asked) << asked.error().message;
  ASSERT_EQ(asked->status, 202) << asked->json;
  const auto number = number_of(*json::parse(asked->json), "request_id");
  const auto waited = ask<CommandReply>(
      [&](Reply<CommandReply> reply) { session_->takeover_status(key, number, 1'000, std::move(reply)); });
  ASSERT_TRUE(waited) << waited.error().message;
  EXPECT_EQ(text_of(*json::parse(waited->json), "state"), "open");
}

TEST_F(SessionAbsenceTest, AKeyAsFirstFrameMakesTheConnectionThatClient) {
  start();
  auto editor = tab();
  const auto ready = editor->await("kernel-ready");
  const auto key = Tab::key_of(ready);
  editor->cut(false);
  auto again = tab();
  const auto stranger = again->await("kernel-ready");
  EXPECT_NE(text_of(at(stranger.data, {"client"}), "id"), text_of(at(ready.data, {"client"}), "id"));
  again->send(R"({"client":")" + key + "\"}");
  const auto mine = again->await("kernel-ready");
  EXPECT_EQ(text_of(at(mine.data, {"client"}), "id"), text_of(at(ready.data, {"client"}), "id"));
  EXPECT_EQ(number_of(mine.data, "epoch"), 1u);
  EXPECT_TRUE(flag_of(mine.data, "resumed"));
  EXPECT_TRUE(flag_of(
      again->command("transaction", R"({"changes":[{"type":"set_source","cell_id":"a","source":"y"}]})", 1), "ok"));
  // Once it has said something, it stays who it is.
  again->send(R"({"client":")" + Tab::key_of(stranger) + "\"}");
  EXPECT_EQ(at(again->command("room"), {"room", "members"}).as_array()->size(), 1u);
}

}  // namespace
}  // namespace lectern::session::testing
